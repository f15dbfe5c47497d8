"""What ``kd2edge check`` says of a task's labels beyond their number: nothing here is an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kd2edge.pipeline.reading.prepare import Prepared
from kd2edge.rows.lookalikes import lookalikes, says_nothing
from kd2edge.tasks.schemes import Beginnings
from kd2edge.tasks.spans import read_tag
from kd2edge.tasks.spec import TaskSpec
from kd2edge.wording import value

__all__ = ["absent_labels", "label_notes"]

#: Labels, and groups of labels, that a note names.
_LISTED = 5


def label_notes(data: Prepared, spec: TaskSpec) -> tuple[str, ...]:
    """Sentences about a task's labels, each a line of the plan."""
    return (
        *_unseen(data, spec),
        *_alike(data, spec),
        *_empty(data, spec),
        *_written_otherwise(data, spec),
    )


def absent_labels(data: Prepared, spec: TaskSpec) -> dict[str, list[str]]:
    """Split -> labels that no row of it has: it can say nothing of them."""
    return {
        split: [label for label, count in check.labels[spec.name].items() if not count]
        for split, check in data.checks.items()
    }


def _unseen(data: Prepared, spec: TaskSpec) -> Iterator[str]:
    for split, absent in absent_labels(data, spec).items():
        if absent:
            yield f"labels without a {_OF[split]} row: {_some(map(_shown, absent), len(absent))}"


#: What a row of a split is called.
_OF = {"train": "training", "validation": "validation", "test": "test"}


def _alike(data: Prepared, spec: TaskSpec) -> Iterator[str]:
    groups = lookalikes(spec.labels)
    for group in groups[:_LISTED]:
        yield f"labels alike but for {' and '.join(group.differ_in)}:"
        for label in group.labels:
            # Composed or not, the letter looks the same.
            shown = ascii(label) if "Unicode form" in group.differ_in else repr(label)
            yield f"  {shown}: {_where(data, spec, label)}"
    if len(groups) > _LISTED:
        yield f"... and {len(groups) - _LISTED} more groups of labels that are alike"


def _empty(data: Prepared, spec: TaskSpec) -> Iterator[str]:
    for label in filter(says_nothing, spec.labels):
        yield (
            f"the label {label!r} ({_where(data, spec, label)}) looks like a missing one: leave "
            "its value empty (null), unless it is meant"
        )
    for split, check in data.checks.items():
        if spec.name in check.blank:
            count, first = check.blank[spec.name]
            rows = "1 row has a label" if count == 1 else f"{count:,} rows have labels"
            place = data.rows[split].place(first)
            yield f"{rows} of blanks alone or NaN, read as missing (first: {place})"


def _written_otherwise(data: Prepared, spec: TaskSpec) -> Iterator[str]:
    """Sources whose tags are no IOB2: there ``B-x`` and ``I-x`` mean something else."""
    found: dict[str, Beginnings] = {}
    for check in data.checks.values():
        for source, begin in check.beginnings.get(spec.name, {}).items():
            found[source] = begin.plus(found.get(source, Beginnings()))
    for source, begin in found.items():
        if begin.is_iob1:
            yield (
                f"source {source} writes entities as IOB1 ({begin.inside:,} begin with I-, B- "
                "stands between neighbours alone): state `scheme: iob1` for it, or macro F1 speaks "
                "of labels that hardly occur"
            )
        elif begin.inside:
            every = sum(begin)
            yield (
                f"source {source}: {begin.inside:,} of {every:,} entities begin with I-; `scheme: "
                "iob2` reads them as B-"
            )


def _where(data: Prepared, spec: TaskSpec, label: str) -> str:
    """How often a label (or a type of entities) occurs, and where first."""
    same = [one for one in spec.labels if label == one or _type_of(one) == label]
    checks = data.checks.items()
    count = sum(check.labels[spec.name][one] for _, check in checks for one in same)
    for split, check in checks:
        first = [check.first[spec.name][one] for one in same if one in check.first[spec.name]]
        if first:
            return f"{count:,}, first in {data.rows[split].place(min(first))}"
    return "in no row"


def _type_of(label: str) -> str | None:
    tag = read_tag(label)
    return tag.kind if tag is not None else None


def _shown(label: str) -> str:
    plain = label.isprintable() and label == " ".join(label.split())
    return value(label if plain else repr(label))


def _some(names: Iterable[str], count: int) -> str:
    """The first of some names, and how many more there are."""
    shown = [name for name, _ in zip(names, range(_LISTED), strict=False)]
    return ", ".join(shown) + (f" and {count - _LISTED} more" if count > _LISTED else "")
