"""The same bits again on a GPU: what a resumed training needs there, for a ``with`` block."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

#: cuBLAS sums in one order only with a workspace of fixed size; read when its handle is made.
_WORKSPACE = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Let every operation on a CUDA ``device`` give the same bits for the same values.

    On CPUs they do anyway, and nothing is changed.  Operations of torch that have no such form
    (none that our own nets use) go on and are not the same at each run: torch would warn at every
    one of them.  Source: "Reproducibility" in torch's notes; cuBLAS, section 2.1.4.
    """
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault(*_WORKSPACE)
    cudnn = torch.backends.cudnn
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        cudnn.deterministic,
        cudnn.benchmark,
    )
    torch.use_deterministic_algorithms(True, warn_only=True)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*does not have a deterministic implementation.*")
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.deterministic, cudnn.benchmark = before[2:]
