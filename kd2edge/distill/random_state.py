"""The state of every random generator that training may draw from, as tensors."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

_TORCH = "random/torch"
_CUDA = "random/cuda"
_NUMPY = "random/numpy"
_PYTHON = "random/python"
#: Both numpy and Python may hold the second of a pair of normal numbers for the next call.
_SPARE = "/spare"


def random_state() -> dict[str, Tensor]:
    """The state of torch's, numpy's and Python's global generators."""
    state = {_TORCH: torch.get_rng_state()}
    if torch.cuda.is_available():
        state |= {f"{_CUDA}{at}": one for at, one in enumerate(torch.cuda.get_rng_state_all())}
    # Our own code draws from neither of the next two, but a net of another library may.
    numpy = cast("dict[str, Any]", np.random.get_state(legacy=False))  # noqa: NPY002  (as said)
    key = numpy["state"]["key"].astype(np.int64)
    state[_NUMPY] = torch.from_numpy(np.append(key, numpy["state"]["pos"]))
    state[_NUMPY + _SPARE] = _spare(numpy["gauss"] if numpy["has_gauss"] else None)
    _, python, spare = random.getstate()
    state[_PYTHON] = torch.tensor(python, dtype=torch.int64)
    state[_PYTHON + _SPARE] = _spare(spare)
    return state


def restore_random_state(state: Mapping[str, Tensor]) -> None:
    """Put the generators back to where :func:`random_state` saw them."""
    torch.set_rng_state(state[_TORCH])
    if torch.cuda.is_available():
        for at in range(torch.cuda.device_count()):
            if f"{_CUDA}{at}" in state:
                torch.cuda.set_rng_state(state[f"{_CUDA}{at}"], at)
    numpy, spare = state[_NUMPY].numpy(), state[_NUMPY + _SPARE].tolist()
    np.random.set_state(  # noqa: NPY002  (as above)
        {
            "bit_generator": "MT19937",
            "state": {"key": numpy[:-1].astype(np.uint32), "pos": int(numpy[-1])},
            "has_gauss": len(spare),
            "gauss": spare[0] if spare else 0.0,
        }
    )
    spare = state[_PYTHON + _SPARE].tolist()
    random.setstate((3, tuple(state[_PYTHON].tolist()), spare[0] if spare else None))


def device_random_state(device: torch.device) -> list[Tensor]:
    """The states of the generators that a forward pass on ``device`` draws from."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


@contextmanager
def drawn_again(states: Sequence[Tensor], device: torch.device) -> Iterator[None]:
    """Draw what was drawn from ``states`` on; after it the generators are what they were before."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.set_rng_state(states[0])
        if device.type == "cuda":
            torch.cuda.set_rng_state(states[1], device)
        yield


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed all generators for a ``with`` block; after it they are what they were before."""
    before = random_state()
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  (as above)
    random.seed(seed)
    try:
        yield
    finally:
        restore_random_state(before)


def _spare(value: float | None) -> Tensor:
    return torch.tensor([] if value is None else [value], dtype=torch.float64)
