"""Estimates with bounds: a metric of one model, the drop between two, the gain over several seeds.

Bounds are quantiles of a resampled metric (``resample``), each with the phantom row counted
against it.  For accuracy that *is* the exact bound of Clopper and Pearson (1934); a drop in which
no decision differs gets ``1 - (1 - confidence) ** (1 / rows)``, about 3 / rows at 95 % ("rule of
three", Hanley and Lippman-Hand 1983), where an ordinary bootstrap would call it impossible.  For
other metrics the phantom counts as much as one wrong row counts in accuracy: right on average over
rows, and what keeps a bound honest that rests on a handful of changed decisions.

A metric in a unit of its own (a mean error) takes the phantom for a row as far off as the task's
values go; a root of a mean has it inside the root (``one_row``).  Values without stated bounds go
as far as those of the training rows: an error beyond these is one that bounds do not foresee.

Where ``inputs`` says which rows have the same input, these are one piece of evidence: bounds rest
on the different ones, values on all rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kd2edge.errors import UsageError
from kd2edge.metrics.kinds import metric
from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.one_row import OneRow
from kd2edge.metrics.resample import Keys, Resamples, resampled
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth
from kd2edge.verdict import CONFIDENCE

#: Below this, a difference of two metrics is rounding.
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its bounds.

    Args:
        value: on the rows as they are.
        low: lower bound, at most ``value``.
        high: upper bound, at least ``value``.
        confidence: of the bounds; two-sided from :func:`evaluate` (both hold together),
            one-sided from :func:`drop` and :func:`paired_gain_over_seeds` (each holds by itself).
        rows: labelled rows that ``value`` is over.
        error: standard error of ``value``.
        distinct: different inputs among the rows: what the bounds rest on.
    """

    value: float
    low: float
    high: float
    confidence: float
    rows: int
    error: float = 0.0
    distinct: int = 0


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A gain, and whether chance alone could have made it.

    Args:
        gain: with its two bounds, each one-sided.
        p_gain: one-sided, of "there is no gain": small where there is one.
        p_loss: one-sided, of "there is no loss".
    """

    gain: Estimate
    p_gain: float
    p_loss: float


def measure(spec: TaskSpec, truth: Truth, decoded: Decoded, metric_name: str) -> float:
    """A metric of one model, without bounds; memory does not follow rows times classes.

    Args:
        spec: the task.
        truth: labels ``[row]``, or ragged ``[word]``.
        decoded: labels and scores of the same items.
        metric_name: a name in ``METRICS``.

    Raises:
        DataError: no row has a label (for AUC: no row of one of the labels).
        UsageError: no such metric.
    """
    found = resampled(spec, truth, [decoded], metric(metric_name), resamples=1, seed=0)
    return float(found.values[0])


def evaluate(
    spec: TaskSpec,
    truth: Truth,
    decoded: Decoded,
    metric_name: str | Metric,
    *,
    inputs: Keys | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """A metric of one model, with a two-sided interval.

    ``inputs`` has a number a row, equal where the inputs are (their hashes); None: all differ.

    Args:
        spec: the task.
        truth: labels ``[row]``, or ragged ``[word]``.
        decoded: labels and scores of the same items.
        metric_name: a name in ``METRICS``, or a metric that has none there.
        inputs: ``[row]`` a number, equal where the inputs are (their hashes); None: all differ.
        confidence: of the interval, in (0.5, 1).
        resamples: weights drawn; more make the bounds steadier.
        seed: of the weights.

    Raises:
        DataError: no row has a label (for AUC: no row of one of the labels).
        UsageError: no such metric, or a confidence outside (0.5, 1).
    """
    _check(confidence)
    made = metric(metric_name) if isinstance(metric_name, str) else metric_name
    found = resampled(spec, truth, [decoded], made, resamples=resamples, seed=seed, inputs=inputs)
    outside = (1 - confidence) / 2
    one, drawn = OneRow.of(made, spec, truth), found.drawn[:, 0]
    low = _quantile(one.lowest(drawn, found.phantom), outside)
    high = _quantile(one.highest(drawn, found.phantom), 1 - outside)
    return _estimate(float(found.values[0]), low, high, confidence, found, float(np.std(drawn)))


def drop(
    spec: TaskSpec,
    truth: Truth,
    reference: Decoded,
    candidate: Decoded,
    metric_name: str,
    *,
    inputs: Keys | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """How much worse the candidate is than the reference, on the same rows: positive is worse.

    So it is of every metric, whichever way it gets worse; the number is in the metric's own unit.

    ``high`` and ``low`` are one-sided bounds, each at ``confidence``: a gate passes when
    ``high <= max_drop`` and fails when ``low > max_drop``.  ``inputs`` as in :func:`evaluate`.

    Args:
        spec: the task.
        truth: labels ``[row]``, or ragged ``[word]``.
        reference: what the reference says of the same items.
        candidate: what the candidate says of them.
        metric_name: a name in ``METRICS``.
        inputs: ``[row]`` as in :func:`evaluate`.
        confidence: of each bound, in (0.5, 1).
        resamples: weights drawn; more make the bounds steadier.
        seed: of the weights.

    Raises:
        DataError: no row has a label.
        UsageError: no such metric, or a confidence outside (0.5, 1).
    """
    how = _How(metric_name, inputs, confidence, resamples, seed)
    return _tested_gain(spec, truth, [reference], [candidate], how).gain


def paired_gain_over_seeds(
    spec: TaskSpec,
    truth: Truth,
    candidates: Sequence[Decoded],
    baselines: Sequence[Decoded],
    metric_name: str,
    *,
    inputs: Keys | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """How much better the candidates are than the baselines of the same seeds, on the same rows.

    Positive is better, whichever way the metric goes.

    Rows are resampled, and with each resample the mean over the seeds is moved by what their spread
    on it says of their mean: a draw of Student's t with S - 1 degrees of freedom times the standard
    error of S seeds.  Where seeds differ much and rows say much, the bounds are those of a t test
    over seeds.  Drawing the seeds themselves again (the hierarchical bootstrap) shows too much with
    few of them: three points have no tails.
    With one seed the bounds speak of that seed alone, with two they say little: t has one degree of
    freedom.  A gain is shown when ``low`` (one-sided) is above 0.

    Args:
        spec: the task.
        truth: its labels.
        candidates: one output a seed.
        baselines: one output a seed, in the same order of seeds.
        metric_name: a name in ``METRICS``.
        inputs: as in :func:`evaluate`.
        confidence: of each bound, one-sided.
        resamples: how many are drawn.
        seed: of the resampling.

    Raises:
        DataError: no row has a label.
        UsageError: unequal numbers of candidates and baselines, no such metric, or a confidence
            outside (0.5, 1).
    """
    return paired_test_over_seeds(
        spec, truth, candidates, baselines, metric_name,
        inputs=inputs, confidence=confidence, resamples=resamples, seed=seed,
    ).gain  # fmt: skip


def paired_test_over_seeds(
    spec: TaskSpec,
    truth: Truth,
    candidates: Sequence[Decoded],
    baselines: Sequence[Decoded],
    metric_name: str,
    *,
    inputs: Keys | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = 2000,
    seed: int = 0,
) -> PairedTest:
    """The gain of :func:`paired_gain_over_seeds` with its two one-sided tests.

    Each p-value comes from the resamples of its bound, the phantom row counted against what is
    tested: ``(1 + #{resampled gain <= 0}) / (1 + resamples)`` of a gain, ``>= 0`` of a loss
    (Davison and Hinkley 1997, eq. 4.11; never 0, as none of so many resamples proves nothing
    beyond them).  It is at most 0.05 where the bound at 95 % lies beyond 0.  Both are 1 where the
    two never differ.  With the sides turned, each is the other but for the chance of drawing.

    Args:
        spec: the task.
        truth: its labels.
        candidates: one output a seed.
        baselines: one output a seed, in the same order of seeds.
        metric_name: a name in ``METRICS``.
        inputs: as in :func:`evaluate`.
        confidence: of each bound, one-sided.
        resamples: how many are drawn.
        seed: of the resampling.

    Raises:
        DataError, UsageError: as in :func:`paired_gain_over_seeds`.
    """
    _require_pairs(candidates, baselines)
    how = _How(metric_name, inputs, confidence, resamples, seed)
    return _tested_gain(spec, truth, candidates, baselines, how)


def _require_pairs(candidates: Sequence[Decoded], baselines: Sequence[Decoded]) -> None:
    if not candidates or len(candidates) != len(baselines):
        raise UsageError(
            f"expected as many baselines as candidates, one a seed: {len(baselines)} and "
            f"{len(candidates)}"
        )


class _How(NamedTuple):
    metric: str
    inputs: Keys | None
    confidence: float
    resamples: int
    seed: int


def _tested_gain(
    spec: TaskSpec,
    truth: Truth,
    better: Sequence[Decoded],
    worse: Sequence[Decoded],
    how: _How,
) -> PairedTest:
    """The gain and its tests, see :func:`paired_test_over_seeds`."""
    _check(how.confidence)
    made, count = metric(how.metric), len(better)
    found = resampled(
        spec,
        truth,
        [*better, *worse],
        made,
        resamples=how.resamples,
        seed=how.seed,
        inputs=how.inputs,
    )
    moved = np.random.default_rng([how.seed, count]).standard_t(max(count - 1, 1), how.resamples)

    def mixed(gains: Floats) -> Floats:
        """Gains ``[resample, seed]`` -> ``[resample]``: of all seeds that there could be."""
        return gains.mean(axis=1) + moved * _error_of_mean(gains)

    one, share = OneRow.of(made, spec, truth), found.phantom[:, None]
    sides = slice(None, count), slice(count, None)
    first, second = reversed(sides) if made.scale.lower_is_better else sides
    above, below = found.drawn[:, first], found.drawn[:, second]
    drawn, sure = mixed(above - below), how.confidence
    values = found.values[first], found.values[second]
    value = float(np.mean(values[0] - values[1]))
    if np.max(np.abs(drawn)) < _NOTHING:  # they never differ: no simulation is needed
        alike = 1 - (1 - sure) ** (1 / found.distinct)
        bound = float(np.mean(one.widest(values[0], values[0], alike)))
        none = Estimate(value, -bound, bound, sure, found.rows, distinct=found.distinct)
        return PairedTest(none, 1.0, 1.0)
    least = -mixed(one.widest(below, above, share))  # t is symmetric: a draw serves both sides
    most = mixed(one.widest(above, below, share))
    low, high = _quantile(least, 1 - sure), _quantile(most, sure)
    p_gain, p_loss = (
        (1 + int(np.count_nonzero(against))) / (1 + how.resamples)
        for against in (least <= 0, most >= 0)
    )
    error = math.hypot(float(np.std((above - below).mean(axis=1))), _spread(above - below))
    return PairedTest(_estimate(value, low, high, sure, found, error), p_gain, p_loss)


def _error_of_mean(gains: Floats) -> Floats:
    """Standard error ``[resample]`` of the mean of gains ``[resample, seed]``; 0 of one seed."""
    count = gains.shape[1]
    return gains.std(axis=1, ddof=1) / math.sqrt(count) if count > 1 else np.zeros(len(gains))


def _spread(gains: Floats) -> float:
    """What seeds add to the standard error: not that of draws of t, which with two has none."""
    return math.sqrt(float(np.mean(_error_of_mean(gains) ** 2)))


def _estimate(
    value: float, low: float, high: float, confidence: float, found: Resamples, error: float
) -> Estimate:
    # Resampling can be biased by a hair (macro F1): a value is never outside its own bounds.
    return Estimate(
        value,
        min(low, value),
        max(high, value),
        confidence,
        found.rows,
        error,
        found.distinct,
    )


def _quantile(values: Floats, at: float) -> float:
    return float(np.quantile(values, at))


def _check(confidence: float) -> None:
    if not 0.5 < confidence < 1:
        raise UsageError(f"confidence: expected a number between 0.5 and 1, found {confidence}")
