"""The verdicts: pass, fail, or too few rows to say, from the bounds of a drop and a budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kd2edge.metrics.estimate import Estimate
from kd2edge.runtime.golden import tolerance
from kd2edge.validate.golden import OUTPUTS
from kd2edge.validate.validation import ArtefactResult, Check, NumberResult, TaskResult
from kd2edge.validate.ways import SHARED
from kd2edge.verdict import FP32_TOLERANCE, Word, worst
from kd2edge.verdict import verdict as by_bounds

__all__ = [
    "FP32_TOLERANCE",
    "NO_NUMBERS",
    "WAYS_APART",
    "artefact_doubts",
    "artefact_faults",
    "artefact_verdict",
    "failed_checks",
    "missing_levels",
    "number_failures",
    "outcome",
    "verdict",
    "worst",
]

#: By how much the share of equal decisions may differ between two ways to batch the same rows.
WAYS_APART = 0.25

#: Why level 2 is empty.
NO_NUMBERS = "numbers: the bundle has no PyTorch logits, neither stored ones nor golden rows"


def verdict(drop: Estimate, max_drop: float) -> Word:
    """``pass``: the upper bound is within the budget; ``fail``: the lower one is above it."""
    return by_bounds(drop.low, drop.high, max_drop)


def failed_checks(checks: Sequence[Check]) -> list[str]:
    """What the checks that failed say."""
    return [f"{check.name}: {check.detail}" for check in checks if check.status == "failed"]


def number_failures(precision: str, numbers: Mapping[str, Sequence[NumberResult]]) -> list[str]:
    """Heads that are further from PyTorch than their precision allows, in any way to batch and pad.

    The tasks' metrics are measured in batches of one size: a graph that goes wrong for single rows
    or for more padding shows here alone.
    """
    found: list[str] = []
    for task, results in numbers.items():
        if not results:
            continue
        judge = _fp32_failure if precision == "fp32" else _coarse_failure
        fault = judge(precision, results)
        found += [f"{task}: {fault}"] if fault else []
    return found


def _fp32_failure(_precision: str, results: Sequence[NumberResult]) -> str:
    most = max(results, key=lambda result: result.max_abs)
    if most.max_abs <= FP32_TOLERANCE:
        return ""
    return (
        f"logits differ by {most.max_abs:.2g} ({most.way}), fp32 may differ by {FP32_TOLERANCE:g}"
    )


def _coarse_failure(precision: str, results: Sequence[NumberResult]) -> str:
    """How good a rounded head is, its metric says; here, whether some way breaks it."""
    most, allowed = max(results, key=lambda result: result.rms), tolerance(precision)
    if not most.rms <= allowed:
        return (
            f"logits miss PyTorch's by {most.rms:.2g} of their size ({most.way}), "
            f"{precision} may by {allowed:g}"
        )
    # A size that ran fewer rows makes a suspect, which runs the whole split.
    shares = [result for result in results if result.rows >= SHARED] or results[:1]
    best, least = (by(shares, key=lambda result: result.top1) for by in (max, min))
    if best.top1 - least.top1 > WAYS_APART:
        return (
            f"{least.top1:.0%} of the decisions are PyTorch's in {least.way}, {best.top1:.0%} in "
            f"{best.way}: what is asked together must not matter so much"
        )
    return ""


def missing_levels(
    graph: Sequence[Check],
    numbers: Mapping[str, Sequence[NumberResult]],
    tasks: Iterable[str],
) -> list[str]:
    """What of levels 1 and 2 could not be looked at here, and why: of each task by itself."""
    found = [f"{check.name}: {check.detail}" for check in graph if check.status == "not_run"]
    if not any(numbers.values()):
        return [*found, NO_NUMBERS]
    missing = [task for task in tasks if not numbers.get(task)]
    return [*found, *(f"numbers of {task}: the bundle has no PyTorch logits" for task in missing)]


def _heads_left_out(graph: Sequence[Check]) -> list[str]:
    """What golden files say nothing of."""
    return [
        f"{check.name}: {check.detail}"
        for check in graph
        if check.name == OUTPUTS and check.status == "not_run"
    ]


def artefact_faults(
    precision: str,
    graph: Sequence[Check],
    numbers: Mapping[str, Sequence[NumberResult]],
    tasks: Mapping[str, TaskResult],
    edges: Sequence[Check],
    answers: Sequence[Check] = (),
    *,
    failures: Sequence[str] = (),
) -> tuple[str, ...]:
    """All that failed, each once; ``failures`` say why a level did not get to its end."""
    found = [*failed_checks(graph), *number_failures(precision, numbers)]
    found += [*failed_checks(answers), *failed_checks(edges), *failures]
    found += [f"{task}: {part.reason}" for task, part in tasks.items() if part.verdict == "fail"]
    return tuple(dict.fromkeys(found))


def artefact_verdict(
    precision: str,
    graph: Sequence[Check],
    numbers: Mapping[str, Sequence[NumberResult]],
    tasks: Mapping[str, TaskResult],
    edges: Sequence[Check],
    answers: Sequence[Check] = (),
    *,
    failures: Sequence[str] = (),
) -> tuple[Word, str]:
    """(verdict, reason) of an artefact: it passes when nothing failed and all its tasks pass.

    An fp32 artefact needs levels 1 and 2 for that; for others a level that is missing is a note.

    Every task has to pass at the full confidence: an intersection-union test, which needs no
    correction over tasks.
    """
    levels = (precision, graph, numbers, tasks, edges, answers)
    faults = artefact_faults(*levels, failures=failures)
    if faults:
        return "fail", "; ".join(faults)
    if tasks and all(part.verdict == "not_run" for part in tasks.values()):
        return "undecided", next(iter(tasks.values())).reason
    doubts = artefact_doubts(precision, graph, numbers, tasks)
    if doubts:
        return "undecided", "; ".join(doubts)
    return "pass", ""


def artefact_doubts(
    precision: str,
    graph: Sequence[Check],
    numbers: Mapping[str, Sequence[NumberResult]],
    tasks: Mapping[str, TaskResult],
) -> tuple[str, ...]:
    """All that was not shown, each once."""
    doubts = [f"{task}: {part.reason}" for task, part in tasks.items() if part.verdict != "pass"]
    doubts += [] if tasks else ["no rows at hand: the tasks were not measured"]
    # An fp32 artefact claims to be PyTorch's own graph: what was not looked at cannot show that.
    # Of golden files that are there, no sound export leaves out a head.
    missing = (
        missing_levels(graph, numbers, tasks) if precision == "fp32" else _heads_left_out(graph)
    )
    doubts += missing
    return tuple(dict.fromkeys(doubts))


def outcome(artefacts: Mapping[str, ArtefactResult], *, are_named: bool = False) -> Word:
    """The gate's answer over all artefacts that ran.

    ``are_named``: somebody asked for each of them, so that all of them have to run for a ``pass``.
    """
    verdicts: list[Word] = [result.verdict for result in artefacts.values()]
    found = worst(verdicts)
    return "not_run" if are_named and found == "pass" and "not_run" in verdicts else found
