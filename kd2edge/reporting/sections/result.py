"""What came out: each task's metric of teacher, undistilled student and student, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kd2edge.reporting import formats
from kd2edge.reporting.page import Block, Cell, Column, Figure, Figures, Fold, Grid, Note, Section
from kd2edge.reporting.plots import Bar, interval_plot
from kd2edge.reporting.reading import (
    FORMS,
    ArtefactLine,
    each_teacher,
    estimate,
    forms,
    gain,
    is_joined,
    join_text,
    kept,
    lacked,
    leading_split,
    lesson_text,
    rows_and_distinct,
    rows_text,
    scale_of,
    share_of,
    whole_gain,
    whole_names,
    whole_rows,
)
from kd2edge.verdict import CONFIDENCE

__all__ = ["estimate_cell", "section"]

Json = Mapping[str, Any]


def section(report: Json, artefacts: Sequence[ArtefactLine]) -> Section:
    """The headline table, one interval plot a task, and the other splits folded away."""
    split = leading_split(report)
    blocks: list[Block] = [
        _headline(report, split, artefacts),
        Note(_legend_of_table(report, split)),
        _plots(report, split, artefacts),
    ]
    if each_teacher(report, split):
        blocks += [_teachers(report, split), Note(_LEGEND_OF_TEACHERS)]
    if lacked(report, split):
        blocks += [_lacking(report, split, artefacts), Note(_legend_of_lacking(report, split))]
    blocks += [
        Fold(f"The same on the {other} split", [_headline(report, other, ())])
        for other in report["splits"]
        if other != split
    ]
    return Section("result", "Result", blocks)


_LEGEND_OF_TEACHERS = (
    "Of tasks that several teachers answer: each of them alone, and where several teach the student"
    " what they say together, which it learned from and is compared with."
)


def _teachers(report: Json, split: str) -> Grid:
    """What each of a task's several teachers reaches alone: a row each, and one of those joined."""
    columns = [Column(title, is_text=True) for title in ("Task", "Metric", "Teacher")]
    rows: list[list[Cell]] = []
    for task, several in each_teacher(report, split).items():
        metric = Cell(str(report["tasks"][task]["metric"]).replace("_", " "))
        rows += [
            [Cell(task), metric, Cell(name, lesson_text(report, task, name)), estimate_cell(part)]
            for name, part in several.items()
        ]
        if not is_joined(report, task):
            continue
        together = estimate(report, split, task, "teacher")
        name = Cell("together", f"joined by {join_text(report, task)}", "strong")
        rows.append([Cell(task), metric, name, estimate_cell(together, strong=True)])
    return Grid([*columns, Column("Reached")], rows, "Each teacher")


def _legend_of_table(report: Json, split: str) -> str:
    first = next(iter(report["tasks"]))
    confidence = estimate(report, split, first, "student").get("confidence", CONFIDENCE)
    return (
        f"Measured on the {rows_text(report, split)}. Brackets hold {confidence:.0%} intervals "
        "(bootstrap over rows). Kept is the student's share of the teacher's metric"
        f"{_of_errors(report)}; "
        "gain is the student less the same student from the same start, trained on labels alone, "
        f"on the same rows; its two bounds are one-sided.{_of_reference(report)}"
    )


def _of_reference(report: Json) -> str:
    """What the cheap reference is; "" where there is none."""
    kind = report.get("models", {}).get("reference", {}).get("kind")
    return f" The cheap reference: {kind}, fitted to the same labels." if kind else ""


def _lacking(report: Json, split: str, artefacts: Sequence[ArtefactLine]) -> Grid:
    """What is reached without each input that may be absent: a row an input and a task."""
    present, names = forms(report, lacking=True), lacked(report, split)
    ran = [line for line in artefacts if any(line.lacking(name) for name in names)]
    columns = [Column(title, is_text=True) for title in ("Without", "Task", "Metric")]
    columns += [Column(_form_title(form)) for form in present]
    columns += [Column(line.id) for line in ran]
    rows: list[list[Cell]] = []
    for name in names:
        for task, said in report["tasks"].items():
            metric = str(said["metric"])
            cells = [Cell(name), Cell(task), Cell(metric.replace("_", " "))]
            cells += [
                estimate_cell(
                    estimate(report, split, task, form, "", name), strong=form == "student"
                )
                for form in present
            ]
            cells += [_artefact_cell(line, task, metric, name) for line in ran]
            rows.append(cells)
    return Grid(columns, rows, "Without an input")


def _legend_of_lacking(report: Json, split: str) -> str:
    counts = [f"{name}: {rows_and_distinct(part)}" for name, part in lacked(report, split).items()]
    return (
        f"On the rows of the {split} split with one input taken away ({'; '.join(counts)}); "
        "rows that hold no other one are left out, and so is a teacher that cannot do without it."
    )


