"""Estimates with bounds: a metric of one model, the drop between two, the gain over several seeds.

Bounds are quantiles of a resampled metric (``resample``), each with the phantom row counted
against it.  For accuracy that *is* the exact bound of Clopper and Pearson (1934); a drop in which
no decision differs gets ``1 - (1 - confidence) ** (1 / rows)``, about 3 / rows at 95 % ("rule of
three", Hanley and Lippman-Hand 1983), where an ordinary bootstrap would call it impossible.  For
other metrics the phantom counts as much as one wrong row counts in accuracy: right on average over
rows, and what keeps a bound honest that rests on a handful of changed decisions.

Where ``inputs`` says which rows have the same input, these are one piece of evidence: bounds rest
on the different ones, values on all rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from kd2edge.errors import UsageError
from kd2edge.metrics.kinds import metric
from kd2edge.metrics.metric import Floats
from kd2edge.metrics.resample import Keys, Resamples, resampled
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth

#: Below this, a difference of two metrics is rounding.
_NOTHING = 1e-12
#: Advice to find more rows than this is none,
BEYOND = 1_000_000
#: and neither is one to find so many times those at hand, where these are no mere handful.
TIMES, ENOUGH = 100, 1_000


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
    metric_name: str,
    *,
    inputs: Keys | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """A metric of one model, with a two-sided interval.

    ``inputs`` has a number a row, equal where the inputs are (their hashes); None: all differ.

    Args:
        spec: the task.
        truth: labels ``[row]``, or ragged ``[word]``.
        decoded: labels and scores of the same items.
        metric_name: a name in ``METRICS``.
        inputs: ``[row]`` a number, equal where the inputs are (their hashes); None: all differ.
        confidence: of the interval, in (0.5, 1).
        resamples: weights drawn; more make the bounds steadier.
        seed: of the weights.

    Raises:
        DataError: no row has a label (for AUC: no row of one of the labels).
        UsageError: no such metric, or a confidence outside (0.5, 1).
    """
    _check(confidence)
    found = resampled(
        spec,
        truth,
        [decoded],
        metric(metric_name),
        resamples=resamples,
        seed=seed,
        inputs=inputs,
    )
    outside = (1 - confidence) / 2
    rest = (1 - found.phantom) * found.drawn[:, 0]
    low = _quantile(rest, outside)
    high = _quantile(rest + found.phantom, 1 - outside)
    return _estimate(float(found.values[0]), low, high, confidence, found, found.drawn[:, 0])


def drop(
    spec: TaskSpec,
    truth: Truth,
    reference: Decoded,
    candidate: Decoded,
    metric_name: str,
    *,
    inputs: Keys | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """How much worse the candidate is than the reference, on the same rows: positive is worse.

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
    _check(confidence)
    found = resampled(
        spec,
        truth,
        [reference, candidate],
        metric(metric_name),
        resamples=resamples,
        seed=seed,
        inputs=inputs,
    )
    drops = found.drawn[:, 0] - found.drawn[:, 1]
    return _one_sided(float(found.values[0] - found.values[1]), drops, confidence, found)


def paired_gain_over_seeds(
    spec: TaskSpec,
    truth: Truth,
    candidates: Sequence[Decoded],
    baselines: Sequence[Decoded],
    metric_name: str,
    *,
    inputs: Keys | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """How much better the candidates are than the baselines of the same seeds, on the same rows.

    Seeds and rows are resampled together (hierarchical bootstrap; Davison and Hinkley 1997, section
    3.8).  Drawing ``S`` seeds with replacement understates their spread by (S - 1) / S, much with
    three seeds, so deviations from their mean are widened by sqrt(S / (S - 1)).  With one seed the
    bounds speak of that seed alone.  A gain is shown when ``low`` (one-sided) is above 0.

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
    _check(confidence)
    count = len(candidates)
    if count == 0 or count != len(baselines):
        raise UsageError(
            f"expected as many baselines as candidates, one a seed: {len(baselines)} and {count}"
        )
    found = resampled(
        spec,
        truth,
        [*candidates, *baselines],
        metric(metric_name),
        resamples=resamples,
        seed=seed,
        inputs=inputs,
    )
    gains = found.drawn[:, :count] - found.drawn[:, count:]  # [resample, seed]
    picks = np.random.default_rng([seed, count]).multinomial(
        count, np.full(count, 1 / count), size=resamples
    )
    means = gains.mean(axis=1)
    wider = math.sqrt(count / (count - 1)) if count > 1 else 0.0
    mixed = means + wider * (picks / count * (gains - means[:, None])).sum(axis=1)
    value = float(np.mean(found.values[:count] - found.values[count:]))
    return _one_sided(value, mixed, confidence, found)


def rows_needed(found: Estimate, max_drop: float, *, power: float = 0.8) -> int | None:
    """How many different rows an undecided drop would take; None when more than anybody has.

    Supposes that the true drop is the measured one and that further rows are like these; then a
    verdict falls with probability ``power``.  It is a plan and no promise: the drop that made this
    necessary is itself known no better than its bounds.  A drop that sits at the budget would take
    any number; numbers beyond :data:`BEYOND` are no advice either.
    """
    gap = abs(max_drop - found.value)
    if gap == 0:
        return None
    have = found.distinct or found.rows
    # The bound lies z * error * sqrt(have / n) + a / n from the value, a being the phantom's share.
    phantom = -math.log1p(-found.confidence)
    normal = NormalDist()
    reach = normal.inv_cdf(found.confidence) + normal.inv_cdf(power)
    linear = reach * found.error * math.sqrt(have)
    root = (math.sqrt(linear**2 + 4 * phantom * gap) - linear) / (2 * phantom)  # 1 / sqrt(n)
    if root * math.sqrt(BEYOND) < 1 or root * root * max(have, ENOUGH) * TIMES < 1:
        return None
    return max(math.ceil(1 / root**2), have + 1)


def _one_sided(value: float, drawn: Floats, confidence: float, found: Resamples) -> Estimate:
    if np.max(np.abs(drawn)) < _NOTHING:  # the two never differ: no simulation is needed
        bound = 1 - (1 - confidence) ** (1 / found.distinct)
        return Estimate(value, -bound, bound, confidence, found.rows, distinct=found.distinct)
    rest = (1 - found.phantom) * drawn
    low = _quantile(rest - found.phantom, 1 - confidence)
    high = _quantile(rest + found.phantom, confidence)
    return _estimate(value, low, high, confidence, found, drawn)


def _estimate(
    value: float, low: float, high: float, confidence: float, found: Resamples, drawn: Floats
) -> Estimate:
    # Resampling can be biased by a hair (macro F1): a value is never outside its own bounds.
    return Estimate(
        value,
        min(low, value),
        max(high, value),
        confidence,
        found.rows,
        float(np.std(drawn)),
        found.distinct,
    )


def _quantile(values: Floats, at: float) -> float:
    return float(np.quantile(values, at))


def _check(confidence: float) -> None:
    if not 0.5 < confidence < 1:
        raise UsageError(f"confidence: expected a number between 0.5 and 1, found {confidence}")
