"""Rows that somebody hands to a finished bundle: read as the recipe's sources were.

A bundle keeps how its sources were read (``sources.json``: kind, options, columns, names of files,
no folder): the file that trained the model, or another like it, is read alike without a recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from kd2edge.bundle import Bundle
from kd2edge.errors import SchemaTooNewError, UsageError
from kd2edge.files.fingerprint import canonical_json
from kd2edge.files.strict_json import Fields, as_integer, as_object, as_text, as_texts, parsed
from kd2edge.pipeline.reading.sources import RowsPlan, SourcePlan, as_planned
from kd2edge.rows.join import JoinedRows, Source, joined
from kd2edge.rows.kinds import FILE_KINDS, open_rows
from kd2edge.rows.rows import Rows

__all__ = ["SOURCES", "Asked", "SourceForm", "forms_json", "forms_of", "handed_rows", "is_plain"]

#: Where a bundle keeps the forms of its sources.
SOURCES = "sources.json"
_SCHEMA = 1
_LIMIT = 1 << 20  # bytes
#: Ending of a file's name -> kind of rows; each may end in ``.gz`` as well, Parquet aside.
_ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
_ENDINGS |= {".conll": "conll", ".iob": "conll", ".iob2": "conll", ".bio": "conll"}


@dataclass(frozen=True, slots=True)
class SourceForm:
    """How a source's files are read, and what they are called.

    Args:
        plan: the source, with no place.
        files: names of its files, without folders.
    """

    plan: SourcePlan
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller says of a file: kind and options, or a source of the recipe that it is like.

    Args:
        kind: a name in ``rows.kinds.FILE_KINDS``; "" for what its name or the bundle says.
        options: options of the kind; they go before those of a source.
        source: name of a source of the recipe; "" for the one that fits.
        otherwise: the kind of a file that nothing tells the kind of; "" refuses it.
    """

    kind: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    otherwise: str = ""


def forms_json(plan: RowsPlan) -> bytes:
    """The bytes of ``sources.json``: every source of files once, with no path of a machine."""
    found: dict[bytes, tuple[SourcePlan, list[str]]] = {}
    for sources in plan.splits.values():
        for source in sources:
            if source.kind in FILE_KINDS:
                bare = replace(source, place="", hold_out=None, made=None, recipe_name="")
                _, files = found.setdefault(canonical_json(asdict(bare)), (bare, []))
                files.append(Path(str(source.place)).name)
    forms = [
        {**{key: getattr(bare, key) for key in _KEYS}, "files": files}
        for bare, files in found.values()
    ]
    return canonical_json({"schema": _SCHEMA, "sources": forms})


def forms_of(bundle: Bundle) -> tuple[SourceForm, ...]:
    """The forms of the sources that a bundle was made of; none in bundles that do not say.

    Raises:
        IntegrityError: the file is damaged, or no such file as kd2edge writes.
    """
    if SOURCES not in bundle.files or SOURCES in bundle.left_out:
        return ()
    return read_forms(bundle.read(SOURCES), str(bundle.path / SOURCES))


def read_forms(content: bytes, place: str) -> tuple[SourceForm, ...]:
    """Read what :func:`forms_json` wrote.

    Raises:
        IntegrityError: it is no such file; ``place`` names it.
        SchemaTooNewError: a newer kd2edge wrote it.
    """
    read = Fields(parsed(content, place, _LIMIT), place)
    if read.one("schema", as_integer) > _SCHEMA:
        raise SchemaTooNewError(f"{place}: written by a newer kd2edge: update this one")
    return read.list("sources", _form)


def _form(value: object, place: str) -> SourceForm:
    read = Fields(value, place)
    files = read.one("files", as_texts)
    return SourceForm(
        SourcePlan(place="", **{key: read.one(key, _READ[key]) for key in _KEYS}), files
    )


def _texts(value: object, place: str) -> dict[str, str]:
    return {name: as_text(one, f"{place}.{name}") for name, one in as_object(value, place).items()}


def _options(value: object, place: str) -> dict[str, Any]:
    """Options of a kind: texts, lists of texts, or whole numbers by name."""
    found: dict[str, Any] = {}
    for name, one in as_object(value, place).items():
        where = f"{place}.{name}"
        if isinstance(one, dict):
            found[name] = {key: as_integer(at, where, -99) for key, at in one.items()}
        elif one is not None:
            found[name] = as_texts(one, where) if isinstance(one, list) else as_text(one, where)
    return found


#: What is no way of reading: where a file stands, what it is a part of, which rows a split has.
_ELSEWHERE = {"place", "hold_out", "made", "recipe_name"}
_KEYS = tuple(one.name for one in fields(SourcePlan) if one.name not in _ELSEWHERE)
_READ: Mapping[str, Callable[[object, str], Any]] = {
    "name": as_text, "kind": as_text, "options": _options, "columns": _texts, "tasks": as_texts,
    "words": _texts, "schemes": _texts,
}  # fmt: skip


