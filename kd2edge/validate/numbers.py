"""Level 2: every head against stored PyTorch logits, however the rows are batched and padded.

Every size of a batch and every length is run on a few rows, small batches and large ones, short
rows and long ones in turns: a kernel may break where two sizes meet.  Two sizes run the whole split
later, one and the largest: an output that is like theirs is as good as they are, and a size whose
outputs are like neither's is a suspect, which runs the whole split as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.rows import shortened
from kd2edge.inputs.spec import ArraySpec, Encoded, dynamic_dimensions
from kd2edge.ragged import Column, Ragged
from kd2edge.runtime.padding import with_length
from kd2edge.tasks.outputs import cut_to, items_of
from kd2edge.tasks.spec import Output, TaskSpec
from kd2edge.validate.compare import compare_logits
from kd2edge.validate.validation import NumberResult
from kd2edge.validate.ways import FREE, SHARED, Way, sweep

__all__ = ["Numbers", "Sample", "merged_numbers", "number_results"]

#: Rows in a run that tries a length, in turns; always as many as the first.
_FEW = 4
_TURNS = (4, 2, 12, 3, 48, 7, 24)
#: Positions in such a run, as far as it has more rows than the first.
_POSITIONS = 2048
#: Where the next size's rows begin: this share of all further, which comes back to no place soon.
_STEP = 0.381966
#: Positions of padding that are tried where an artefact takes any length.
_ROOM = 64
#: Outputs closer than this share of their size are the same.
_SAME = 0.01
#: How much further than alone and largest batch from each other makes a suspect.
_APART = 3.0

ArrayDict = Mapping[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Run = Callable[[ArrayDict], Mapping[str, npt.NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows with PyTorch's logits for them.

    Args:
        encode: encodes some rows: graph arrays, padded to the longest of them, and what they
            are by input (golden rows: nothing is known of their words).
        rows: number of rows.
        logits: array of a head -> PyTorch's logits: ``[row, ..., C]``; ragged ``[word, C]``; or as
            the graph gives them, ``[row, length, C]``.
    """

    encode: Callable[[Sequence[int]], tuple[ArrayDict, Mapping[str, Encoded]]]
    rows: int
    logits: Mapping[str, npt.NDArray[Any] | Ragged]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Level 2 of one artefact at one number of threads.

    Args:
        results: array -> what was found, ways that agree taken together.
        suspects: ways whose outputs are unlike those of the ways that run the whole split, the
            furthest first.
    """

    results: Mapping[str, tuple[NumberResult, ...]]
    suspects: tuple[Way, ...] = ()


class _Trial(NamedTuple):
    """A way and the rows of each of its forward passes."""

    way: Way
    calls: tuple[Sequence[int], ...]


class _Found(NamedTuple):
    """One way: its numbers by array, and the outputs of each row it ran."""

    way: Way
    numbers: Mapping[str, NumberResult]
    outputs: Mapping[str, list[tuple[int, Floats]]]


def number_results(
    sample: Sample,
    run: Run,
    arrays: Mapping[str, tuple[TaskSpec, Output]],
    inputs: Sequence[ArraySpec],
    ranges: Mapping[str, tuple[int, int]],
    threads: int = 1,
    part: int = 0,
    parts: int = 1,
) -> Numbers:
    """Run the sample in every way to batch and pad.

    Args:
        sample: rows and their PyTorch logits.
        run: the artefact, from graph arrays to outputs.
        arrays: arrays of the heads by name, see ``tasks.outputs``.
        inputs: the artefact's arrays.
        ranges: sizes that its dynamic dimensions take.
        threads: that it runs with.
        part: which of the numbers of threads that share the sizes among them, see ``sweep``.
        parts: how many there are.
    """
    found = [
        _tried(sample, run, arrays, inputs, ranges, trial)
        for trial in _trials(sample, inputs, ranges, threads, (part, parts))
    ]
    bases = 1 if _most(inputs, ranges) == 1 else 2
    suspects = _suspects(sample, found[:bases], found[bases:])
    results = {task: _as_alone(task, found, suspects) for task in sample.logits}
    for numbers in _cut(sample, run, arrays, inputs, ranges, threads):
        for task, one in numbers.items():
            results[task].append(one)
    return Numbers({task: _condensed(parts, threads) for task, parts in results.items()}, suspects)


def merged_numbers(parts: Sequence[Numbers]) -> dict[str, tuple[NumberResult, ...]]:
    """What several samples and numbers of threads gave, by array."""
    found: dict[str, tuple[NumberResult, ...]] = {}
    for part in parts:
        for task, results in part.results.items():
            found[task] = (*found.get(task, ()), *results)
    return found


def _trials(
    sample: Sample,
    inputs: Sequence[ArraySpec],
    ranges: Mapping[str, tuple[int, int]],
    threads: int,
    share: tuple[int, int],
) -> Iterator[_Trial]:
    most = _most(inputs, ranges)
    every = range(sample.rows)
    full = tuple(_turn(at, most, sample.rows) for at in range(0, sample.rows, most))
    yield _Trial(Way(threads, 1), tuple((row,) for row in every))
    if most > 1:
        yield _Trial(Way(threads, most), full)
    lengths = dynamic_dimensions(inputs)
    own = [_length(inputs, sample.encode([row])[0]) for row in every] if lengths else []
    order = sorted(every, key=lambda row: own[row]) if lengths else list(every)
    part, parts = share
    for at, size in enumerate(sweep(2, most - 1, part=part, parts=parts)):
        start = int(at * _STEP * sample.rows)
        rows = [order[place] for place in _turn(start, size, sample.rows)]
        yield _Trial(Way(threads, size), (rows,))
    if not lengths:
        return
    free = own[order[-1]] + _ROOM
    high = max(ranges.get(dim, (1, free))[1] for dim in lengths)
    for at, length in enumerate(sweep(own[order[0]], high, part=part, parts=parts)):
        size = min(_TURNS[at % len(_TURNS)], max(_FEW, _POSITIONS // length), most)
        fitting = [row for row in order if own[row] <= length]
        some = [*fitting[: size // 2], *fitting[-(size - size // 2) :]]
        rows = [some[place] for place in _turn(0, size, len(some))]
        yield _Trial(Way(threads, size, length), (rows,))
    yield _Trial(Way(threads, most, high), full)


def _most(inputs: Sequence[ArraySpec], ranges: Mapping[str, tuple[int, int]]) -> int:
    """Rows of the largest batch."""
    fixed = [array.shape[0] for array in inputs if array.shape]
    sizes = [size for size in fixed if isinstance(size, int)]
    return sizes[0] if sizes else ranges.get("batch", (1, FREE))[1]


def _turn(start: int, size: int, rows: int) -> list[int]:
    """``size`` rows, those behind the last being the first again."""
    return [(start + step) % rows for step in range(size)]


def _length(inputs: Sequence[ArraySpec], arrays: ArrayDict) -> int:
    return max(arrays[array.name].shape[at] for array in inputs for at in array.dynamic.values())


def _tried(
    sample: Sample,
    run: Run,
    arrays: Mapping[str, tuple[TaskSpec, Output]],
    inputs: Sequence[ArraySpec],
    ranges: Mapping[str, tuple[int, int]],
    trial: _Trial,
) -> _Found:
    outputs: dict[str, list[tuple[int, Floats]]] = {task: [] for task in sample.logits}
    for rows in trial.calls:
        for task, parts in _run_one(
            sample, run, arrays, inputs, ranges, rows, trial.way.length
        ).items():
            outputs[task] += zip(rows, parts, strict=True)
    numbers: dict[str, NumberResult] = {}
    for task, wanted in sample.logits.items():
        pairs = [(_row(wanted, row), found) for row, found in outputs[task]]
        pairs = [pair for pair in pairs if len(pair[0])] or pairs[:1]
        fits = all(one.shape == other.shape for one, other in pairs)
        a, b = (np.concatenate(part) for part in zip(*pairs, strict=True))
        numbers[task] = compare_logits(
            str(trial.way), arrays[task][1], a, b if fits else b[:0], len(outputs[task])
        )
    return _Found(trial.way, numbers, outputs)


def _run_one(
    sample: Sample,
    run: Run,
    arrays: Mapping[str, tuple[TaskSpec, Output]],
    inputs: Sequence[ArraySpec],
    ranges: Mapping[str, tuple[int, int]],
    rows: Sequence[int],
    length: int,
) -> dict[str, list[Floats]]:
    """Outputs of some rows, brought to the form that the sample's logits have: one part a row."""
    values, encoded = sample.encode(rows)
    outputs = run(padded(values, inputs, length, ranges))
    found: dict[str, list[Floats]] = {}
    for name, wanted in sample.logits.items():
        spec, output = arrays[name]
        items: Column = outputs[name]
        if isinstance(wanted, Ragged):
            items = items_of(spec, output, outputs[name], encoded)
        else:  # the padding's own outputs mean nothing
            items = cut_to(output, outputs[name], wanted.shape[1] * output.stride)
        found[name] = [_row(items, row) for row in range(len(rows))]
    return found


