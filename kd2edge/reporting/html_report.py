"""report.html: one file that opens without a network, on a phone, in the dark and on paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kd2edge.reporting import formats
from kd2edge.reporting.page import Fact, Section
from kd2edge.reporting.reading import (
    ArtefactLine,
    artefact_lines,
    check_report,
    gain,
    kept,
    leading_split,
    scale_of,
)
from kd2edge.reporting.rendering import rendered
from kd2edge.reporting.sections import artefacts, cost, learning, reproduce, result
from kd2edge.reporting.sections import task as task_section

__all__ = ["html_report"]

Json = Mapping[str, Any]


def html_report(report: Json, *, validation: Json | None = None, bench: Json | None = None) -> str:
    """The whole report as one HTML file; the same input gives the same bytes.

    Args:
        report: report.json as ``kd2edge distill`` writes it.
        validation: payload of the validation evidence, when there is any.
        bench: payload of the bench evidence, when there is any.

    Raises:
        UsageError: the mapping is no report.  SchemaTooNewError: it is a newer one.
    """
    check_report(report)
    lines = artefact_lines(validation, bench, report)
    sections = _sections(report, lines, validation, bench)
    return rendered(
        name=report["name"],
        what="distillation report",
        lead=_lead(report),
        facts=_facts(report, lines),
        sections=sections,
        made_by=report.get("created_by", "kd2edge"),
    )


def _sections(
    report: Json, lines: list[ArtefactLine], validation: Json | None, bench: Json | None
) -> list[Section]:
    found = [
        result.section(report, lines),
        cost.section(report),
        artefacts.section(report, lines, validation, bench),
        learning.section(report),
        *(task_section.section(report, task, index) for index, task in enumerate(report["tasks"])),
        reproduce.section(report, validation),
    ]
    return [section for section in found if section is not None]


def _lead(report: Json) -> str:
    """One sentence that says what came out."""
    split = leading_split(report)
    shares = {task: share for task in report["tasks"] if (share := kept(report, split, task))}
    factor = _parameter_factor(report)
    if not shares or factor is None:
        return f"{len(report['tasks'])} tasks, one student."
    worst = min(shares, key=lambda task: shares[task])
    tasks = "its task" if len(shares) == 1 else f"each of its {len(shares)} tasks"
    return (
        f"The student has {formats.fraction(factor)} of the teacher's parameters and keeps at "
        f"least {formats.percent(shares[worst])} of its metric on {tasks} (lowest: {worst})."
    )


def _parameter_factor(report: Json) -> float | None:
    models: Json = report.get("models", {})
    return cost.smaller(models.get("teacher", {}), models.get("student", {}), "parameters")


def _facts(report: Json, lines: list[ArtefactLine]) -> list[Fact]:
    split = leading_split(report)
    tasks = report["tasks"]
    facts: list[Fact] = []
    if (factor := _parameter_factor(report)) is not None:
        facts.append(Fact(formats.ratio(factor), "fewer parameters than the teacher"))
    if shares := [share for task in tasks if (share := kept(report, split, task))]:
        facts.append(Fact(formats.percent(min(shares)), "of the teacher kept, lowest task"))
    found = {task: gain(report, split, task).get("value") for task in tasks}
    gains = {task: value for task, value in found.items() if value is not None}
    if gains:
        kind = "good" if min(gains.values()) > 0 else "bad"
        alike = [gains[task] for task in gains if scale_of(report, task).is_share]
        least = formats.signed(min(alike or gains.values()))
        facts.append(Fact(least, "gained by distillation, lowest task", kind))
    return facts + _artefact_facts(lines)


def _artefact_facts(lines: list[ArtefactLine]) -> list[Fact]:
    passed = [line for line in lines if line.outcome == "pass"]
    judged = [line for line in lines if line.outcome in {"pass", "fail", "undecided"}]
    facts: list[Fact] = []
    if judged:
        kind = "good" if len(passed) == len(judged) else "" if passed else "bad"
        facts.append(Fact(f"{len(passed)} of {len(judged)}", "artefacts passed the gate", kind))
    timed = [line for line in passed or lines if line.p50 is not None]
    if timed:
        best = min(timed, key=lambda line: line.p50 or 0.0)
        facts.append(Fact(formats.milliseconds(best.p50), f"p50 of {best.id}"))
    return facts
