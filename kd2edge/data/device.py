"""Which device to compute on, and in which arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from kd2edge.errors import BackendError


def device_of(name: str) -> torch.device:
    """The device that ``auto`` (CUDA when it is there), ``cpu``, ``cuda`` or ``cuda:1`` means.

    Raises:
        BackendError: CUDA was asked for and is not here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BackendError(
            f"device {name} was asked for, but torch finds no CUDA device; use device: auto"
        )
    return device


@contextmanager
def full_fp32(device: torch.device) -> Iterator[None]:
    """Let fp32 on a CUDA ``device`` be fp32: no TF32, which keeps 10 bits of every factor.

    torch computes convolutions in TF32 unless told otherwise; logits are then off by 3e-3 and an
    artefact that is right misses what PyTorch said.  On CPUs nothing is changed.  Source:
    "TensorFloat-32 on Ampere (and later) devices" in torch's notes.
    """
    if device.type != "cuda":
        yield
        return
    # The newer `fp32_precision` is no way: whoever reads `allow_tf32` meanwhile gets an error.
    parts: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [part.allow_tf32 for part in parts]
    for part in parts:
        part.allow_tf32 = False
    try:
        yield
    finally:
        for part, allowed in zip(parts, before, strict=True):
            part.allow_tf32 = allowed
