"""The self-test: golden inputs must give the golden outputs, as far as the precision allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.bundle.manifest import Artefact
from kd2edge.bundle.npz import npz_arrays
from kd2edge.bundle.store import Bundle
from kd2edge.errors import IntegrityError

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


def assert_golden(
    bundle: Bundle, artefact: Artefact, run: Callable[[ArrayDict], Mapping[str, npt.NDArray[Any]]]
) -> None:
    """Run the golden inputs and compare every head.

    Raises:
        IntegrityError: no golden file in this bundle, or a head that differs by more than
            its precision's share of :data:`TOLERANCES`.
    """
    if not bundle.manifest.golden:
        raise IntegrityError("self_test needs golden outputs, and this bundle has none")
    inputs, expected = golden_arrays(bundle.read(bundle.manifest.golden))
    most = tolerance(artefact.precision)
    found = run(inputs)
    for task, wanted in expected.items():
        error = _difference(wanted, found.get(task))
        if not error <= most:  # also refuses NaN
            raise IntegrityError(
                f"{artefact.id}: head {task!r} misses its golden output by {error:.3g} of its size,"
                f" expected at most {most:g} for {artefact.precision}; the runtime or the CPU"
                " computes something else: load another artefact and run kd2edge validate"
            )


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