def _cut(
    sample: Sample,
    run: Run,
    arrays: Mapping[str, tuple[TaskSpec, Output]],
    inputs: Sequence[ArraySpec],
    ranges: Mapping[str, tuple[int, int]],
    threads: int,
) -> Iterator[dict[str, NumberResult]]:
    """Lengths below the shortest row's: cut short, rows must give what they give with padding."""
    lengths = dynamic_dimensions(inputs)
    if not lengths:
        return
    own = [_length(inputs, sample.encode([row])[0]) for row in range(sample.rows)]
    rows = sorted(range(sample.rows), key=lambda row: own[row])
    rows = rows[: min(_FEW, _most(inputs, ranges))]
    values, _ = sample.encode(rows)
    low = max(ranges.get(dim, (1, 1))[0] for dim in lengths)
    for length in sweep(low, min(own) - 1):
        short = {array.name: shortened(values[array.name], array, length) for array in inputs}
        alone, beside = run(short), run(padded(short, inputs, min(own), ranges))
        way, found = str(Way(threads, len(rows), length)), dict[str, NumberResult]()
        for task in sample.logits:
            wanted, got = (
                _flat(cut_to(arrays[task][1], one[task], length)) for one in (beside, alone)
            )
            found[task] = compare_logits(way, arrays[task][1], wanted, got, len(rows))
        yield found


