"""Checkpoints: everything a training needs to go on as if it had never stopped.

``checkpoint.json`` names the tensors' file by its SHA-256 and carries a checksum of itself.  The
tensors are written first, under a name of their own; the JSON is replaced last and in one piece.
So a reader sees the old checkpoint or the whole new one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from kd2edge.errors import IntegrityError
from kd2edge.files import fingerprint, fingerprint_bytes, write_atomic
from kd2edge.files.atomic import storage_error
from kd2edge.json_text import json_value

NAME = "checkpoint.json"
#: Version of what a checkpoint holds.
FORMAT = 2

Taken = TypeVar("Taken")


class Checkpoint(NamedTuple):
    """Tensors by name and JSON values."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(
    directory: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]
) -> Path:
    """Write a checkpoint in place of the one that is there; its path.

    Raises:
        StorageError: disk full, no permission.
    """
    content = safetensors.torch.save(
        {name: one.contiguous().cpu() for name, one in tensors.items()}
    )
    digest = fingerprint_bytes(content)
    file = f"tensors-{digest[:16]}.safetensors"
    payload = {"format": FORMAT, "file": file, "sha256": digest, "state": dict(state)}
    document = {"payload": payload, "sha256": fingerprint(payload)}
    write_atomic(directory / file, content)
    write_atomic(directory / NAME, (json.dumps(document, sort_keys=True) + "\n").encode())
    for old in directory.glob("tensors-*.safetensors"):
        if old.name != file:
            old.unlink()
    return directory / NAME


def has_checkpoint(directory: Path) -> bool:
    """Whether a training left one there."""
    return (directory / NAME).is_file()


def checkpoint_key(directory: Path) -> str | None:
    """Of which training a checkpoint is, without its tensors; None when there is none.

    Raises:
        IntegrityError: what is there is not what was written.
    """
    path = directory / NAME
    return _read(path, lambda payload: str(payload["state"]["key"])) if path.exists() else None


def not_resumable(directory: Path) -> str:
    """What to say of a checkpoint that another training left."""
    return (
        f"{directory}: the checkpoint belongs to another net, or to other settings, data or "
        "teachers; run without --resume to train again, or restore what was changed"
    )


def load_checkpoint(directory: Path) -> Checkpoint | None:
    """The checkpoint of a folder, verified; None when there is none.

    Raises:
        IntegrityError: its bytes are not the ones that were written.
    """
    path = directory / NAME
    return _read(path, partial(_opened, directory)) if path.exists() else None


def _opened(directory: Path, payload: Mapping[str, Any]) -> Checkpoint:
    path = directory / payload["file"]
    content = path.read_bytes()
    if fingerprint_bytes(content) != payload["sha256"]:
        raise IntegrityError(_damaged(path, "its SHA-256 does not hold"))
    return Checkpoint(safetensors.torch.load(content), payload["state"])


def _read(path: Path, take: Callable[[Mapping[str, Any]], Taken]) -> Taken:
    """What ``take`` finds in a checkpoint's JSON, once that was verified."""
    try:
        document = json_value(path.read_bytes(), strict=False)
        payload = document["payload"]
        if fingerprint(payload) != document["sha256"] or payload["format"] != FORMAT:
            raise IntegrityError(_damaged(path, "its checksum or format does not hold"))
        return take(payload)
    except FileNotFoundError as error:
        raise IntegrityError(_damaged(Path(str(error.filename)), "missing")) from error
    except OSError as error:
        raise storage_error(error, path, "read") from error
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise IntegrityError(_damaged(path, str(error))) from error


def remove_checkpoint(directory: Path) -> None:
    """Remove a checkpoint that is not to be resumed.

    Raises:
        StorageError: no permission.
    """
    try:
        (directory / NAME).unlink(missing_ok=True)
        for old in directory.glob("tensors-*.safetensors"):
            old.unlink()
    except OSError as error:
        raise storage_error(error, directory / NAME, "removed") from error


def _damaged(path: Path, reason: str) -> str:
    return f"{path}: {reason}; delete {path.parent} and run without --resume to train again"
