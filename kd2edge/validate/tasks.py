"""Level 3: every metric of the report, torch-free on the whole split, and its drop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.metrics.accuracy import Accuracy
from kd2edge.metrics.estimate import Estimate
from kd2edge.metrics.items import cut_off
from kd2edge.metrics.kinds import metric, misfit
from kd2edge.metrics.metric import Metric, RankMetric
from kd2edge.metrics.one_row import OneRow
from kd2edge.metrics.rows_needed import rows_needed
from kd2edge.scale import Scale
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth
from kd2edge.validate.classes import class_falls
from kd2edge.validate.contradictions import TIE
from kd2edge.validate.estimates import Estimates
from kd2edge.validate.gate import verdict, worst
from kd2edge.validate.markdown import falls_told
from kd2edge.validate.split import labelled
from kd2edge.validate.validation import ClassFall, Difference, MetricResult, TaskResult
from kd2edge.verdict import ANY_FALL, Word

__all__ = ["LISTED", "Budget", "task_result"]

#: Differing rows that a result names.
LISTED = 20


#: The metric of decisions that stands beside one that ranks.
_DECISIONS = Accuracy.name
#: Position of a row in its split, and its id.
RowName = tuple[int, str]
#: The hash of each row's input.
Inputs = npt.NDArray[np.uint64]


class _How(TypedDict):
    inputs: Inputs
    confidence: float


@dataclass(frozen=True, slots=True)
class Budget:
    """What the gate allows a task.

    Args:
        max_drop: of the leading metric, in its own unit; of a share in [0, 1].
        confidence: of each bound, one-sided.
        same_decisions: every decision but ties has to be the reference's (fp32 artefacts).
        max_drop_class: of the recall of each class, in [0, 1]; 1: classes are named and fail none.
    """

    max_drop: float
    confidence: float
    same_decisions: bool
    max_drop_class: float = ANY_FALL


def task_result(
    spec: TaskSpec,
    truth: Truth,
    reference: Decoded,
    candidate: Decoded,
    names: Sequence[RowName],
    inputs: Inputs,
    budget: Budget,
    estimates: Estimates | None = None,
) -> TaskResult:
    """Compare an artefact with the reference on the same rows, and judge.

    Args:
        spec: the task.
        truth: its labels.
        reference: decisions of the reference.
        candidate: decisions of the artefact.
        names: position and id of each row, for the differences that are named.
        inputs: the hash of each row's input.
        budget: what is allowed.
        estimates: those that are known already, and others yet to come.

    Raises:
        DataError: labels that do not fit the words of the rows.
    """
    if not labelled(truth):
        reason = f"no row of this split has a label for it in a column {spec.column!r}"
        return _not_measured(spec, budget, reason)
    differences = list(_differences(spec, reference, candidate, names))
    # The reference keeps fp16 scores: the candidate is rounded alike before the two are paired.
    kind = task_kind(spec.kind)
    rounded = kind.unpack(spec, kind.pack(candidate))
    try:
        models = (reference, candidate, rounded)
        known = estimates or Estimates()
        found = dict(_metrics(spec, truth, models, inputs, budget.confidence, known))
    except ValueError as error:
        raise DataError(f"task {spec.name}: labels do not fit the rows: {error}") from error
    if spec.metric not in found:
        return _not_measured(spec, budget, f"{spec.metric} has no value on these rows")
    pair, sure = (reference, rounded), budget.confidence
    has_classes = "classes" in kind.sections
    falls = (
        class_falls(spec, truth, pair, inputs, sure, budget.max_drop_class) if has_classes else ()
    )
    held = tuple(name for name in _held(spec) if name in found)
    reach = {
        name: OneRow.of(metric(name), spec, truth).leverage(found[name].reference.value)
        for name in held
    }
    result = _judged(spec, found, differences, falls, budget, reach)
    return replace(result, cut=cut_off(spec, truth, candidate))


def _held(spec: TaskSpec) -> tuple[str, ...]:
    """What is held to the budget: where the leading metric ranks, no decision shows in it."""
    if not isinstance(metric(spec.metric), RankMetric):
        return (spec.metric,)
    if not misfit(spec, _DECISIONS):
        return (spec.metric, _DECISIONS)
    scale = metric(spec.metric).scale  # one budget holds for both
    usual = map(metric, task_kind(spec.kind).default_metrics)
    others = (one.name for one in usual if isinstance(one, Metric) and one.scale == scale)
    return (spec.metric, *others)


def _not_measured(spec: TaskSpec, budget: Budget, reason: str) -> TaskResult:
    return TaskResult(spec.metric, "not_run", reason, budget.max_drop)


def _metrics(
    spec: TaskSpec,
    truth: Truth,
    models: tuple[Decoded, Decoded, Decoded],
    inputs: Inputs,
    confidence: float,
    known: Estimates,
) -> Iterator[tuple[str, MetricResult]]:
    reference, candidate, rounded = models
    how = _How(inputs=inputs, confidence=confidence)
    for name in dict.fromkeys((*_held(spec), *spec.metrics)):
        try:
            yield (
                name,
                MetricResult(
                    candidate=known.evaluate(spec, truth, candidate, name, **how),
                    reference=known.evaluate(spec, truth, reference, name, **how),
                    drop=known.drop(spec, truth, (reference, rounded), name, **how),
                ),
            )
        except DataError:
            continue  # e.g. AUC on rows that all have one label: it has no value there


def _judged(
    spec: TaskSpec,
    metrics: Mapping[str, MetricResult],
    differences: Sequence[Difference],
    falls: tuple[ClassFall, ...],
    budget: Budget,
    reach: Mapping[str, float],
) -> TaskResult:
    """Hold the metrics of ``reach`` to the budget; it says what a row adds to the drop of each."""
    verdicts: dict[str, Word] = {
        name: verdict(metrics[name].drop, budget.max_drop) for name in reach
    }
    result = worst(verdicts.values())
    name = next(name for name in reach if verdicts[name] == result)
    scale = metric(name).scale
    found, needed = metrics[name].drop, None
    ties = sum(part.tie for part in differences)
    reason = ""
    if result == "undecided":
        needed = rows_needed(found, budget.max_drop, leverage=reach[name])
        reason = _undecided(found, budget.max_drop, needed, scale)
        reason = reason if name == spec.metric else f"{name}: {reason}"
    elif result == "fail":
        reason = (
            f"{name} {_drops(scale)} by {scale.amount(found.value)}, at least "
            f"{scale.number(found.low)}; the budget is {scale.number(budget.max_drop)}"
        )
    failed = [fall for fall in falls if fall.failed]
    if failed:
        told = falls_told([asdict(fall) for fall in failed])
        told = f"recall falls: {told}; max_drop_class is {budget.max_drop_class:g}"
        reason = f"{reason}; {told}" if result == "fail" else told
        result, needed = "fail", None
    if budget.same_decisions and len(differences) > ties:
        result = "fail"
        reason = (
            "decisions other than the reference's that are no ties "
            f"(margin above {TIE:g}): {len(differences) - ties}"
        )
    return TaskResult(
        metric=spec.metric,
        verdict=result,
        reason=reason,
        max_drop=budget.max_drop,
        rows_needed=needed,
        metrics=metrics,
        changed=len(differences),
        ties=ties,
        differences=tuple(differences[:LISTED]),
        held=tuple(reach),
        classes=falls[:LISTED],
        max_drop_class=budget.max_drop_class,
        unit=spec.unit,
    )


def _drops(scale: Scale) -> str:
    return "rises" if scale.lower_is_better else "drops"


def _undecided(found: Estimate, max_drop: float, needed: int | None, scale: Scale) -> str:
    few = f"{found.rows:,} rows"
    if found.distinct < found.rows:
        few += f" with {found.distinct:,} distinct inputs"
    return (
        f"{few} are too few (drop at most {scale.amount(found.high)}, budget "
        f"{scale.number(max_drop)}); {_advice(found, needed, scale)}"
    )


def _advice(found: Estimate, needed: int | None, scale: Scale) -> str:
    if needed is None:
        return (
            f"more would not decide: the measured drop of {scale.amount(found.value)} is too "
            "near the budget; change the budget, or make the artefact another way"
        )
    which = " distinct ones" if found.distinct < found.rows else ""
    return f"about {needed:,}{which} would decide"


def _differences(
    spec: TaskSpec, reference: Decoded, candidate: Decoded, names: Sequence[RowName]
) -> Iterator[Difference]:
    """Every decision that is another than the reference's, the clearest first."""
    kind = task_kind(spec.kind)
    try:
        pairs = kind.compared(spec, reference, candidate)
    except ValueError as error:
        raise DataError(
            "the reference was made of other words than the artefact found in these rows"
        ) from error
    ahead = kind.margins(spec, reference)
    changed = np.flatnonzero(pairs.differ)
    for index in changed[np.argsort(-ahead[changed], kind="stable")]:
        row, name = names[int(pairs.rows[index])]
        place = int(pairs.places[index])
        yield Difference(
            row=row,
            id=name,
            word=place if kind.per_word else -1,
            reference=kind.text(spec, pairs.wanted[index], place),
            candidate=kind.text(spec, pairs.found[index], place),
            margin=float(ahead[index]),
            tie=bool(ahead[index] <= TIE),
        )
