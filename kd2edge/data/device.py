"""Which device to compute on."""

from __future__ import annotations

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
