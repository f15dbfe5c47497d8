"""Two runs or two bundles side by side, per task and artefact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kd2edge.errors import UsageError
from kd2edge.reporting import formats
from kd2edge.reporting.reading import (
    FORMS,
    ArtefactLine,
    artefact_lines,
    check_report,
    each_teacher,
    estimate,
    lacked,
    leading_split,
)
from kd2edge.reporting.tables import Group, Table

__all__ = ["compare_reports"]

Json = Mapping[str, Any]
_COLUMNS = ("model", "A", "B", "B - A")


def compare_reports(
    a: Json,
    b: Json,
    *,
    validations: tuple[Json | None, Json | None] = (None, None),
    benches: tuple[Json | None, Json | None] = (None, None),
) -> Table:
    """Each task's metric of each model in both runs, sizes, and artefacts that both measured.

    Args:
        a: ``report.json`` of the run in the left columns.
        b: of the run in the right ones.
        validations: ``validation.json`` of each bundle, where there is one.
        benches: ``bench.json`` of each bundle, where there is one.

    Raises:
        UsageError: the two have no task in common, or one is no report.
    """
    check_report(a)
    check_report(b)
    tasks = _common(list(a["tasks"]), list(b["tasks"]), "task")
    split = _common_split(a, b)
    lines = (
        artefact_lines(validations[0], benches[0], a),
        artefact_lines(validations[1], benches[1], b),
    )
    groups = [_task_group(a, b, split, task, lines) for task in tasks]
    groups += _teacher_groups(a, b, split, tasks)
    groups += [
        _lacking_group(a, b, split, task, name)
        for name in lacked(a, split)
        if name in lacked(b, split)
        for task in tasks
    ]
    groups += _size_groups(a, b)
    groups += _speed_groups(lines)
    return Table(_COLUMNS, tuple(groups), notes=tuple(_warnings(a, b)))


def _common(first: Sequence[str], second: Sequence[str], what: str) -> list[str]:
    common = [name for name in first if name in second]
    if not common:
        raise UsageError(
            f"expected at least one {what} that both have, found {', '.join(first) or 'none'} "
            f"on one side and {', '.join(second) or 'none'} on the other"
        )
    return common


def _common_split(a: Json, b: Json) -> str:
    split = leading_split(a)
    return (
        split if split in b["splits"] else _common(list(a["splits"]), list(b["splits"]), "split")[0]
    )


def _task_group(
    a: Json, b: Json, split: str, task: str, lines: tuple[list[ArtefactLine], list[ArtefactLine]]
) -> Group:
    metric = str(a["tasks"][task]["metric"])
    rows = _model_rows(a, b, split, task)
    return Group(f"{task}: {metric} on {split}", (*rows, *_artefact_rows(task, metric, lines)))


def _teacher_groups(a: Json, b: Json, split: str, tasks: Sequence[str]) -> list[Group]:
    """Each teacher of the tasks that several answer in either run; by its name in the other."""
    sides = [each_teacher(side, split) for side in (a, b)]
    groups: list[Group] = []
    for task in tasks:
        first, second = (side.get(task, {}) for side in sides)
        rows = [
            _row(name, first.get(name, {}), second.get(name, {})) for name in {**first, **second}
        ]
        if rows:
            metric = str(a["tasks"][task]["metric"])
            groups.append(Group(f"{task}: {metric} of each teacher on {split}", tuple(rows)))
    return groups


def _lacking_group(a: Json, b: Json, split: str, task: str, name: str) -> Group:
    metric = str(a["tasks"][task]["metric"])
    rows = _model_rows(a, b, split, task, name)
    return Group(f"{task} without {name}: {metric} on {split}", tuple(rows))


def _model_rows(
    a: Json, b: Json, split: str, task: str, without: str = ""
) -> list[tuple[str, ...]]:
    metric = str(a["tasks"][task]["metric"])
    rows = [
        _row(
            FORMS[form],
            estimate(a, split, task, form, metric, without),
            estimate(b, split, task, form, metric, without),
        )
        for form in FORMS
    ]
    return [row for row in rows if row[1:] != (formats.ABSENT,) * 3]


def _row(name: str, a: Json, b: Json) -> tuple[str, ...]:
    first, second = a.get("value"), b.get("value")
    difference = None if first is None or second is None else second - first
    return (name, _estimate(a), _estimate(b), formats.signed(difference))


def _estimate(part: Json) -> str:
    return f"{formats.score(part.get('value'))} {formats.interval(part)}".rstrip()


def _artefact_rows(
    task: str, metric: str, lines: tuple[list[ArtefactLine], list[ArtefactLine]]
) -> list[tuple[str, ...]]:
    first, second = ({line.id: line for line in side} for side in lines)
    return [
        _row(name, first[name].metric(task, metric), second[name].metric(task, metric))
        for name in first
        if name in second and first[name].metric(task, metric) and second[name].metric(task, metric)
    ]


def _size_groups(a: Json, b: Json) -> list[Group]:
    rows: list[tuple[str, ...]] = []
    for form, name in FORMS.items():
        sizes = [side.get("models", {}).get(form, {}).get("bytes") for side in (a, b)]
        if any(sizes):
            rows.append((name, *(formats.size(value) for value in sizes), _factor(*sizes)))
    return [Group("bytes", tuple(rows))] if rows else []


def _speed_groups(lines: tuple[list[ArtefactLine], list[ArtefactLine]]) -> list[Group]:
    second = {line.id: line.p50 for line in lines[1]}
    rows = [
        (line.id, formats.milliseconds(line.p50), formats.milliseconds(second[line.id]),
         _factor(line.p50, second[line.id]))
        for line in lines[0]
        if line.p50 is not None and second.get(line.id) is not None
    ]  # fmt: skip
    return [Group("p50 of one row", tuple(rows))] if rows else []


def _factor(a: float | None, b: float | None) -> str:
    return formats.ratio(b / a) if a and b else formats.ABSENT


def _warnings(a: Json, b: Json) -> list[str]:
    """What makes the two numbers less comparable than they look."""
    prints = [side.get("fingerprints", {}) for side in (a, b)]
    return [
        f"The two runs differ in their {what}: differences are not the recipe's alone."
        for what in ("data", "teacher")
        if prints[0].get(what) != prints[1].get(what)
    ]
