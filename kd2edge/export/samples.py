"""Arrays to trace a net on when no real rows are at hand, by optimum's generators."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kd2edge.errors import UsageError
from kd2edge.inputs.spec import BATCH, ArraySpec, dynamic_dimensions

#: Rows, and the size of the first other dynamic dimension: all are different and none is 1, so that
#: the tracer cannot mix them up.
_ROWS, _FIRST = 2, 9


def dummy_arrays(
    inputs: Sequence[ArraySpec],
    config: Any | None = None,
    *,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
) -> dict[str, npt.NDArray[Any]]:
    """Arrays that fit ``inputs``, the same for the same seed.

    Args:
        inputs: the arrays of the graph.
        config: the ``transformers`` configuration of the backbone: what optimum knows of its
            inputs (ids below the vocabulary's size, masks, image sizes) comes from there.  None for
            other nets, and for arrays that optimum does not know (``casing_ids``): small numbers.
        sizes: dimension name -> size; None: a few, each of its own.
        seed: of the random values.

    Raises:
        UsageError: a dimension without a size.
    """
    generator = np.random.default_rng(seed)
    sizes = sizes_of(inputs) if sizes is None else sizes
    arrays: dict[str, npt.NDArray[Any]] = {}
    with _seeded(seed):
        for spec in inputs:
            shape = tuple(_size(dimension, sizes) for dimension in spec.shape)
            array = None if config is None else _from_optimum(spec, shape, config)
            arrays[spec.name] = _small_numbers(spec, shape, generator) if array is None else array
    return arrays


def sizes_of(inputs: Sequence[ArraySpec]) -> dict[str, int]:
    """A size for every dynamic dimension, which no other has."""
    named = enumerate(dynamic_dimensions(inputs), _FIRST)
    return {BATCH: _ROWS, **{dim: size for size, dim in named}}


def normalised(config: Any) -> Any:
    """Optimum's normalised view of a ``transformers`` configuration.

    ``hidden_size``, ``num_layers`` ... have these names whatever the model type calls them.
    Unknown model types are read as text models when they have a vocabulary, else as vision models.
    """
    from optimum.utils import NormalizedConfigManager, NormalizedTextConfig, NormalizedVisionConfig

    try:
        kind = NormalizedConfigManager.get_normalized_config_class(config.model_type)
    except KeyError:
        kind = NormalizedTextConfig if hasattr(config, "vocab_size") else NormalizedVisionConfig
    return kind(config)


def _generators(config: Any, shape: tuple[int, ...]) -> list[Any]:
    from optimum.utils import DummyTextInputGenerator, DummyVisionInputGenerator

    view = normalised(config)
    kinds = {"num_layers": DummyTextInputGenerator, "num_channels": DummyVisionInputGenerator}
    length = max(shape[1:2], default=1)
    return [
        kind("feature-extraction", view, batch_size=shape[0], sequence_length=length)
        for attribute, kind in kinds.items()
        if view.has_attribute(attribute)
    ]


def _from_optimum(spec: ArraySpec, shape: tuple[int, ...], config: Any) -> npt.NDArray[Any] | None:
    """What optimum makes for this array; None when it knows no such name or another shape."""
    for each in _generators(config, shape):
        # An input's prefix ("<input>_input_ids") is ours; optimum knows the end of the name.
        known = [name for name in each.SUPPORTED_INPUT_NAMES if spec.name.endswith(name)]
        if not known:
            continue
        made: npt.NDArray[Any] = each.generate(max(known, key=len), framework="pt").numpy()
        if made.shape != shape:
            return None
        if spec.dtype == "uint8" and made.dtype.kind == "f":
            made = made * 255.0  # optimum's images lie in [0, 1]
        return made.astype(spec.dtype)
    return None


def _small_numbers(
    spec: ArraySpec, shape: tuple[int, ...], generator: np.random.Generator
) -> npt.NDArray[Any]:
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        return generator.standard_normal(shape).astype(dtype)
    high = 256 if dtype == np.uint8 else 2  # any table has rows 0 and 1
    return generator.integers(0, high, shape).astype(dtype)


def _size(dimension: int | str, sizes: Mapping[str, int]) -> int:
    if isinstance(dimension, int):
        return dimension
    if dimension not in sizes:
        raise UsageError(f"no size for the dimension {dimension!r}, only for {sorted(sizes)}")
    return sizes[dimension]


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Optimum draws from the global generators: seed them and put them back."""
    state = random.getstate()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # np.bool, from optimum
        torch.manual_seed(seed)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(state)
