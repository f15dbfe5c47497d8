"""What ships: each artefact's verdict, drop, size and speed, from validate and bench."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kd2edge.bundle.gains import shortcomings, size_text
from kd2edge.reporting import formats
from kd2edge.reporting.page import Block, Cell, Column, Figure, Figures, Grid, Note, Section
from kd2edge.reporting.plots import Bar, drop_plot, trade_off_plot
from kd2edge.reporting.reading import (
    ArtefactLine,
    gate_text,
    of_split,
    rows_and_distinct,
    scale_of,
)
from kd2edge.scale import Scale, told_in
from kd2edge.verdict import CONFIDENCE

__all__ = ["section"]

Json = Mapping[str, Any]

_VERDICTS = (("verdict-pass", "pass"), ("verdict-undecided", "undecided"), ("verdict-fail", "fail"))


def section(
    report: Json, lines: Sequence[ArtefactLine], validation: Json | None, bench: Json | None
) -> Section | None:
    """Tables and plots of the artefacts; None when nothing was exported, validated or timed.

    Args:
        report: ``report.json``.
        lines: what is known of each artefact.
        validation: ``validation.json``; None: not validated.
        bench: ``bench.json``; None: not timed.
    """
    if not lines:
        return None
    blocks: list[Block] = [_table(report, lines), *map(Note, _said(lines))]
    if validation is not None:
        blocks.append(Note(_how(report, validation)))
        blocks.append(Figures(_drops(report, lines), _VERDICTS))
    blocks += _trade_off(lines)
    if bench is not None:
        blocks.append(_speed(lines))
    return Section("artefacts", "Artefacts", blocks)


def _said(lines: Sequence[ArtefactLine]) -> Iterator[str]:
    """What stood against a pass and where it lies; then what int8 does not gain."""
    for line in lines:
        faults = line.faults or ((line.reason,) if line.reason else ())
        if faults:
            cause = f" Cause: {line.cause}." if line.cause else ""
            yield f"{line.id} {gate_text(line.outcome)}: {'; '.join(faults)}.{cause}"
    sizes = {line.id: line.bytes for line in lines}
    times = {line.id: line.p50 for line in lines}
    for line in lines:
        yield from (f"{text}." for text in shortcomings(line.id, sizes, times))


def _how(report: Json, validation: Json) -> str:
    bound, rows = float(validation.get("confidence", CONFIDENCE)), rows_and_distinct(validation)
    reference = validation.get("reference", "PyTorch")
    return (
        f"Gate on {rows}{of_split(validation)}: pass when the {bound:.0%} upper bound of the "
        f"drop against {reference} is within the budget, fail when the lower bound is above it, "
        "else undecided. "
        f"Drops are {told_in({task: scale_of(report, task) for task in report['tasks']})}; "
        "what did not run is never a pass."
    ) + "".join(_before(name, basis) for name, basis in validation.get("earlier", {}).items())


def _before(artefact: str, basis: Json) -> str:
    return (
        f" {artefact} was judged before, on {rows_and_distinct(basis)}"
        f"{of_split(basis)} at {float(basis['confidence']):.0%} against {basis['reference']}."
    )


def _table(report: Json, lines: Sequence[ArtefactLine]) -> Grid:
    tasks = list(report["tasks"])
    columns = [Column("Artefact", is_text=True), Column("Gate", is_text=True), Column("Size")]
    columns += [
        Column("p50"),
        Column("Speed\u2011up", title="against onnx-fp32 on the same machine"),
    ]
    columns += [Column(f"{task} drop") for task in tasks]
    sizes = {line.id: line.bytes for line in lines}
    rows = [_row(report, line, tasks, size_text(line.id, sizes)) for line in lines]
    return Grid(columns, rows, sortable=len(lines) > 2)


def _row(report: Json, line: ArtefactLine, tasks: Sequence[str], beside: str) -> list[Cell]:
    best = "no other is both smaller and faster" if line.best else ""
    cells = [
        Cell(line.id, best),
        Cell(gate_text(line.outcome), line.reason, f"verdict-{line.outcome}"),
        Cell(formats.size(line.bytes), beside, sort=line.bytes),
        Cell(formats.milliseconds(line.p50), sort=line.p50),
        Cell(formats.ratio(line.speed_up), sort=line.speed_up),
    ]
    return cells + [_drop_cell(report, line, task) for task in tasks]


def _drop_cell(report: Json, line: ArtefactLine, task: str) -> Cell:
    part = line.drop(task, str(report["tasks"][task]["metric"]))
    if part.get("value") is None:
        return Cell(formats.ABSENT)
    verdict, scale = line.gate(task), scale_of(report, task)
    return Cell(
        _drop(scale, part["value"]),
        f"at most {_drop(scale, part['high'])}",
        f"verdict-{verdict}",
        part["value"],
    )


def _drop(scale: Scale, value: Any) -> str:
    return formats.signed(None if value is None else scale.factor * value, 2 + (not scale.is_share))


def _drops(report: Json, lines: Sequence[ArtefactLine]) -> list[Figure]:
    figures: list[Figure] = []
    for task in report["tasks"]:
        metric, scale = str(report["tasks"][task]["metric"]), scale_of(report, task)
        bars = [
            Bar(line.id, line.gate(task), part["value"], part["low"], part["high"])
            for line in lines
            if (part := line.drop(task, metric)).get("value") is not None
        ]
        budgets = [line.tasks[task].get("max_drop") for line in lines if task in line.tasks]
        if bars:
            label = f"{task}: drop of each artefact"
            svg = drop_plot(bars, next(iter(budgets), None), scale, label=label)
            figures.append(Figure(f"{task}: drop in {scale.unit or 'its own unit'}", svg))
    return figures


def _trade_off(lines: Sequence[ArtefactLine]) -> list[Block]:
    points = [
        (line.id, line.outcome or "none", line.bytes / 1e6, line.p50)
        for line in lines
        if line.bytes and line.p50
    ]
    svg = trade_off_plot(points, label="latency over size of each artefact")
    if not svg:
        return []
    note = "Lower left is better; colour is the gate's verdict."
    return [Figures([Figure("Size against latency", svg, note)])]


def _speed(lines: Sequence[ArtefactLine]) -> Grid:
    columns = [Column("Artefact", is_text=True), Column("Load"), Column("p50"), Column("p99")]
    columns += [Column("Rows a second"), Column("Peak memory")]
    rows = [
        [
            Cell(line.id),
            Cell(formats.milliseconds(line.load_ms), sort=line.load_ms),
            Cell(formats.milliseconds(line.p50), sort=line.p50),
            Cell(formats.milliseconds(line.p99), sort=line.p99),
            Cell(formats.count(line.rows_per_second), sort=line.rows_per_second),
            Cell(formats.size(line.memory), sort=line.memory),
        ]
        for line in lines
        if line.p50 is not None
    ]
    return Grid(columns, rows, _caption(lines), sortable=True)


def _caption(lines: Sequence[ArtefactLine]) -> str:
    line = next((line for line in lines if line.p50 is not None), None)
    if line is None:
        return ""
    threads = "1 thread" if line.threads == 1 else f"{line.threads} threads"
    return f"Forward passes of batch {line.batch} on {threads}"
