"""Which rows a run reads, as plain values: from a recipe before it, from ``rows.json`` after it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kd2edge.errors import IntegrityError, SchemaTooNewError, StorageError
from kd2edge.files import write_atomic
from kd2edge.json_text import json_value
from kd2edge.rows.hashes import Hashes, row_hashes
from kd2edge.rows.holdout import REST, held_out
from kd2edge.rows.join import JoinedRows, Source, joined
from kd2edge.rows.kinds import open_rows
from kd2edge.rows.leak import ChosenRows, without
from kd2edge.rows.made.maker import Making
from kd2edge.rows.made.rows import MadeRows
from kd2edge.rows.rows import Rows
from kd2edge.rows.tags import tag_rows
from kd2edge.rows.words import cut_rows

__all__ = [
    "SPLITS",
    "HoldOutPlan",
    "RowsPlan",
    "SourcePlan",
    "left_out",
    "made_rows",
    "open_labelled",
    "open_split",
    "opened",
    "read_rows_plan",
    "write_rows_plan",
]

#: Why rows are left out of the training split.
_HELD_OUT = "stand in validation or test"
_LABELLED = "stand among the labelled rows"
_UNLABELLED = "stand in an earlier unlabelled source"
SPLITS = ("train", "validation", "test")
#: Version of ``rows.json``.  In 1 a column file could have more columns than were named; in 2 rows
#: could be made in one way alone; up to 3 a source of several files was not named as a whole.
SCHEMA = 4


@dataclass(frozen=True, slots=True)
class HoldOutPlan:
    """How the rows of a source's training files are shared out.

    Args:
        part: the split that a source of the plan stands for.
        files: all training files, in their order.
        shares: split -> share of the rows that is held out for it.
        group: column of what belongs together; None: the same input alone does.
        seed: of the choice.
        labels: columns of labels that every split gets its share of.
    """

    part: str
    files: tuple[str, ...]
    shares: Mapping[str, float]
    group: str | None = None
    seed: int = 0
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """One source of one split.

    Args:
        name: its name in the recipe, with a number behind it where it is one of several files.
        kind: a name in ``rows.ROW_KINDS``.
        place: the file, or for ``builtin`` the builder and its options.
        options: options of the kind.
        columns: name that inputs and tasks use -> name in the rows.
        tasks: tasks whose labels count; empty for rows that only teachers label.
        words: new column of words -> the column of text in the rows that is cut.
        schemes: column of tags in the rows -> the scheme that they are written in.
        hold_out: which rows of the file these are; None: all.
        made: how other rows are made of them, which take their place; None: none are.
        recipe_name: what the recipe calls all files of the source; "": ``name``.
    """

    name: str
    kind: str
    place: str | Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    schemes: Mapping[str, str] = field(default_factory=dict)
    hold_out: HoldOutPlan | None = None
    made: Making | None = None
    recipe_name: str = ""


@dataclass(frozen=True, slots=True)
class RowsPlan:
    """The sources of every split, and the input columns that make two rows the same.

    Unlabelled rows that stand in validation or test are never trained on; ``drop_leaks`` leaves
    such rows of the labelled training sources out too.  ``pictures`` are those of the columns that
    hold images.
    """

    splits: Mapping[str, tuple[SourcePlan, ...]]
    columns: tuple[str, ...]
    drop_leaks: bool = False
    pictures: tuple[str, ...] = ()


def open_split(plan: RowsPlan, split: str) -> JoinedRows:
    """Open the rows of a split; for the training split all rows may be read to find leaks."""
    planned = plan.splits.get(split, ())
    if split != "train" or not any(plan.drop_leaks or not source.tasks for source in planned):
        return joined([_opened(source, plan) for source in planned])
    return joined(_without_leaks(plan, planned))


def open_labelled(plan: RowsPlan) -> JoinedRows:
    """All labelled sources of all splits as one sequence, to take label inventories from."""
    sources = [
        replace(_opened(source, plan), name=f"{split}/{source.name}")
        for split, several in plan.splits.items()
        for source in several
        if source.tasks
    ]
    return joined(sources)


def opened(source: SourcePlan) -> Source:
    """Open a source whole, whatever a recipe holds out of it.

    Raises:
        DataError: no such file, or one that is not of its kind.
        BackendError: a package that the kind needs is not installed.
    """
    return _source_of(source, _rows(source))


def _opened(source: SourcePlan, plan: RowsPlan) -> Source:
    if source.hold_out is None:
        return opened(source)
    return _source_of(source, _part(source, source.hold_out, plan))


def _source_of(plan: SourcePlan, rows: Rows) -> Source:
    tasks, columns = tuple(plan.tasks), dict(plan.columns)
    return Source(plan.name, rows, tasks, columns, recipe_name=plan.recipe_name)


def _rows(plan: SourcePlan) -> Rows:
    return as_planned(open_rows(plan.kind, plan.place, options=plan.options), plan)


def as_planned(rows: Rows, plan: SourcePlan) -> Rows:
    """Rows as their file has them, with the words, tags and variants that a source asks for."""
    if plan.words:
        rows = cut_rows(rows, plan.words)
    if plan.schemes:
        rows = tag_rows(rows, plan.schemes)
    if plan.made is not None:
        rows = MadeRows(rows, plan.made)
    return rows


def _part(source: SourcePlan, how: HoldOutPlan, plan: RowsPlan) -> Rows:
    """The rows of a file that belong to a split; all files are shared out as one."""
    files = [replace(source, place=file) for file in how.files]
    every = joined([Source(str(at), _rows(file)) for at, file in enumerate(files)])
    names = [source.columns.get(column, column) for column in plan.columns]
    pictures = [source.columns.get(column, column) for column in plan.pictures]
    hashes = row_hashes(every, names, loose=True, pictures=pictures)
    # Not in the order of the mapping: that of `rows.json` is another.
    shares = {split: how.shares[split] for split in SPLITS if split in how.shares}
    parts = held_out(
        every, shares, hashes,
        columns=names, labels=how.labels, group=how.group, seed=how.seed,
    )  # fmt: skip
    own = REST if how.part == "train" else 1 + list(shares).index(how.part)
    own_file = how.files.index(str(source.place))
    rows = every.sources[own_file].rows
    start = sum(len(one.rows) for one in every.sources[:own_file])
    return ChosenRows(rows, np.flatnonzero(parts[start : start + len(rows)] == own))


def _without_leaks(plan: RowsPlan, planned: Sequence[SourcePlan]) -> list[Source]:
    held_out = [
        hashes_of(open_split(plan, split), plan)
        for split in ("validation", "test")
        if plan.splits.get(split)
    ]
    nothing = np.zeros(0, np.uint64)
    barred = {_HELD_OUT: np.concatenate([*held_out, nothing])}
    sources = [_made_of_kept(source, plan, barred) for source in planned]
    labelled = [hashes_of(joined([source]), plan) for source in sources if source.tasks]
    seen = {**barred, _LABELLED: np.concatenate([*labelled, nothing]), _UNLABELLED: nothing}
    kept: list[Source] = []
    for source in sources:
        if source.tasks:
            kept.append(_less(source, plan, barred) if plan.drop_leaks else source)
        else:
            # An unlabelled row that repeats a labelled one teaches nothing new.
            chosen = _less(source, plan, seen, duplicates=True)
            own = hashes_of(joined([chosen]), plan)
            seen = {**seen, _UNLABELLED: np.concatenate([seen[_UNLABELLED], own])}
            kept.append(chosen)
    return kept


def _made_of_kept(source: SourcePlan, plan: RowsPlan, barred: Mapping[str, Hashes]) -> Source:
    """A source; what is made was made of rows that may be trained on.

    A held-out row with one word exchanged is another row to every hash.
    """
    if source.made is None:
        return _opened(source, plan)
    kept = _less(_opened(replace(source, made=None), plan), plan, barred)
    if not kept.left_out:
        return _opened(source, plan)
    left_out = {reason: count * source.made.copies for reason, count in kept.left_out.items()}
    return replace(kept, rows=MadeRows(kept.rows, source.made), left_out=left_out)


def hashes_of(rows: Rows, plan: RowsPlan) -> Hashes:
    """What makes rows the same ``[row]``: their inputs, as a reader would compare them."""
    return row_hashes(rows, plan.columns, loose=True, pictures=plan.pictures)


def _less(
    source: Source, plan: RowsPlan, barred: Mapping[str, Hashes], *, duplicates: bool = False
) -> Source:
    names = [source.columns.get(column, column) for column in plan.columns]
    pictures = [source.columns.get(column, column) for column in plan.pictures]
    rows = without(source.rows, barred, names, pictures=pictures, duplicates=duplicates)
    counts = Counter(source.left_out) + Counter(rows.left_out)
    return replace(source, rows=rows, left_out=dict(counts))


def made_rows(rows: JoinedRows) -> list[str]:
    """How many rows of each source were made of others, as lines for people."""
    return [
        f"{source.name}: {len(source.rows):,} rows were made of others, for the teachers to label"
        for source in rows.sources
        if len(source.rows) and source.rows.is_made(0)
    ]


def left_out(rows: JoinedRows) -> list[str]:
    """What was left out of each source, and why, as lines for people."""
    return [
        f"{source.name}: {sum(source.left_out.values()):,} of"
        f" {len(source.rows) + sum(source.left_out.values()):,} rows left out: "
        + ", ".join(f"{count:,} {reason}" for reason, count in source.left_out.items())
        for source in rows.sources
        if source.left_out
    ]


def write_rows_plan(path: Path, plan: RowsPlan) -> None:
    """Write ``rows.json``: enough to open the rows again without the recipe and its packages."""
    text = json.dumps(
        {"schema": SCHEMA, **asdict(plan)}, indent=1, sort_keys=True, ensure_ascii=False
    )
    write_atomic(path, f"{text}\n".encode())


def _source(value: dict[str, Any], schema: int) -> SourcePlan:
    options = value["options"]
    if schema == 1 and isinstance(options.get("columns"), list):
        named = {name: at for at, name in enumerate(options["columns"]) if name != "_"}
        options = {**options, "columns": named}
    held = value.get("hold_out")
    if held is not None:
        lists = {name: tuple(held[name]) for name in ("files", "labels")}
        held = HoldOutPlan(**{**held, **lists})
    made = value.get("made")
    if schema < 3:
        value = dict(value)
        made = _remixed(value.pop("remix", None))
    if made is not None:
        lists = {name: tuple(made[name]) for name in ("words", "numeric", "categorical")}
        made = Making(**{**made, **lists})
    tasks = tuple(value["tasks"])
    return SourcePlan(
        **{**value, "options": options, "tasks": tasks, "hold_out": held, "made": made}
    )


def _remixed(remix: dict[str, Any] | None) -> dict[str, Any] | None:
    if remix is None:
        return None
    options = {name: remix[name] for name in ("splice", "swap", "digits")}
    kept = {name: remix[name] for name in ("copies", "seed")}
    columns = {"words": remix["columns"], "numeric": (), "categorical": ()}
    return {"kind": "remix", "options": options, **kept, **columns}


def read_rows_plan(path: Path) -> RowsPlan:
    """Read what :func:`write_rows_plan` wrote.

    Raises:
        StorageError: it cannot be read.
        IntegrityError: it is damaged.
        SchemaTooNewError: a newer kd2edge wrote it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        value = json_value(text, strict=False)
        if value["schema"] > SCHEMA:
            raise SchemaTooNewError(
                f"{path}: has schema {value['schema']}, this kd2edge reads up to {SCHEMA}: "
                "update kd2edge"
            )
        splits = {
            split: tuple(_source(source, value["schema"]) for source in sources)
            for split, sources in value["splits"].items()
        }
        pictures = tuple(value.get("pictures", ()))  # runs of before it was kept have none
        return RowsPlan(splits, tuple(value["columns"]), bool(value["drop_leaks"]), pictures)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{path}: damaged ({error}): run `kd2edge distill` again") from error
