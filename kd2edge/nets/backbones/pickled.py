"""The one door for ``pytorch_model.bin``: tensors by name, and nothing else that a pickle can be.

Everything else here refuses pickles, because reading one runs what it says.  torch's restricted
unpickler (``weights_only``) does not: it builds tensors and plain containers from a fixed list of
names and stops at the first other one, before that is looked up.  The bound on torch in
``pyproject.toml`` is above the releases in which this could be got around.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from kd2edge.errors import IntegrityError, UsageError


def tensors_from_pickle(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``pytorch_model.bin``, on the CPU.

    Args:
        path: the file.

    Raises:
        UsageError: it holds other things than tensors by name.
        IntegrityError: it is damaged.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251  (see above)
    except Exception as error:  # noqa: BLE001  (an unpickler raises whatever the bytes make it)
        if "weights_only" in str(error).lower() or "weights only" in str(error).lower():
            raise UsageError(
                f"{path}: expected tensors alone, found a pickle of other things, which would run"
                " code when it is read: save the weights as safetensors where you trust them"
            ) from error
        reason = str(error).partition("\n")[0]
        raise IntegrityError(
            f"{path}: no file of weights ({type(error).__name__}: {reason}); fetch it again"
        ) from error
    if not isinstance(found, dict) or not found:
        kind = "none" if isinstance(found, dict) else f"a {type(found).__name__}"
        raise UsageError(f"{path}: expected tensors by name, found {kind}")
    for name, one in found.items():
        if not isinstance(name, str) or not isinstance(one, Tensor):
            raise UsageError(
                f"{path}: expected tensors by name, found a {type(one).__name__} under {name!r}:"
                " a checkpoint of a training? save the model's state_dict() alone, as safetensors"
            )
    return dict(found)
