"""Arrays smaller than an artefact takes: filled up before the run.

Rows are cut off after it; a length is not: outputs keep the length that ran, and what stands on
padding is masked away like any other.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.runtime.graph import Arrays, GraphSpec

ArrayDict = dict[str, npt.NDArray[Any]]


@final
class Padding:
    """What a graph's smallest batch and length ask for.  Holds constants only."""

    def __init__(self, spec: GraphSpec) -> None:
        self._rows = spec.limits("batch")[0]
        self._first = spec.inputs[0].name
        self._dynamic = {array.name: array.dynamic for array in spec.inputs if array.dynamic}
        #: Array, axis, and how long it must be: where that is more than any array is.
        self._least = [
            (name, at, spec.limits(dim)[0])
            for name, axes in self._dynamic.items()
            for dim, at in axes.items()
            if spec.limits(dim)[0] > 1
        ]

    def is_needed(self, arrays: Arrays) -> bool:
        """Whether arrays are smaller than the graph takes; never raises."""
        try:
            small = len(arrays[self._first]) < self._rows or any(
                arrays[name].shape[at] < least for name, at, least in self._least
            )
            return small and self._are_of_one_size(arrays)
        except (AttributeError, IndexError, KeyError, TypeError):
            return False  # not the arrays of this graph: the session's check finds the words

    def padded(self, arrays: Arrays) -> ArrayDict:
        """Arrays filled up: rows with the last row (always a valid one), lengths with zeros.

        Zeros in a mask hide the rest.  Without any row to repeat, rows stay as they are.
        """
        full = {name: self._more(array) for name, array in arrays.items()}
        for name, at, least in self._least:
            if name in full and at < full[name].ndim:
                full[name] = with_length(full[name], at, least)
        return full

    def _are_of_one_size(self, arrays: Arrays) -> bool:
        """Whether rows and lengths agree; each array filled up by itself would hide that."""
        if not all(np.ndim(array) > 0 for array in arrays.values()):
            return False
        lengths = {
            (dim, arrays[name].shape[at])
            for name, axes in self._dynamic.items()
            for dim, at in axes.items()
        }
        agree = len(lengths) == len({dim for dim, _ in lengths})
        return agree and len({len(array) for array in arrays.values()}) == 1

    def _more(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        missing = self._rows - len(array)
        if missing <= 0 or len(array) == 0:
            return array
        return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])


def with_length(array: npt.NDArray[Any], axis: int, length: int) -> npt.NDArray[Any]:
    """``array`` with zeros at the end of ``axis``, up to ``length``."""
    missing = length - array.shape[axis]
    if missing <= 0:
        return array
    return np.pad(array, [(0, missing if at == axis else 0) for at in range(array.ndim)])