def _as_alone(task: str, found: Sequence[_Found], suspects: Collection[Way]) -> list[NumberResult]:
    """The results of a task; where outputs are those of rows alone, no further off than these.

    A size of few rows is off by what these rows are off: of two, one that is hard for int8 would
    decide.
    """
    alone = found[0].numbers[task]
    return [
        one.numbers[task]
        if one.way in suspects or one.numbers[task].rows >= SHARED
        else replace(one.numbers[task], rms=min(one.numbers[task].rms, alone.rms))
        for one in found
    ]


def _condensed(results: Sequence[NumberResult], threads: int) -> tuple[NumberResult, ...]:
    """Alone, the largest batch and the furthest of the others by themselves, the rest as one."""
    first, others = list(results[:2]), list(results[2:])
    if not others:
        return tuple(first)
    furthest = {
        id(one): one
        for one in (max(others, key=lambda one: one.rms), max(others, key=lambda one: one.max_abs))
    }
    rest = [one for one in others if id(one) not in furthest]
    if not rest:
        return (*first, *furthest.values())
    counts = [one.rows for one in rest]
    merged = NumberResult(
        way=f"{threads} thread{'s' if threads > 1 else ''}, {len(rest)} other sizes",
        rows=sum(counts),
        max_abs=max(one.max_abs for one in rest),
        cosine=min(one.cosine for one in rest),
        kl=float(np.average([one.kl for one in rest], weights=counts)),
        top1=float(np.average([one.top1 for one in rest], weights=counts)),
        rms=max(one.rms for one in rest),
    )
    return (*first, *furthest.values(), merged)


