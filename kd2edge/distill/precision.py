"""Which number format training computes in: 16 bits only where that is faster."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

import torch

from kd2edge.errors import UsageError

#: bf16 without these instructions is emulated and up to 25 times slower than fp32.
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
PRECISIONS = ("auto", "fp32", "bf16")


def precision_of(name: str, device: torch.device) -> str:
    """``fp32`` or ``bf16``: what ``auto`` means on this device.

    Raises:
        UsageError: an unknown name.
    """
    if name not in PRECISIONS:
        raise UsageError(f"precision {name!r} is not known; choose one of {', '.join(PRECISIONS)}")
    if name != "auto":
        return name
    fast = torch.cuda.is_bf16_supported(False) if device.type == "cuda" else cpu_has_bf16()
    return "bf16" if fast else "fp32"


@cache
def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and not _BF16_FLAGS.isdisjoint(
        cpuinfo.read_text(errors="replace").split()
    )


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a forward pass computes; weights and losses stay fp32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