def handed_rows(
    path: Path, forms: Sequence[SourceForm], tasks: Iterable[str], asked: Asked | None = None
) -> JoinedRows:
    """Open a file that somebody handed, with whatever the bundle knows of such files.

    Args:
        path: the file.
        forms: what the bundle says, from :func:`forms_of`.
        tasks: the bundle's tasks: they count where the file's source does not name its own.
        asked: what the caller says of it.

    Raises:
        UsageError: nothing tells how the file is read; the message says what to state.
        DataError: no such file, or one that is not of its kind.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    plan = source_of(path, forms, asked or Asked())
    rows = open_rows(plan.kind, str(path), options=plan.options)
    plan = _fitted(plan, rows)
    counted = plan.tasks or tuple(tasks)
    return joined([Source(plan.name, as_planned(rows, plan), tuple(counted), dict(plan.columns))])


def _fitted(plan: SourcePlan, rows: Rows) -> SourcePlan:
    """The plan for the columns that a file has: the recipe's names for them, or the model's own."""
    row = rows[0] if plan.columns and len(rows) else {}
    own = {new: old for new, old in plan.columns.items() if new in row and old not in row}
    columns = {new: old for new, old in plan.columns.items() if new not in own}
    named = {old: new for new, old in own.items()}
    schemes = {named.get(column, column): name for column, name in plan.schemes.items()}
    return replace(plan, columns=columns, schemes=schemes)


def is_plain(plan: SourcePlan) -> bool:
    """Whether a file is JSON lines with the model's own columns: it can be read as it comes."""
    return plan.kind == "jsonl" and not (plan.columns or plan.words)


def source_of(path: Path, forms: Sequence[SourceForm], asked: Asked) -> SourcePlan:
    """How a file is read: by what the caller says, else by its name, else by its ending.

    Raises:
        UsageError: an unknown kind or source, several forms that fit, or none.
    """
    if asked.kind and asked.kind not in FILE_KINDS:
        raise UsageError(
            f"--kind {asked.kind}: expected a kind of file, one of {', '.join(FILE_KINDS)}"
        )
    kind = asked.kind or _kind_of(path.name)
    fit = _fitting(path, forms, kind, asked)
    if len(fit) > 1:
        names = ", ".join(form.plan.name for form in fit)
        raise UsageError(
            f"{path}: the recipe has several sources that such a file may be like ({names}):"
            f" name one, as in --source {fit[0].plan.name}"
        )
    if fit:
        plan = fit[0].plan
        if asked.kind not in {"", plan.kind}:
            return _otherwise(path, asked.kind, asked, plan)
        return replace(plan, options={**plan.options, **asked.options})
    if not (kind := kind or asked.otherwise):
        raise UsageError(
            f"{path}: nothing tells how its rows are read: state --kind, one of"
            f" {', '.join(FILE_KINDS)}, or give it an ending such as .jsonl, .csv.gz or .conll"
        )
    labelled = [form for form in forms if form.plan.tasks]
    alike = _different([_bare(form) for form in labelled or forms])
    return _otherwise(path, kind, asked, alike[0].plan if len(alike) == 1 else None)


def _bare(form: SourceForm) -> SourceForm:
    return replace(form, plan=replace(form.plan, kind="", options={}))


def _otherwise(path: Path, kind: str, asked: Asked, like: SourcePlan | None) -> SourcePlan:
    """A file of another kind than the recipe's: the same table, its columns named as there.

    A scheme is taken along, too: IOB2 is read by it as it is.  IO alone has no ``B-``, and would
    refuse what a file in IOB2 says.
    """
    plan = SourcePlan(path.stem, kind, str(path), asked.options)
    if like is None:
        return plan
    schemes = {column: name for column, name in like.schemes.items() if name != "io"}
    return replace(plan, columns=like.columns, words=like.words, schemes=schemes, tasks=like.tasks)


def _fitting(path: Path, forms: Sequence[SourceForm], kind: str, asked: Asked) -> list[SourceForm]:
    """The forms that differ in more than their name, and fit; the best ones alone."""
    if asked.source:
        named = [form for form in forms if form.plan.name == asked.source]
        if not named:
            known = ", ".join(sorted({form.plan.name for form in forms})) or "none that it names"
            raise UsageError(f"--source {asked.source}: the bundle's sources are {known}")
        return _different(named)
    alike = [form for form in forms if not kind or form.plan.kind == kind]
    by_name = [form for form in forms if path.name in form.files]
    if not asked.kind and by_name:
        return _different(by_name)
    labelled = [form for form in alike if form.plan.tasks]
    return _different(labelled or alike)


def _different(forms: Sequence[SourceForm]) -> list[SourceForm]:
    found: dict[bytes, SourceForm] = {}
    for form in forms:
        found.setdefault(canonical_json(asdict(replace(form.plan, name="", tasks=()))), form)
    return list(found.values())


def _kind_of(name: str) -> str:
    bare = name.lower().removesuffix(".gz")
    return next((kind for ending, kind in _ENDINGS.items() if bare.endswith(ending)), "")
