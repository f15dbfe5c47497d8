"""What a training leaves that went wrong: ``failed/`` beside its checkpoint.

``failed.json`` says what was not finite, in which step and on which rows.  Where that step could be
found again, the state before it stands beside, in the form of a checkpoint.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.distill.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from kd2edge.distill.job import TrainingJob
from kd2edge.errors import DataError, IntegrityError, UsageError
from kd2edge.files import atomic_directory, write_atomic
from kd2edge.files.atomic import storage_error
from kd2edge.json_text import json_value
from kd2edge.rows.hashes import row_id

FOLDER = "failed"
NAME = "failed.json"
_SCHEMA = 1


def named_rows(job: TrainingJob, positions: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
    """Position, id and place of some training rows, as JSON values."""
    return [_named(job, int(position)) for position in positions]


def _named(job: TrainingJob, position: int) -> dict[str, Any]:
    found = {"position": position, "id": str(position), "place": ""}
    if job.rows is None:
        return found
    found["place"] = job.rows.place(position)
    with suppress(DataError):  # its file is gone or was changed: the place is what is known
        found["id"] = row_id(job.rows[position], position)
    return found


def keep_failed(directory: Path, what: Mapping[str, Any], state: Checkpoint | None) -> Path:
    """Write ``failed/`` in place of the one that is there, whole or not at all; its path.

    Args:
        directory: of the training's checkpoints.
        what: went wrong, as JSON values.
        state: before the step; None where it is not known.

    Raises:
        StorageError: disk full, no permission.
    """
    target = directory / FOLDER
    with atomic_directory(target) as folder:
        if state is not None:
            save_checkpoint(folder, state.tensors, state.state)
        text = json.dumps({"schema": _SCHEMA, **what}, indent=1, ensure_ascii=False)
        write_atomic(folder / NAME, f"{text}\n".encode())
    return target


def has_failed(directory: Path) -> bool:
    """Whether a training left a step that went wrong."""
    return (directory / FOLDER / NAME).is_file()


def load_failed(directory: Path) -> tuple[dict[str, Any], Checkpoint]:
    """What went wrong, and the state before that step.

    Raises:
        UsageError: there is none, or the step was not found again.
        IntegrityError: its bytes are not the ones that were written.
        StorageError: it cannot be read.
    """
    path = directory / FOLDER / NAME
    try:
        what = json_value(path.read_bytes(), strict=True)
        wrong = what["schema"] != _SCHEMA
    except FileNotFoundError as error:
        raise UsageError(f"{path}: there is none: no step of this training went wrong") from error
    except OSError as error:
        raise storage_error(error, path, "read") from error
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path}: damaged ({error}): train again to have it anew") from error
    if wrong:
        raise IntegrityError(f"{path}: expected schema {_SCHEMA}, found {what['schema']}")
    state = load_checkpoint(path.parent)
    if state is None:
        raise UsageError(f"{path}: the state before this step was not kept: {what['lacking']}")
    return what, state


def remove_failed(directory: Path) -> None:
    """Remove what an earlier training left that went wrong.

    Raises:
        StorageError: no permission.
    """
    folder = directory / FOLDER
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise storage_error(error, folder, "removed") from error


def some_rows(rows: Sequence[Mapping[str, Any]], most: int = 3) -> str:
    """The first of some rows, for messages."""
    words = [f"{one['id']!r} ({one['place']})" if one["place"] else one["id"] for one in rows]
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return ", ".join(words[:most]) + more
