"""Resampled metrics: one Bayesian bootstrap over rows, for every metric and several models at once.

A resample gives every row a weight from Exp(1), scaled to the number of rows (Rubin, "The Bayesian
Bootstrap", 1981).  Against whole-number counts this has two advantages: no class vanishes from a
resample, and rows with equal statistics can be drawn together, because the sum of ``n`` such
weights is Gamma(n).  5,500 rows of a 150-class macro F1 shrink to some hundred distinct ones.

Each resample also has a *phantom*: the share that one more row would weigh, Beta(1, n).  Bounds
count it against themselves (see ``estimate``), as the "+1" of the Clopper-Pearson bound does, so
that what was not seen in ``n`` rows is not taken for impossible.

Rows with the same input are one piece of evidence: a model answers them alike, and none says what
another input would have shown.  They share one weight, and ``n`` counts them once; the metric's own
value stays over all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.metrics.items import Ints, has_label
from kd2edge.metrics.metric import Floats, Metric, RankMetric
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth

#: Numbers held at a time, in statistics of a block of rows and in weights of some resamples.
_NUMBERS = 1 << 19

#: What tells inputs apart, one a row: any numbers that are equal where the inputs are.
Keys = npt.NDArray[np.integer[Any]]


class Resamples(NamedTuple):
    """A metric of several models on the same rows."""

    values: Floats  # [model], on the rows as they are
    drawn: Floats  # [resample, model]
    phantom: Floats  # [resample], the share of one more input
    rows: int  # labelled rows
    distinct: int  # different inputs among them


class _Inputs(NamedTuple):
    """Which labelled rows have the same input."""

    of: Ints  # [row], its input, numbered by first occurrence
    sizes: Ints  # [input], rows that have it
    strata: Ints  # [input], 0 ...


class _Groups(NamedTuple):
    """Inputs that have the same statistics in every model, as many rows, and the same stratum."""

    statistics: Floats  # [group, model * k], of one input
    sizes: Floats  # [group], rows of one input
    counts: Floats  # [group], inputs in it
    strata: Ints  # [group], 0 ...


def resampled(
    spec: TaskSpec,
    truth: Truth,
    models: Sequence[Decoded],
    metric: Metric | RankMetric,
    *,
    resamples: int,
    seed: int,
    inputs: Keys | None = None,
) -> Resamples:
    """The metric of every model under the same resampled rows.  Rows without label are left out.

    Args:
        spec: the task.
        truth: its labels.
        models: one output a model.
        metric: what is measured.
        resamples: how many are drawn.
        seed: of the resampling.
        inputs: what tells the rows' inputs apart, their hashes ``[row]``; None: no two are equal.

    Raises:
        DataError: no row has a label of the task.
    """
    rows = np.flatnonzero(has_label(truth))  # [labelled row]
    if not len(rows):
        raise DataError(f"task {spec.name!r}: no row has a label, so there is nothing to measure")
    metric.require_rows(spec, truth)
    random = np.random.default_rng(seed)
    keys = np.arange(len(rows)) if inputs is None else np.asarray(inputs)[rows]  # [labelled row]
    if isinstance(metric, RankMetric):
        return _ranked(spec, truth, models, metric, rows, keys, resamples, random)
    return _summed(spec, truth, models, metric, rows, keys, resamples, random)


def _summed(
    spec: TaskSpec,
    truth: Truth,
    models: Sequence[Decoded],
    metric: Metric,
    rows: Ints,
    keys: Keys,
    resamples: int,
    random: np.random.Generator,
) -> Resamples:
    strata = metric.strata(truth) if metric.stratified else None
    inputs = _inputs(keys, None if strata is None else strata[rows])
    groups = _grouped(spec, truth, models, metric, rows, inputs)

    def value(weights: Floats) -> Floats:
        sums = weights @ groups.statistics  # [resample, model * k]
        return metric.value(np.reshape(sums, (len(weights), len(models), -1)))

    drawn, phantom = _drawn(value, groups[1:], resamples, random)  # [resample, model], [resample]
    values = value(groups.counts[None])[0]  # [model]
    return Resamples(values, drawn, phantom, len(rows), len(inputs.sizes))


def _ranked(
    spec: TaskSpec,
    truth: Truth,
    models: Sequence[Decoded],
    metric: RankMetric,
    rows: Ints,
    keys: Keys,
    resamples: int,
    random: np.random.Generator,
) -> Resamples:
    own_truth = truth.taken(rows)
    chosen = [decoded.taken(rows) for decoded in models]
    inputs = _inputs(keys, metric.strata(own_truth))

    def value(weights: Floats) -> Floats:
        own = weights[:, inputs.of]  # [resample, row]
        values = [metric.value_weighted(spec, own_truth, one, own) for one in chosen]
        return np.stack(values, axis=-1)

    ones = np.ones(len(inputs.sizes))  # [input]
    alone = (inputs.sizes.astype(np.float64), ones, inputs.strata)
    drawn, phantom = _drawn(value, alone, resamples, random)
    return Resamples(value(ones[None])[0], drawn, phantom, len(rows), len(ones))


def _inputs(keys: Keys, strata: npt.NDArray[Any] | None) -> _Inputs:
    """Number the inputs; one whose rows stand in several strata belongs where most of them do."""
    _, first, found, sizes = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)  # by first occurrence, so that different inputs are as many rows
    of = np.argsort(order)[found].astype(np.int64)  # [row]
    sizes = sizes[order].astype(np.int64)  # [input]
    if strata is None:
        return _Inputs(of, sizes, np.zeros(len(sizes), dtype=np.int64))
    names, numbers = np.unique(strata, return_inverse=True)
    pairs, counts = np.unique(of * len(names) + numbers, return_counts=True)
    own, stratum = np.divmod(pairs, len(names))
    ranked = np.lexsort((stratum, -counts, own))
    most = stratum[ranked][np.flatnonzero(np.diff(own[ranked], prepend=-1))]
    return _Inputs(of, sizes, np.unique(most, return_inverse=True)[1].astype(np.int64))


def _grouped(
    spec: TaskSpec,
    truth: Truth,
    models: Sequence[Decoded],
    metric: Metric,
    rows: Ints,
    inputs: _Inputs,
) -> _Groups:
    together = rows[np.argsort(inputs.of, kind="stable")]  # rows of one input side by side
    ends = np.cumsum(inputs.sizes)  # [input], as starts
    starts = ends - inputs.sizes
    own = np.stack([inputs.sizes, inputs.strata], axis=1).astype(np.float64)  # [input, 2]
    parts: list[tuple[Floats, Floats]] = []
    start, step, limit = 0, 256, 1024
    while start < len(ends):
        begin = int(starts[start])
        stop = max(int(np.searchsorted(ends, begin + step, side="right")), start + 1)
        block = together[begin : ends[stop - 1]]  # [row of the block]
        here = truth.taken(block)
        columns = [metric.rows(spec, here, model.taken(block)) for model in models]
        sums = np.add.reduceat(np.concatenate(columns, axis=1), starts[start:stop] - begin, axis=0)
        table = np.concatenate([sums, own[start:stop]], axis=1)
        parts.append(_distinct(table, np.ones(len(table))))
        start = stop
        # A block is wide where there are many classes and models; the next ones fit the memory.
        step = max(256, _NUMBERS // table.shape[1])
        if sum(len(counts) for _, counts in parts) > limit:
            parts = [_merged(parts)]
            limit = 1024 + 2 * len(parts[0][1])  # doubling: each row is sorted a few times at most
    table, counts = _merged(parts)
    statistics, sizes = np.ascontiguousarray(table[:, :-2]), np.ascontiguousarray(table[:, -2])
    return _Groups(statistics, sizes, counts, table[:, -1].astype(np.int64))


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
    value: Callable[[Floats], Floats],
    drawn: tuple[Floats, Floats, Ints],
    resamples: int,
    random: np.random.Generator,
) -> tuple[Floats, Floats]:
    values: list[Floats] = []
    phantoms: list[Floats] = []
    for weights, phantom in _weights(*drawn, resamples, random):
        values.append(value(weights))
        phantoms.append(phantom)
    return np.concatenate(values), np.concatenate(phantoms)


def _weights(
    sizes: Floats, counts: Floats, strata: Ints, resamples: int, random: np.random.Generator
) -> Iterator[tuple[Floats, Floats]]:
    """Weights ``[resample, group]``, whose rows in a stratum stay as many, and phantom shares."""
    step = max(1, _NUMBERS // len(counts))
    order = np.argsort(strata, kind="stable")
    edges = np.flatnonzero(np.diff(strata[order], prepend=-1))  # [stratum]
    rows = np.add.reduceat((sizes * counts)[order], edges)  # [stratum]
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        weights = random.standard_gamma(counts, (size, len(counts)))  # [resample, group]
        more = random.standard_exponential(size)  # [resample]
        phantom = more / (np.add.reduceat(weights[:, order], edges, axis=1).sum(axis=1) + more)
        totals = np.add.reduceat((weights * sizes)[:, order], edges, axis=1)  # [resample, stratum]
        weights *= (rows / totals)[:, strata]
        yield weights, phantom
