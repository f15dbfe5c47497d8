"""Golden rows: their arrays must give PyTorch's outputs, as far as the precision allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.bundle.manifest import Artefact
from kd2edge.bundle.store import Bundle
from kd2edge.errors import IntegrityError
from kd2edge.files.npz import npz_arrays

ArrayDict = dict[str, npt.NDArray[Any]]

#: Largest accepted RMS of the difference, as a share of the RMS of the golden output.  It tells a
#: broken graph, runtime or CPU (near 1) from rounding; how good an artefact is, the gate says.
TOLERANCES: Mapping[str, float] = {"fp32": 1e-3, "fp16": 2e-2, "bf16": 1e-1, "int8": 0.5}


def golden_arrays(data: bytes) -> tuple[ArrayDict, ArrayDict]:
    """Graph inputs and task outputs of a golden ``.npz``: arrays ``in.<name>`` and ``out.<task>``.

    Raises:
        IntegrityError: no such file format, or no arrays of those names.
    """
    try:
        arrays = npz_arrays(data)
    except IntegrityError as error:
        raise IntegrityError(
            f"the golden file cannot be read: {error}; export the run again"
        ) from error
    inputs = {name[3:]: array for name, array in arrays.items() if name.startswith("in.")}
    outputs = {name[4:]: array for name, array in arrays.items() if name.startswith("out.")}
    if not inputs or not outputs:
        raise IntegrityError(f"expected in.* and out.* in the golden file, found {sorted(arrays)}")
    return inputs, outputs


def golden_faults(
    bundle: Bundle, artefact: Artefact, run: Callable[[ArrayDict], Mapping[str, npt.NDArray[Any]]]
) -> dict[str, str]:
    """Head -> how it misses its golden output; heads that do not are left out.

    Raises:
        IntegrityError: the bundle's golden file cannot be read.
    """
    inputs, expected = golden_arrays(bundle.read(bundle.manifest.golden))
    most = tolerance(artefact.precision)
    found = run(inputs)
    faults: dict[str, str] = {}
    for task, wanted in expected.items():
        error = _difference(wanted, found.get(task))
        if error <= most:  # NaN is not
            continue
        faults[task] = (
            f"{artefact.id}: head {task!r} misses its golden output by {error:.3g} of its size,"
            f" expected at most {most:g} for {artefact.precision}"
            f"{_other(task, expected, found, most)}"
        )
    return faults


def _other(
    task: str,
    expected: Mapping[str, npt.NDArray[Any]],
    found: Mapping[str, npt.NDArray[Any]],
    most: float,
) -> str:
    """Whether another head gives what this one should."""
    fits = [
        other
        for other, output in found.items()
        if other != task and _difference(expected[task], output) <= most
    ]
    return f"; the head {fits[0]!r} gives it: heads are swapped" if fits else ""


def _difference(wanted: npt.NDArray[Any], found: npt.NDArray[Any] | None) -> float:
    """:func:`relative_rms`; infinite when shapes differ."""
    if found is None or found.shape != wanted.shape:
        return float("inf")
    return relative_rms(wanted, found)


def relative_rms(wanted: npt.NDArray[Any], found: npt.NDArray[Any]) -> float:
    """RMS of the difference over RMS of ``wanted``, both of one shape."""
    size = float(np.sqrt(np.mean(np.square(wanted, dtype=np.float64))))
    error = float(np.sqrt(np.mean(np.square(found.astype(np.float64) - wanted))))
    return error / max(size, 1e-3)  # all but zero outputs: an absolute bound


def tolerance(precision: str) -> float:
    """The share of :data:`TOLERANCES` for a precision; unknown ones are taken for the coarsest."""
    return TOLERANCES.get(precision, TOLERANCES["int8"])
