"""Resampled metrics: one Bayesian bootstrap over rows, for every metric and several models at once.

A resample gives every row a weight from Exp(1), scaled to the number of rows (Rubin, "The Bayesian
Bootstrap", 1981).  Against whole-number counts this has two advantages: no class vanishes from a
resample, and rows with equal statistics can be drawn together, because the sum of ``n`` such
weights is Gamma(n).  5,500 rows of a 150-class macro F1 shrink to some hundred distinct ones.

Each resample also has a *phantom*: the share that one more row would weigh, Beta(1, n).  Bounds
count it against themselves (see ``estimate``), as the "+1" of the Clopper-Pearson bound does, so
that what was not seen in ``n`` rows is not taken for impossible.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.metrics.items import Ints, has_label, taken
from kd2edge.metrics.metric import Floats, Metric, RankMetric
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth

#: Numbers held at a time, in statistics of a block of rows and in weights of some resamples.
_NUMBERS = 1 << 19


class Resamples(NamedTuple):
    """A metric of several models on the same rows."""

    values: Floats  # [model], on the rows as they are
    drawn: Floats  # [resample, model]
    phantom: Floats  # [resample], the share of one more row
    rows: int  # labelled rows


class _Groups(NamedTuple):
    """Rows that have the same statistics in every model and stand in the same stratum."""

    statistics: Floats  # [group, model * k]
    counts: Floats  # [group], rows in it
    strata: Ints  # [group], 0 ...


def resampled(
    spec: TaskSpec,
    truth: Truth,
    models: Sequence[Decoded],
    metric: Metric | RankMetric,
    *,
    resamples: int,
    seed: int,
) -> Resamples:
    """The metric of every model under the same resampled rows.  Rows without label are left out.

    Raises:
        DataError: no row has a label of the task.
    """
    rows = np.flatnonzero(has_label(truth))
    if not len(rows):
        raise DataError(f"task {spec.name!r}: no row has a label, so there is nothing to measure")
    random = np.random.default_rng(seed)
    if isinstance(metric, RankMetric):
        return _ranked(spec, truth, models, metric, rows, resamples, random)
    return _summed(spec, truth, models, metric, rows, resamples, random)


def _summed(
    spec: TaskSpec,
    truth: Truth,
    models: Sequence[Decoded],
    metric: Metric,
    rows: Ints,
    resamples: int,
    random: np.random.Generator,
) -> Resamples:
    groups = _grouped(spec, truth, models, metric, rows)

    def value(weights: Floats) -> Floats:
        sums = weights @ groups.statistics
        return metric.value(np.reshape(sums, (len(weights), len(models), -1)))

    drawn, phantom = _drawn(value, groups.counts, groups.strata, resamples, random)
    return Resamples(value(groups.counts[None])[0], drawn, phantom, len(rows))


def _ranked(
    spec: TaskSpec,
    truth: Truth,
    models: Sequence[Decoded],
    metric: RankMetric,
    rows: Ints,
    resamples: int,
    random: np.random.Generator,
) -> Resamples:
    chosen = [taken(truth, decoded, rows) for decoded in models]

    def value(weights: Floats) -> Floats:
        return np.stack([metric.value_weighted(spec, *pair, weights) for pair in chosen], axis=-1)

    ones = np.ones(len(rows))
    strata = _numbered(metric.strata(chosen[0][0]), len(rows))
    drawn, phantom = _drawn(value, ones, strata, resamples, random)
    return Resamples(value(ones[None])[0], drawn, phantom, len(rows))


def _numbered(strata: npt.NDArray[Any] | None, rows: int) -> Ints:
    if strata is None:
        return np.zeros(rows, dtype=np.int64)
    return np.unique(strata, return_inverse=True)[1].astype(np.int64)


def _grouped(
    spec: TaskSpec, truth: Truth, models: Sequence[Decoded], metric: Metric, rows: Ints
) -> _Groups:
    strata = metric.strata(truth) if metric.stratified else None
    numbers = _numbered(None if strata is None else strata[rows], len(rows)).astype(np.float64)
    parts: list[tuple[Floats, Floats]] = []
    start, step, limit = 0, 256, 1024
    while start < len(rows):
        block = rows[start : start + step]
        columns = [metric.rows(spec, *taken(truth, model, block)) for model in models]
        table = np.concatenate([*columns, numbers[start : start + step, None]], axis=1)
        parts.append(_distinct(table, np.ones(len(block))))
        start += step
        # A block is wide where there are many classes and models; the next ones fit the memory.
        step = max(256, _NUMBERS // table.shape[1])
        if sum(len(counts) for _, counts in parts) > limit:
            parts = [_merged(parts)]
            limit = 1024 + 2 * len(parts[0][1])  # doubling: each row is sorted a few times at most
    table, counts = _merged(parts)
    return _Groups(np.ascontiguousarray(table[:, :-1]), counts, table[:, -1].astype(np.int64))


def _merged(parts: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    tables, counts = zip(*parts, strict=True)
    return _distinct(np.concatenate(tables), np.concatenate(counts))


def _distinct(table: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """The different rows of a table and how often each occurs."""
    whole = np.ascontiguousarray(table + 0.0)  # + 0.0: -0.0 and 0.0 differ in their bytes
    keys = np.frombuffer(whole.data, dtype=f"V{whole.dtype.itemsize * whole.shape[1]}")
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return whole[first], np.bincount(inverse, counts, minlength=len(first)).astype(np.float64)


def _drawn(
    value: Any, counts: Floats, strata: Ints, resamples: int, random: np.random.Generator
) -> tuple[Floats, Floats]:
    values: list[Floats] = []
    phantoms: list[Floats] = []
    for weights, phantom in _weights(counts, strata, resamples, random):
        values.append(value(weights))
        phantoms.append(phantom)
    return np.concatenate(values), np.concatenate(phantoms)


def _weights(
    counts: Floats, strata: Ints, resamples: int, random: np.random.Generator
) -> Iterator[tuple[Floats, Floats]]:
    """Weights ``[resample, group]``, whose sum in a stratum is its rows, and phantom shares."""
    step = max(1, _NUMBERS // len(counts))
    order = np.argsort(strata, kind="stable")
    edges = np.flatnonzero(np.diff(strata[order], prepend=-1))
    rows = np.add.reduceat(counts[order], edges)  # [stratum]
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        weights = random.standard_gamma(counts, (size, len(counts)))
        totals = np.add.reduceat(weights[:, order], edges, axis=1)  # [resample, stratum]
        more = random.standard_exponential(size)
        weights *= (rows / totals)[:, strata]
        yield weights, more / (totals.sum(axis=1) + more)
