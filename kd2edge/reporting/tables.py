"""Tables for the terminal: rows grouped under headings, in plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kd2edge.reporting import formats
from kd2edge.reporting.reading import (
    FORMS,
    ArtefactLine,
    artefact_lines,
    check_report,
    each_teacher,
    estimate,
    forms,
    gate_text,
    is_joined,
    join_text,
    lacked,
    leading_split,
    lesson_text,
    measured_rows,
    rows_and_distinct,
    task_block,
    whole_names,
    whole_rows,
)
from kd2edge.wording import shown

__all__ = ["Group", "Table", "headline", "headline_table", "lacking", "long_tails", "teachers"]

Json = Mapping[str, Any]

_GAP = "  "
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one heading."""

    title: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A grouped table of short texts; columns but the first are right-aligned unless in ``left``.

    Args:
        left: indices of further columns that are left-aligned.
        notes: lines that stand below.
    """

    columns: tuple[str, ...]
    groups: tuple[Group, ...]
    left: frozenset[int] = frozenset({0})
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Every row, its group's title first."""
        return [(group.title, *row) for group in self.groups for row in group.rows]

    def to_json(self) -> dict[str, Any]:
        """JSON values: columns, rows (each with its group) and notes."""
        return {
            "columns": ["group", *self.columns],
            "rows": [list(row) for row in self.rows],
            "notes": list(self.notes),
        }

    def text(self, width: int = 80) -> str:
        """Plain text of at most ``width`` columns a line (the first column gives way)."""
        seen = self._visible()
        widths = seen._widths(width)
        lines = [seen._line(seen.columns, widths)]
        for group in seen.groups:
            lines.append(_cut(group.title, width))
            lines += [seen._line(row, widths) for row in group.rows]
        for note in seen.notes:
            lines += _wrapped(note, width)
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def _visible(self) -> Table:
        """The same table with texts that a terminal may be shown."""
        groups = tuple(
            Group(shown(group.title), tuple(tuple(map(shown, row)) for row in group.rows))
            for group in self.groups
        )
        columns, notes = tuple(map(shown, self.columns)), tuple(map(shown, self.notes))
        return Table(columns, groups, self.left, notes)

    def _widths(self, width: int) -> list[int]:
        every = [self.columns, *(row for group in self.groups for row in group.rows)]
        widths = [max(len(row[index]) for row in every) for index in range(len(self.columns))]
        over = len(_INDENT) + sum(widths) + len(_GAP) * (len(widths) - 1) - width
        widths[0] = max(8, widths[0] - max(0, over))
        return widths

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        cells = [
            _cut(cell, size).ljust(size) if index in self.left else cell.rjust(size)
            for index, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        return _INDENT + _GAP.join(cells)


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else cell[: max(width - 1, 0)] + "…"


def _wrapped(note: str, width: int) -> Iterator[str]:
    import textwrap

    yield from textwrap.wrap(note, width) or [""]


def headline_table(report: Json, validation: Json | None = None, bench: Json | None = None) -> str:
    """The headline as plain text for a terminal of 80 columns, then what else there is.

    See :func:`headline`, :func:`teachers`, :func:`long_tails` and :func:`lacking`.
    """
    tables = [
        headline(report, validation, bench),
        teachers(report),
        long_tails(report),
        lacking(report),
    ]
    return "\n".join(table.text(80) for table in tables if table.groups)


def headline(report: Json, validation: Json | None = None, bench: Json | None = None) -> Table:
    """Task x (teacher, student without distillation, student, each artefact), for the end of a run.

    Each row: the metric with its interval, size, p50 of one row, speed-up against onnx-fp32, gate.
    Where several tasks decide on labels, a last group says on how many rows all of them are right.

    Raises:
        UsageError: the mapping is no report.  SchemaTooNewError: it is a newer one.
    """
    check_report(report)
    split = leading_split(report)
    lines = artefact_lines(validation, bench, report)
    groups = [_group(report, split, task, lines) for task in report["tasks"]]
    groups += [_whole(report, split, lines)] if whole_rows(report, split) else []
    columns = ("model", "metric", "size", "p50", "speed-up", "gate")
    return Table(columns, tuple(groups), frozenset({0, 5}), tuple(_notes(lines)))


def teachers(report: Json) -> Table:
    """What each teacher reaches alone, of the tasks that several answer; perhaps no group.

    Each row: a teacher and its leading metric; the last, where several teach the student, is what
    they reach together.
    """
    split = leading_split(report)
    groups: list[Group] = []
    for task, several in each_teacher(report, split).items():
        metric = str(report["tasks"][task]["metric"]).replace("_", " ")
        rows = [
            (f"{name} ({told})" if (told := lesson_text(report, task, name)) else name, part)
            for name, part in several.items()
        ]
        if is_joined(report, task):
            together = estimate(report, split, task, "teacher")
            rows.append((f"together ({join_text(report, task)})", together))
        cells = tuple((name, _estimate(part)) for name, part in rows)
        groups.append(Group(f"{task}: {metric} of each teacher", cells))
    return Table(("teacher", "metric"), tuple(groups))


def long_tails(report: Json) -> Table:
    """Mean F1 of the frequent, middling and rare classes of each task that has a long tail."""
    check_report(report)
    split, present = leading_split(report), forms(report)
    groups = [
        Group(
            f"{task}: mean F1 of classes by their training rows",
            tuple(
                (
                    f"{name} ({student[name]['classes']:,})",
                    *(_group_f1(report, split, task, form, name) for form in present),
                )
                for name in ("head", "middle", "tail")
                if name in student
            ),
        )
        for task in report["tasks"]
        if (student := task_block(report, split, task, "student").get("groups"))
    ]
    return Table(("classes", *(FORMS[form] for form in present)), tuple(groups))


def _group_f1(report: Json, split: str, task: str, form: str, name: str) -> str:
    part = task_block(report, split, task, form).get("groups", {}).get(name, {})
    return _estimate({**part, "value": part.get("f1")})


def lacking(report: Json) -> Table:
    """What models reach on the rows without each input that may be absent; perhaps no group.

    Each row: a task's leading metric of teacher, student without distillation and student.
    """
    split, present = leading_split(report), forms(report, lacking=True)
    groups = [
        Group(
            f"without {name}: {rows_and_distinct(part)} of the {split} split",
            tuple(
                (
                    task,
                    *(_estimate(estimate(report, split, task, form, "", name)) for form in present),
                )
                for task in report["tasks"]
            ),
        )
        for name, part in lacked(report, split).items()
    ]
    return Table(("task", *(FORMS[form] for form in present)), tuple(groups))


def _group(report: Json, split: str, task: str, lines: Sequence[ArtefactLine]) -> Group:
    metric = str(report["tasks"][task]["metric"])
    rows = measured_rows(report, split, task)
    title = f"{task}: {metric.replace('_', ' ')} on {rows:,} {split} rows"
    models = [
        _model_row(report, form, estimate(report, split, task, form)) for form in forms(report)
    ]
    artefacts = [
        _artefact_row(line, line.metric(task, metric), gate_text(line.gate(task))) for line in lines
    ]
    return Group(title, (*models, *artefacts))


def _whole(report: Json, split: str, lines: Sequence[ArtefactLine]) -> Group:
    """Whole rows of each model and artefact; no gate stands on them."""
    found = whole_rows(report, split)
    tasks, counted = whole_names(report, split)
    rows = next(int(part["rows"]) for part in found.values())
    models = [_model_row(report, form, found[form]) for form in FORMS if form in found]
    ran = [_artefact_row(line, line.whole, "") for line in lines if line.whole]
    return Group(f"{tasks}: {counted} on {rows:,} {split} rows", (*models, *ran))


def _model_row(report: Json, form: str, part: Json) -> tuple[str, ...]:
    size = report.get("models", {}).get(form, {}).get("bytes")
    return FORMS[form], _estimate(part), formats.size(size), "", "", ""


def _artefact_row(line: ArtefactLine, part: Json, gate: str) -> tuple[str, ...]:
    timed = line.p50 is not None
    return (
        line.id,
        _estimate(part),
        formats.size(line.bytes),
        formats.milliseconds(line.p50) if timed else "",
        formats.ratio(line.speed_up) if timed else "",
        gate,
    )


def _estimate(part: Json) -> str:
    return f"{formats.score(part.get('value'))} {formats.interval(part)}".rstrip()


def _notes(lines: Sequence[ArtefactLine]) -> Iterator[str]:
    for line in lines:
        if line.reason:
            yield f"{line.id} {gate_text(line.outcome)}: {line.reason}"