def _values(logits: npt.NDArray[Any] | Ragged) -> npt.NDArray[Any]:
    return logits.values if isinstance(logits, Ragged) else logits


def _row(values: npt.NDArray[Any] | Ragged, row: int) -> Floats:
    """The items of one row: ``[item, C]``."""
    own = values.row(row) if isinstance(values, Ragged) else values[row]
    return own.reshape(-1, own.shape[-1]).astype(np.float64)


def _suspects(sample: Sample, bases: Sequence[_Found], others: Sequence[_Found]) -> tuple[Way, ...]:
    """Ways that are like neither of the bases, alone and largest batch; the furthest first."""
    # Infinity less infinity is NaN, squares of what is next to it are infinite: both looked for.
    with np.errstate(invalid="ignore", over="ignore"):
        worst = _beyond(sample, bases, others)
    # NaN too: infinitely far is beyond any limit, and a limit of infinity is kept by nothing.
    return tuple(way for way in sorted(worst, key=lambda way: -worst[way]) if not worst[way] <= 1)


def _beyond(sample: Sample, bases: Sequence[_Found], others: Sequence[_Found]) -> dict[Way, float]:
    """How far the outputs of each way are from those of the nearest base; above 1: too far."""
    worst: dict[Way, float] = {}
    for task, wanted in sample.logits.items():
        known = [dict(base.outputs[task]) for base in bases]
        size = np.square(np.nan_to_num(_values(wanted), posinf=0.0, neginf=0.0), dtype=np.float64)
        scale = max(float(np.sqrt(size.mean())), 1e-3) if size.size else 1.0
        apart = _distances(known[0].items(), known[-1:], scale)
        allowed = _APART * np.array(_mean_and_most(apart)) + np.array([1, 2]) * _SAME
        for one in others:
            distances = _distances(one.outputs[task], known, scale)
            beyond = float(np.max(np.array(_mean_and_most(distances)) / allowed))
            worst[one.way] = max(worst.get(one.way, 0.0), beyond)
    return worst


def _distances(
    outputs: Iterable[tuple[int, Floats]], known: Sequence[Mapping[int, Floats]], scale: float
) -> Floats:
    """How far each item is from the nearest of its known outputs, as a share of their size."""
    rows, parts = zip(*outputs, strict=True)
    found = np.concatenate(parts)
    squares = [_squares(found, np.concatenate([base[row] for row in rows])) for base in known]
    return np.sqrt(np.min(squares, axis=0)) / scale


def _squares(found: Floats, base: Floats) -> Floats:
    """The mean square of each item's difference: 0 where both are NaN (a word that is cut off)."""
    differences = np.where(np.isnan(found) & np.isnan(base), 0.0, found - base)
    return np.mean(np.square(np.nan_to_num(differences, nan=np.inf)), axis=-1)


def _mean_and_most(distances: Floats) -> tuple[float, float]:
    if not len(distances):
        return 0.0, 0.0
    return float(np.sqrt(np.mean(np.square(distances)))), float(distances.max())


def padded(
    arrays: ArrayDict,
    inputs: Sequence[ArraySpec],
    length: int,
    ranges: Mapping[str, tuple[int, int]],
) -> dict[str, npt.NDArray[Any]]:
    """Arrays with zeros (masked away) at the end of every dynamic dimension, up to ``length``.

    A dimension that ends before that is filled up to its own end.

    Args:
        arrays: name -> rows of one call.
        inputs: specs of the arrays.
        length: size to fill up to.
        ranges: dynamic dimension -> (smallest, largest) size.
    """
    full = dict(arrays)
    for spec in inputs:
        for dim, at in spec.dynamic.items():
            most = min(length, ranges.get(dim, (1, length))[1])
            full[spec.name] = with_length(full[spec.name], at, most)
    return full


def _flat(logits: npt.NDArray[Any]) -> Floats:
    """``[item, C]`` whatever stands before the last dimension."""
    return logits.reshape(-1, logits.shape[-1]).astype(np.float64)
