"""Level 2: every head against stored PyTorch logits, however the rows are batched and padded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.spec import ArraySpec, WordStarts
from kd2edge.runtime.golden import relative_rms
from kd2edge.tasks.spec import Ragged, TaskSpec
from kd2edge.validate.validation import NumberResult

__all__ = ["BATCHES", "PADDINGS", "Sample", "compare_logits", "number_results"]

#: Rows in one run: alone, an even, an odd and a large batch.
BATCHES = (1, 2, 7, 32)
#: Positions of padding that are added: one, some, and (as far as the artefact takes it) many.
PADDINGS = (1, 8, 64)

ArrayDict = Mapping[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float64]
Run = Callable[[ArrayDict], Mapping[str, npt.NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows with PyTorch's logits for them.

    Args:
        encode: encodes the rows [start, stop): graph arrays, padded to the longest of them, and the
            words' positions by input (for inputs without words: nothing).
        rows: number of rows.
        logits: task -> PyTorch's logits: ``[row, C]``; ragged ``[word, C]``; or as the graph gives
            them, ``[row, length, C]``.
    """

    encode: Callable[[int, int], tuple[ArrayDict, Mapping[str, WordStarts]]]
    rows: int
    logits: Mapping[str, npt.NDArray[Any] | Ragged]


def number_results(
    sample: Sample,
    run: Run,
    tasks: Mapping[str, TaskSpec],
    inputs: Sequence[ArraySpec],
    ranges: Mapping[str, tuple[int, int]],
) -> dict[str, tuple[NumberResult, ...]]:
    """Task -> one result a way to batch and pad.

    Args:
        sample: rows and their PyTorch logits.
        run: the artefact, from graph arrays to outputs.
        tasks: the tasks by name.
        inputs: the artefact's arrays.
        ranges: sizes that its dynamic dimensions take.
    """
    found: dict[str, list[NumberResult]] = {task: [] for task in sample.logits}
    for way, batch, padding in _ways(sample, inputs, ranges):
        parts = [
            _run_one(sample, run, tasks, inputs, start, min(start + batch, sample.rows), padding)
            for start in range(0, sample.rows, batch)
        ]
        for task, wanted in sample.logits.items():
            outputs = np.concatenate([_flat(part[task]) for part in parts])
            found[task].append(
                compare_logits(way, tasks[task], _words(wanted), outputs, sample.rows)
            )
    return {task: tuple(results) for task, results in found.items()}


def _ways(
    sample: Sample, inputs: Sequence[ArraySpec], ranges: Mapping[str, tuple[int, int]]
) -> Iterator[tuple[str, int, int]]:
    """(name, batch size, positions of padding) of every way to run the rows."""
    for batch in BATCHES:
        if batch == 1 or batch <= max(sample.rows, 2):
            yield f"batch {batch}", batch, 0
    if not any("length" in array.shape for array in inputs):
        return
    batch = min(8, sample.rows)
    longest = max(_length(inputs, sample.encode(i, i + 1)[0]) for i in range(sample.rows))
    room = ranges.get("length", (1, longest + PADDINGS[-1]))[1] - longest
    for padding in sorted({min(padding, room) for padding in PADDINGS}):
        if padding > 0:
            yield f"length +{padding}", batch, padding


def _length(inputs: Sequence[ArraySpec], arrays: ArrayDict) -> int:
    return max(
        arrays[array.name].shape[array.shape.index("length")]
        for array in inputs
        if "length" in array.shape
    )


def _run_one(
    sample: Sample,
    run: Run,
    tasks: Mapping[str, TaskSpec],
    inputs: Sequence[ArraySpec],
    start: int,
    stop: int,
    padding: int,
) -> dict[str, npt.NDArray[Any]]:
    """Outputs of some rows, brought to the form that the sample's logits have."""
    arrays, starts = sample.encode(start, stop)
    length = _length(inputs, arrays) if padding else 0
    outputs = run(padded(arrays, inputs, padding))
    found: dict[str, npt.NDArray[Any]] = {}
    for task, wanted in sample.logits.items():
        output = outputs[task]
        if isinstance(wanted, Ragged):
            output = _gathered(output, starts[tasks[task].input])
        elif padding and output.ndim == 3:
            output = output[:, :length]  # the padding's own outputs mean nothing
        found[task] = output
    return found


def padded(
    arrays: ArrayDict, inputs: Sequence[ArraySpec], padding: int
) -> dict[str, npt.NDArray[Any]]:
    """Arrays with ``padding`` zeros at the end of every dimension ``length`` (masked away)."""
    shapes = {array.name: array.shape for array in inputs}
    return {
        name: np.pad(array, [(0, padding if size == "length" else 0) for size in shapes[name]])
        if padding
        else array
        for name, array in arrays.items()
    }


def _gathered(output: npt.NDArray[Any], starts: WordStarts) -> npt.NDArray[Any]:
    from kd2edge.tasks.token_classification import gather_words

    return np.asarray(gather_words(output, starts).values)


def _words(logits: npt.NDArray[Any] | Ragged) -> Floats:
    return _flat(logits.values if isinstance(logits, Ragged) else logits)


def _flat(logits: npt.NDArray[Any]) -> Floats:
    """``[item, C]`` whatever stands before the last dimension."""
    return logits.reshape(-1, logits.shape[-1]).astype(np.float64)


def compare_logits(
    way: str, spec: TaskSpec, wanted: Floats, found: Floats, rows: int
) -> NumberResult:
    """Compare logits ``[item, C]``; words that both leave out (NaN: cut off) are passed over."""
    if wanted.shape != found.shape:
        return NumberResult(way, rows, float("inf"), 0.0, float("inf"), 0.0, float("inf"))
    kept = ~np.isnan(wanted).all(axis=-1)
    wanted, found = wanted[kept], found[kept]
    if not len(wanted):
        return NumberResult(way, rows, 0.0, 1.0, 0.0, 1.0)
    if not np.isfinite(found).all():
        return NumberResult(way, rows, float("inf"), 0.0, float("inf"), 0.0, float("inf"))
    return NumberResult(
        way=way,
        rows=rows,
        max_abs=float(np.abs(wanted - found).max()),
        cosine=float(_cosine(wanted, found).min()),
        kl=float(_divergence(spec, wanted, found).mean()),
        top1=float(np.mean(_decided(wanted) == _decided(found))),
        rms=relative_rms(wanted, found),
    )


def _cosine(a: Floats, b: Floats) -> Floats:
    sizes = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    # Two zero vectors point the same way, for this purpose.
    return np.where(
        sizes > 0, (a * b).sum(axis=-1) / np.maximum(sizes, 1e-300), 1.0 * (a == b).all(-1)
    )


def _decided(logits: Floats) -> npt.NDArray[np.int64]:
    return (logits[:, 0] > 0).astype(np.int64) if logits.shape[-1] == 1 else logits.argmax(axis=-1)


def _divergence(spec: TaskSpec, wanted: Floats, found: Floats) -> Floats:
    """KL(wanted || found) an item, in nats; one logit stands for two classes."""
    if spec.kind == "binary":
        wanted, found = (
            np.concatenate([np.zeros_like(part), part], -1) for part in (wanted, found)
        )
    p, q = _log_softmax(wanted), _log_softmax(found)
    return np.maximum((np.exp(p) * (p - q)).sum(axis=-1), 0.0)


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