def _of_errors(report: Json) -> str:
    """What kept and gain mean where a metric measures errors; "" where none does."""
    errors = [task for task in report["tasks"] if scale_of(report, task).lower_is_better]
    told = "of an error, the share of it that the teacher makes; a gain is what it falls by"
    return f" ({', '.join(errors)}: {told})" if errors else ""


def _headline(report: Json, split: str, artefacts: Sequence[ArtefactLine]) -> Grid:
    present = forms(report)
    has_gain = any(gain(report, split, task) for task in report["tasks"])
    ran = [line for line in artefacts if line.tasks]
    columns = [Column("Task", is_text=True), Column("Metric", is_text=True)]
    columns += [Column(_form_title(form)) for form in present]
    columns += [Column("Kept")] if "teacher" in present else []
    columns += [Column("Gain")] if has_gain else []
    columns += [Column(line.id) for line in ran]
    rows = [
        _headline_row(_task_line(report, split, task, ran), present, has_gain)
        for task in report["tasks"]
    ]
    if whole_rows(report, split):
        rows.append(_headline_row(_whole_line(report, split, ran), present, has_gain))
    return Grid(columns, rows)


class _Line(NamedTuple):
    """A row of the headline table."""

    name: str
    metric: str
    models: Mapping[str, Json]
    share: float | None
    gain: Json
    artefacts: list[Cell]


def _task_line(report: Json, split: str, task: str, artefacts: Sequence[ArtefactLine]) -> _Line:
    metric = str(report["tasks"][task]["metric"])
    return _Line(
        task,
        metric.replace("_", " "),
        {form: estimate(report, split, task, form) for form in FORMS},
        kept(report, split, task),
        gain(report, split, task),
        [_artefact_cell(line, task, metric) for line in artefacts],
    )


def _whole_line(report: Json, split: str, artefacts: Sequence[ArtefactLine]) -> _Line:
    """Rows on which every task is right; no gate stands on them."""
    models = whole_rows(report, split)
    cells = [
        Cell(formats.score(line.whole.get("value")), sort=line.whole.get("value"))
        for line in artefacts
    ]
    names = whole_names(report, split)
    return _Line(*names, models, share_of(models), whole_gain(report, split), cells)


def _form_title(form: str) -> str:
    return "Student without distillation" if form == "baseline" else FORMS[form].capitalize()


def _headline_row(line: _Line, present: Sequence[str], has_gain: bool) -> list[Cell]:
    cells = [Cell(line.name), Cell(line.metric)]
    cells += [
        estimate_cell(line.models.get(form, {}), strong=form == "student") for form in present
    ]
    if "teacher" in present:
        cells.append(Cell(formats.percent(line.share), sort=line.share))
    if has_gain:
        part = line.gain
        text = formats.signed(part.get("value"))
        value = part.get("value")
        cells.append(Cell(text, formats.interval(part, plus=True), _sign(part), value))
    return cells + line.artefacts


def _artefact_cell(line: ArtefactLine, task: str, metric: str, without: str = "") -> Cell:
    part = line.metric(task, metric, without)
    verdict = line.gate(task, without)
    return Cell(formats.score(part.get("value")), verdict, f"verdict-{verdict}", part.get("value"))


def _sign(part: Json) -> str:
    if part.get("low") is not None and part["low"] > 0:
        return "good"
    return "bad" if part.get("high") is not None and part["high"] < 0 else ""


def estimate_cell(part: Json, *, strong: bool = False) -> Cell:
    """An estimate as a cell: the value, and its interval below."""
    return Cell(
        formats.score(part.get("value")),
        formats.interval(part),
        "strong" if strong else "",
        part.get("value"),
    )


def _plots(report: Json, split: str, artefacts: Sequence[ArtefactLine]) -> Figures:
    figures = [
        Figure(
            f"{task}: {str(report['tasks'][task]['metric']).replace('_', ' ')}",
            interval_plot(_bars(report, split, task, artefacts), label=f"{task}: metric by model"),
        )
        for task in report["tasks"]
    ]
    return Figures(figures)


def _bars(report: Json, split: str, task: str, artefacts: Sequence[ArtefactLine]) -> list[Bar]:
    metric = str(report["tasks"][task]["metric"])
    named = [(FORMS[form], form, estimate(report, split, task, form)) for form in forms(report)]
    named += [(line.id, "artefact", line.metric(task, metric)) for line in artefacts]
    return [
        Bar(
            name,
            kind,
            part["value"],
            part.get("low", part["value"]),
            part.get("high", part["value"]),
        )
        for name, kind, part in named
        if part.get("value") is not None
    ]
