"""NumPy alone: the layers of a student of static embeddings as JSON, its weights as ``.npz``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import UsageError
from kd2edge.export.passes.int8_embedding import int8_rows
from kd2edge.export.targets.target import Arrays, Made, Source, Target, Variant
from kd2edge.export.targets.tools import versions
from kd2edge.files.npz import LIMIT, npz_bytes
from kd2edge.runtime.static_net import SCALES


@final
class NumPyTarget(Target):
    """A ``.json`` (the entry) and a ``.npz`` an artefact.

    int8 is of the weights alone, symmetric, with a scale for each row of the table and each column
    of a matrix: what is computed is float32, and nothing needs calibration.
    """

    name = "numpy"

    def needs(self, precisions: Sequence[str]) -> None:
        del precisions

    def make(self, source: Source, variant: Variant) -> Made:
        layers = source.layers()
        arrays, settings = layers.arrays, dict[str, Any]()
        if variant.precision == "int8":
            arrays = _rounded(arrays)
            settings = {"weights": "int8 by row of a table, by column of a matrix"}
        size = sum(array.nbytes for array in arrays.values())
        if size > LIMIT:
            raise UsageError(
                f"target numpy: the weights have {size:,} bytes, and at most {LIMIT:,} are read:"
                " export int8, or to another target"
            )
        # The runtime computes with matrices in float32, whatever they are kept in.
        size = sum(one.nbytes for name, one in layers.arrays.items() if name.endswith("matrix"))
        if size > LIMIT:
            raise UsageError(
                f"target numpy: the matrices have {size:,} bytes in float32, and at most {LIMIT:,}"
                " are made: export to another target"
            )
        stem = f"{self.name}/{variant.id}"
        files = {f"{stem}.json": layers.plan.to_json(), f"{stem}.npz": npz_bytes(arrays)}
        return Made(files, f"{stem}.json", tools=versions("numpy"), settings=settings)


def _rounded(arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """Tables and matrices as int8 with their scales, vectors as they are."""
    found: dict[str, npt.NDArray[Any]] = {}
    for name, array in arrays.items():
        if array.ndim != 2:
            found[name] = array
            continue
        is_matrix = name.endswith("matrix")
        small, found[name + SCALES] = int8_rows(array.T if is_matrix else array)
        found[name] = np.ascontiguousarray(small.T) if is_matrix else small
    return found
