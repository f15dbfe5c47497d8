"""The calibration sample, and the ranges that a graph's tensors take on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError, InputError, Kd2edgeError, UsageError
from kd2edge.runtime.telemetry import quietly_imported

if TYPE_CHECKING:
    from onnx import ModelProto

#: A batch of a graph's inputs: array name -> ``[batch, ...]``.  Batches may differ in size.
Arrays = Mapping[str, npt.NDArray[Any]]
#: Tensor name -> (smallest, largest) value.
Ranges = dict[str, tuple[np.float32, np.float32]]

#: How a range is made from the values that a tensor took.
METHODS = ("minmax", "percentile")

#: Share of values that the method ``percentile`` keeps inside the range.
_INSIDE = 0.99999
#: Bins of the histogram between smallest and largest value.
_BINS = 4096


def calibration_batches(batches: Iterable[Arrays]) -> tuple[Arrays, ...]:
    """The batches to calibrate on, read once.

    Raises:
        DataError: no batch, or a batch without rows: there is nothing to calibrate on, and made-up
            rows would give an artefact that looks fine and is not.
    """
    read = tuple(batches)
    if not read:
        raise DataError("calibration needs at least one row, found none; give real training rows")
    for index, batch in enumerate(read):
        empty = [name for name, array in batch.items() if array.size == 0]
        if empty or not batch:
            raise DataError(f"calibration batch {index} is empty: {empty or 'no arrays'}")
    return read


def rows_of(batches: Sequence[Arrays]) -> list[dict[str, npt.NDArray[Any]]]:
    """The same rows, one at a time: every array ``[1, ...]``."""
    return [
        {name: array[row : row + 1] for name, array in batch.items()}
        for batch in batches
        for row in range(len(next(iter(batch.values()))))
    ]


def tensor_ranges(
    model: ModelProto, batches: Sequence[Arrays], tensors: Iterable[str], method: str = "minmax"
) -> Ranges:
    """Run ``model`` on the batches and say which range each of ``tensors`` takes.

    The same model and batches give the same ranges: one thread, batches in order.

    Args:
        model: a float32 ONNX model.
        batches: at least one; see :func:`calibration_batches`.
        tensors: names of float32 tensors of the graph.
        method: ``minmax``, or ``percentile`` (0.001 % of the values may lie outside).

    Raises:
        UsageError: an unknown method.
        InputError: batches that the graph does not take.
        Kd2edgeError: a tensor that is NaN or infinite on the sample.
    """
    if method not in METHODS:
        raise UsageError(
            f"calibration method must be one of {', '.join(METHODS)}, found {method!r}"
        )
    names = sorted(set(tensors))
    run = _runner(model, names)
    ranges: Ranges = {}
    for batch in batches:
        for name, values in zip(names, run(batch), strict=True):
            low, high = ranges.get(name, (np.float32(np.inf), np.float32(-np.inf)))
            # Not min() and max(): Python's keep the other number where a batch was NaN.
            ranges[name] = (np.minimum(low, values.min()), np.maximum(high, values.max()))
    _assert_finite(ranges)
    return ranges if method == "minmax" else _trimmed(run, batches, names, ranges)


def _runner(model: ModelProto, names: Sequence[str]) -> Any:
    """A function from a batch to the values of the tensors ``names``."""
    onnxruntime: Any = quietly_imported("onnxruntime")
    from onnx import TensorProto, helper
    from onnxruntime.capi import (
        onnxruntime_pybind11_state as state,  # pyright: ignore[reportAttributeAccessIssue]
    )

    augmented = type(model)()
    augmented.CopyFrom(model)
    del augmented.graph.output[:]  # tensors that are outputs already come back under the same name
    augmented.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the order of sums must not depend on the machine's cores
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        augmented.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def run(batch: Arrays) -> list[npt.NDArray[np.float32]]:
        try:
            return [np.asarray(value) for value in session.run(list(names), dict(batch))]
        except (state.InvalidArgument, state.Fail, state.RuntimeException, ValueError) as error:
            shapes = {name: (array.dtype.name, array.shape) for name, array in batch.items()}
            raise InputError(
                f"the graph does not take the calibration batch {shapes}: {error}"
            ) from error

    return run


def _trimmed(run: Any, batches: Sequence[Arrays], names: Sequence[str], ranges: Ranges) -> Ranges:
    """Ranges that leave out the outermost values, by histograms over the full range."""
    counts = {name: np.zeros(_BINS, np.int64) for name in names}
    for batch in batches:
        for name, values in zip(names, run(batch), strict=True):
            counts[name] += np.histogram(values, _BINS, range=_floats(ranges[name]))[0]
    return {name: _inner_range(counts[name], *ranges[name]) for name in names}


def _floats(pair: tuple[np.float32, np.float32]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


def _inner_range(
    counts: npt.NDArray[np.int64], low: np.float32, high: np.float32
) -> tuple[np.float32, np.float32]:
    """The range of the bins that are left when half of the rest is cut off at each end."""
    below = np.cumsum(counts) / counts.sum()  # [bin], share of values up to the bin's end
    edges = np.linspace(low, high, _BINS + 1, dtype=np.float32)
    cut = (1 - _INSIDE) / 2
    first = int(np.searchsorted(below, cut))
    last = int(np.searchsorted(below, 1 - cut))
    return edges[first], edges[min(last, _BINS - 1) + 1]


def _assert_finite(ranges: Ranges) -> None:
    bad = [name for name, (low, high) in ranges.items() if not np.isfinite([low, high]).all()]
    if bad:
        raise Kd2edgeError(
            f"{len(bad)} tensors are NaN or infinite on the calibration sample, first {bad[0]!r}:"
            " no int8 range can be made; keep that node in float or mend the student"
        )
