"""Graph inputs of any batch size: the bundle's golden rows, over and over."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.bundle.manifest import Artefact
from kd2edge.bundle.store import Bundle
from kd2edge.inputs.spec import ArraySpec
from kd2edge.runtime.golden import golden_arrays

__all__ = ["sample", "tiled"]

ArrayDict = dict[str, npt.NDArray[Any]]

_LENGTH = 32  # a dynamic length of synthetic rows, where the artefact takes that many


def sample(bundle: Bundle) -> tuple[ArrayDict, str]:
    """Some rows as graph inputs, and where they are from: ``golden`` or ``synthetic``.

    Synthetic rows are ones: a valid token id, a mask that hides nothing, a dark pixel.
    """
    manifest = bundle.manifest
    if manifest.golden:
        return golden_arrays(bundle.read(manifest.golden))[0], "golden"
    ready = [one for one in manifest.artefacts.values() if one.inputs]
    return {array.name: _ones(array, ready[0]) for array in ready[0].inputs} if ready else {}, (
        "synthetic"
    )


def tiled(rows: ArrayDict, batch: int) -> ArrayDict:
    """``batch`` rows: those of ``rows``, from the first again when they run out."""
    return {
        name: np.ascontiguousarray(np.take(array, np.arange(batch) % len(array), axis=0))
        for name, array in rows.items()
    }


def _ones(array: ArraySpec, artefact: Artefact) -> npt.NDArray[Any]:
    length = min(_LENGTH, artefact.ranges.get("length", (1, _LENGTH))[1])
    sizes = {"batch": 1, "length": length}
    shape = tuple(one if isinstance(one, int) else sizes.get(one, 1) for one in array.shape)
    return np.ones(shape, np.dtype(array.dtype))
