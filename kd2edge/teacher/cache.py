"""A teacher's outputs on disk: fp16, memory-mapped, verified, for every view of every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.data.layout import advice
from kd2edge.data.reader import ArrayStore
from kd2edge.errors import IntegrityError
from kd2edge.files import fingerprint_bytes, write_atomic
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import TaskName
from kd2edge.teacher.statistics import (
    Statistics,
    statistics_bytes,
    statistics_from,
    statistics_of,
)

#: In front of an array's name: which classes were kept.
_CLASSES = "classes/"

Positions = npt.NDArray[np.int64]
Values = npt.NDArray[np.float16 | np.integer[Any]] | Ragged


@final
class TeacherCache:
    """What one teacher says of every row of a split; made by ``cache_outputs``.

    Opening verifies every byte.

    Attributes:
        tasks: the tasks it teaches, labels in the student's order.
        features: the paths whose features are kept.
        top_k: array of which not all classes are kept -> how many are.
        rows: rows of the split (each in ``views`` views).
        reused: whether an earlier call left it there.
        bytes: size on disk.

    Raises:
        IntegrityError: its files are not the ones that were written.
    """

    def __init__(self, directory: Path, *, reused: bool = False) -> None:
        self._store = ArrayStore(directory)
        meta = self._store.meta
        self.fingerprint = self._store.fingerprint
        self.teacher: str = meta["teacher"]
        self.rows_fingerprint: str = meta["rows_fingerprint"]
        self.views: dict[str, Any] = meta["views"]
        self.tasks = tuple(TaskName(task) for task in meta["tasks"])
        self.features: tuple[str, ...] = tuple(meta["features"])
        self.top_k = {
            name.removeprefix(_CLASSES): field.shape[-1]
            for name, field in self._store.fields.items()
            if name.startswith(_CLASSES)
        }
        self.rows: int = meta["rows"]
        self.reused = reused
        content = _verified(directory, meta["statistics"]) if self.features else b""
        self._statistics = statistics_from(content, self.features) if content else {}
        self.bytes = self._store.bytes + len(content)

    def logits(self, array: str, positions: Positions, view: int = 0) -> Values:
        """Logits ``[row, ..., channel]``, or ragged ``[word, channel]``: NaN for words not seen.

        Of an array in :attr:`top_k` those of its likeliest classes, less the largest.

        Args:
            array: of a task's head; the only one bears the task's name.
            positions: of the rows.
            view: of each of them.
        """
        return self._take(f"logits/{array}", positions, view)

    def classes(self, array: str, positions: Positions, view: int = 0) -> Values:
        """Which classes ``[row, ..., k]``, or ragged ``[word, k]``, of an array in :attr:`top_k`.

        Args:
            array: of a task's head.
            positions: of the rows.
            view: of each of them.
        """
        return self._take(_CLASSES + array, positions, view)

    def tails(self, array: str, positions: Positions, view: int = 0) -> Values:
        """All other classes together, of an array in :attr:`top_k` (see ``teacher.tail``).

        ``[row, ..., temperature]``, or ragged ``[word, temperature]``.

        Args:
            array: of a task's head.
            positions: of the rows.
            view: of each of them.
        """
        return self._take(f"tails/{array}", positions, view)

    def feature(self, path: str, positions: Positions, view: int = 0) -> Values:
        """A feature in shared form (see ``teacher.features``); ragged when it is one a word."""
        return self._take(f"features/{path}", positions, view)

    def feature_shape(self, path: str) -> tuple[int, ...]:
        """Shape of a feature of one row or word: ``(width,)`` or ``(channel, height, width)``."""
        return self._store.fields[f"features/{path}"].shape

    def is_per_word(self, path: str) -> bool:
        """Whether a feature is one vector a word."""
        return self._store.fields[f"features/{path}"].ragged

    def statistics(self, path: str) -> Statistics:
        """Mean and covariance of a feature over all rows and views."""
        return self._statistics[path]

    def _take(self, name: str, positions: Positions, view: int) -> Values:
        # View v of row p stands at v * rows + p.
        at = positions + (view % int(self.views["count"])) * self.rows  # [row]
        if self._store.fields[name].ragged:
            return self._store.take_ragged(name, at)
        return self._store.take(name, at)


def write_statistics(
    directory: Path, store: ArrayStore, features: Sequence[str]
) -> Mapping[str, str]:
    """Write the statistics of a cache's features; what its manifest says of them.

    The file is named by its content: processes that fill one cache together may each write their
    own, whose last digits differ between machines, and the manifest names one of them.
    """
    content = statistics_bytes([statistics_of(store, f"features/{path}") for path in features])
    digest = fingerprint_bytes(content)
    file = f"statistics-{digest[:16]}.npz"
    write_atomic(directory / file, content)
    return {"file": file, "sha256": digest}


def _verified(directory: Path, stated: Mapping[str, str]) -> bytes:
    path = directory / stated["file"]
    if not path.is_file():
        raise IntegrityError(f"{path}: missing; {advice(directory)}")
    content = path.read_bytes()
    if fingerprint_bytes(content) != stated["sha256"]:
        raise IntegrityError(f"{path}: its SHA-256 does not hold; {advice(directory)}")
    return content
