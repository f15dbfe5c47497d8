"""Random rows of a graph's inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.spec import ArraySpec


def random_arrays(
    inputs: Sequence[ArraySpec], sizes: Mapping[str, int], *, vocabulary: int = 2, seed: int = 0
) -> dict[str, npt.NDArray[Any]]:
    """Ids of the whole vocabulary, rows of one piece and more, pixels of the full range."""
    random = np.random.default_rng(seed)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for spec in inputs:
        shape = [dim if isinstance(dim, int) else sizes[dim] for dim in spec.shape]
        if np.dtype(spec.dtype).kind == "f":
            arrays[spec.name] = random.standard_normal(shape).astype(spec.dtype)
        elif spec.name.endswith("attention_mask"):
            pieces = random.integers(1, shape[1] + 1, (shape[0], 1))
            arrays[spec.name] = (np.arange(shape[1]) < pieces).astype(spec.dtype)
        else:
            high = 256 if spec.dtype == "uint8" else 2
            high = vocabulary if spec.name.endswith("input_ids") else high
            arrays[spec.name] = random.integers(0, high, shape, spec.dtype)
    return arrays
