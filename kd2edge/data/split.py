"""One split, encoded once and read from disk a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch

from kd2edge.data.absence import Absence
from kd2edge.data.augment import Views, seen
from kd2edge.data.batch import Batch, Words, padded, words_at
from kd2edge.data.reader import ArrayStore
from kd2edge.files import fingerprint
from kd2edge.inputs.spec import ArraySpec
from kd2edge.ragged import Column, Ragged
from kd2edge.tasks.spec import TaskName, Truth

Positions = npt.NDArray[np.int64]

#: Dimensions of an array of pictures.
_IMAGE = 4


@final
class EncodedSplit:
    """The arrays and targets of every row of a split, memory-mapped; made by ``encode_split``.

    Attributes:
        fingerprint: of rows, preprocessing, tasks, views and absence: what batches are a function
            of.
        arrays_fingerprint: the same without absence: what teachers are asked about.
        labelled_fingerprint: the same of the rows of sources with labels: what is learned without a
            teacher is a function of it, and stays as it is when unlabelled rows come or go.
        rows_fingerprint: of the rows and the files that they name: two encodings of them share it.
        lengths: ``[row]`` length of each row, summed over inputs, for length buckets.
        arrays: input name -> the graph arrays that it gives.
        views: what the views of a row are.
    """

    def __init__(self, directory: Path, absence: Absence) -> None:
        self._store = ArrayStore(directory)
        self._absence = absence
        meta = self._store.meta
        self.arrays_fingerprint = self._store.fingerprint
        self.fingerprint = _shown_as(self.arrays_fingerprint, absence)
        self.labelled_fingerprint = _shown_as(meta["labelled_fingerprint"], absence)
        self.rows_fingerprint: str = meta["rows_fingerprint"]
        self.arrays = {
            name: tuple(map(_array_spec, specs)) for name, specs in meta["arrays"].items()
        }
        self.views = Views.of(meta["views"])
        self._presences: dict[str, str] = meta.get("presences", {})
        self.lengths = self._resident("length")
        self._pads: dict[str, int] = meta["pads"]
        self._targets: dict[TaskName, dict[str, Any]] = {
            task: {**one, "fields": dict(one["fields"])} for task, one in meta["tasks"].items()
        }
        self._word_inputs = {
            task: one["input"] for task, one in self._targets.items() if one["input"]
        }
        pictures = seen(self.views)
        self._seen = {
            spec.name: pictures[column]
            for name, columns in meta["columns"].items()
            for column in columns[:1]  # pictures have no other
            for spec in self.arrays[name]
            if column in pictures and len(spec.shape) == _IMAGE
        }

    def __len__(self) -> int:
        return self._store.rows

    @property
    def tasks(self) -> tuple[TaskName, ...]:
        """The tasks whose targets are here."""
        return tuple(self._targets)

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return self._store.bytes

    def batch(self, positions: Positions, view: int = 0, epoch: int | None = None) -> Batch:
        """The rows at ``positions`` in that order, in view ``view % views.count``.

        In an ``epoch`` of training, inputs are left out at random where the recipe says so.
        """
        view %= self.views.count
        arrays: dict[str, npt.NDArray[Any]] = {}
        words: dict[str, Words] = {}
        lengths: dict[str, Positions] = {}
        for name, specs in self.arrays.items():
            for spec in specs:
                arrays[spec.name], own = self._array(spec, positions)
                if own is not None:
                    lengths[name] = own
            if self.has_words(name):
                starts = self._store.take_ragged(f"words/{name}", positions)
                words[name] = words_at(starts, _length(specs, arrays))
        if view:
            for name, picture in self._seen.items():
                arrays[name] = picture.apply(arrays[name], positions, view)
        if epoch is not None and self._absence.rates:
            arrays |= self._shown(arrays, positions, epoch)
        inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
        targets: dict[TaskName, dict[str, torch.Tensor]] = {}
        objects: dict[TaskName, npt.NDArray[np.int64]] = {}
        for task, one in self._targets.items():
            columns = {name: self._target(task, name, positions) for name in one["fields"]}
            targets[task] = {name: _tensor(column) for name, column in columns.items()}
            if one["per"] == "place":
                targets[task] = {name: part.flatten(0, 2) for name, part in targets[task].items()}
            if one["per"] == "object":
                objects[task] = next(
                    column.owners for column in columns.values() if isinstance(column, Ragged)
                )
        return Batch(positions, view, inputs, targets, words, self._word_inputs, objects, lengths)

    def _shown(
        self, arrays: dict[str, npt.NDArray[Any]], positions: Positions, epoch: int
    ) -> dict[str, npt.NDArray[Any]]:
        """The arrays that say which inputs are there, in an epoch."""
        every = np.ones(len(positions), np.bool_)
        present = {
            name: arrays[self._presences[name]] > 0 if name in self._presences else every
            for name in self.arrays
        }
        kept = self._absence.kept(present, positions, epoch)
        return {array: kept[name].astype(np.int64) for name, array in self._presences.items()}

    def sizes(self, positions: Positions) -> dict[str, npt.NDArray[np.int64]]:
        """Dynamic dimension -> how long each of some rows is in it, without padding."""
        return {
            dim: self._store.take_ragged(f"array/{spec.name}", positions).lengths
            for specs in self.arrays.values()
            for spec in specs
            for dim in spec.dynamic
        }

    def has_words(self, name: str) -> bool:
        """Whether an input knows its words."""
        return f"words/{name}" in self._store.fields

    def truth(self, task: TaskName) -> Truth:
        """What the data says of one task for every row."""
        return Truth(
            **{
                name: _as_type(self._store.column(f"target/{task}/{name}"), dtype)
                for name, dtype in self._targets[task]["fields"].items()
            }
        )

    def labelled(self, tasks: Sequence[TaskName]) -> npt.NDArray[np.bool_]:
        """``[row]`` whether a row has a label for at least one of these tasks."""
        found = np.zeros(len(self), dtype=bool)
        for task in tasks:
            found |= self._resident(f"labelled/{task}").astype(bool)
        return found

    def _resident(self, name: str) -> npt.NDArray[Any]:
        column = self._store.column(name)
        assert not isinstance(column, Ragged)
        return column

    def _array(
        self, spec: ArraySpec, positions: Positions
    ) -> tuple[npt.NDArray[Any], Positions | None]:
        """An array of some rows, and how long each is where that differs."""
        name = f"array/{spec.name}"
        if self._store.fields[name].ragged:
            ragged = self._store.take_ragged(name, positions)
            return padded(ragged, self._pads.get(spec.name, 0), spec.dtype), ragged.lengths
        return self._store.take(name, positions).astype(spec.dtype, copy=False), None

    def _target(self, task: TaskName, field: str, positions: Positions) -> Column:
        name = f"target/{task}/{field}"
        ragged = self._store.fields[name].ragged
        take = self._store.take_ragged if ragged else self._store.take
        return _as_type(take(name, positions), self._targets[task]["fields"][field])


def _shown_as(arrays: str, absence: Absence) -> str:
    """The fingerprint of arrays that batches show with ``absence``."""
    return fingerprint([arrays, absence]) if any(absence.rates.values()) else arrays


def _as_type(column: Column, dtype: str) -> Column:
    if isinstance(column, Ragged):
        return Ragged(column.values.astype(dtype), column.offsets)
    return column.astype(dtype)


def _tensor(column: Column) -> torch.Tensor:
    return torch.from_numpy(column.values if isinstance(column, Ragged) else column)


def _array_spec(one: dict[str, Any]) -> ArraySpec:
    return ArraySpec(one["name"], one["dtype"], tuple(one["shape"]))


def _length(specs: Sequence[ArraySpec], arrays: dict[str, npt.NDArray[Any]]) -> int:
    """The padded length of an input: the second dimension of its first dynamic array."""
    return next(arrays[spec.name].shape[1] for spec in specs if is_ragged(spec))


def is_ragged(spec: ArraySpec) -> bool:
    """Whether an array has a dynamic dimension beside the batch.

    Raises:
        ValueError: it has one that is not the second dimension.
    """
    if any(at != 1 for at in spec.dynamic.values()):
        raise ValueError(f"array {spec.name}: only the second dimension may vary, got {spec.shape}")
    return bool(spec.dynamic)
