"""The rows that a validation runs: raw inputs, the truth, and which reference row each one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.inputs.absent import without
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import InputSpec
from kd2edge.metrics.items import has_label
from kd2edge.rows.join import JoinedRows
from kd2edge.rows.lacking import LackingRows, lacking
from kd2edge.rows.rows import Row, Rows
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Target, TaskSpec, Truth
from kd2edge.validate.meaning import Meaning
from kd2edge.validate.reference import Reference, key_of
from kd2edge.validate.truths import require_known_labels

__all__ = ["Split", "labelled", "matches"]

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Rows with what the model needs of them.

    Args:
        rows: the rows.
        inputs: the model's inputs.
        ids: id of each row.
        hashes: hash of each row's input columns.
        truths: task -> its labels.
    """

    rows: Rows
    inputs: Mapping[str, InputSpec]
    ids: Sequence[str]
    hashes: Sequence[int]
    truths: Mapping[str, Truth]

    @property
    def inputs_of_rows(self) -> npt.NDArray[np.uint64]:
        """What tells the rows' inputs apart ``[row]``: repeated ones are one piece of evidence."""
        return np.array(self.hashes, np.uint64)

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """Where each row stands among those that were handed over ``[row]``."""
        rows = self.rows
        return rows.positions if isinstance(rows, LackingRows) else np.arange(len(self.ids))

    def without(self, name: str) -> Split | None:
        """The rows where none has an input; None: no row has another one."""
        rows = lacking(self.rows, self.inputs, name)
        if not len(rows):
            return None
        key = key_of(rows, self.inputs)
        return Split(
            rows,
            without(self.inputs, name),
            [str(self.ids[position]) for position in rows.positions.tolist()],
            [key(row, position)[1] for position, row in enumerate(rows)],
            {task: truth.taken(rows.positions) for task, truth in self.truths.items()},
        )

    def require_labels_of(
        self, reference: Reference, tasks: Mapping[str, TaskSpec], meaning: Meaning | None = None
    ) -> None:
        """Refuse rows whose labels are others than those kept beside their stored outputs.

        A task whose labels have other meanings now is for :mod:`agreement` to tell.

        Raises:
            DataError: names the place, the task and both labels.
        """
        alike = set(tasks)
        if meaning is not None:
            meant = {task: one.get("labels") for task, one in meaning.tasks.items()}
            alike = {task for task, spec in tasks.items() if list(spec.labels) == meant.get(task)}
        require_known_labels(
            self.rows,
            tasks,
            self.truths,
            self.inputs_of_rows,
            {task: truth for task, truth in reference.truths.items() if task in alike},
            reference.hashes,
        )

    @classmethod
    def of(
        cls, rows: Rows, inputs: Mapping[str, InputSpec], tasks: Mapping[str, TaskSpec]
    ) -> Split:
        """Read keys and labels of all rows.

        Raises:
            DataError: no rows, an unknown label, a wrong type; the message names the place.
        """
        if not len(rows):
            raise DataError("expected rows to validate on, found an empty split")
        key = key_of(rows, inputs)
        keys: list[tuple[str, int]] = []
        targets: dict[str, list[Target | None]] = {task: [] for task in tasks}
        for position, row in enumerate(rows):  # once: rows may be built on demand
            keys.append(key(row, position))
            for task, spec in tasks.items():
                targets[task].append(_target(rows, spec, row, position))
        ids, hashes = zip(*keys, strict=True)
        truths = {
            task: task_kind(spec.kind).truth(spec, targets[task]) for task, spec in tasks.items()
        }
        return cls(rows, inputs, ids, hashes, truths)

    def values(self, positions: Sequence[int]) -> dict[str, list[Any]]:
        """Input -> raw values of the rows at ``positions``.

        Raises:
            DataError: a missing column or a value of a wrong type; the message names the place.
        """
        rows = [(position, self.rows[position]) for position in positions]
        return {
            name: [self._value(spec, row, position) for position, row in rows]
            for name, spec in self.inputs.items()
        }

    def _value(self, spec: InputSpec, row: Row, position: int) -> Any:
        try:
            return input_kind(spec.kind).value(spec, row, self.rows.root_of(position))
        except ValueError as error:
            raise DataError(f"{self.rows.place(position)}: input {spec.name}: {error}") from error


def _target(rows: Rows, spec: TaskSpec, row: Row, position: int) -> Target | None:
    counts = not isinstance(rows, JoinedRows) or spec.name in rows.tasks_of(position)
    try:
        return task_kind(spec.kind).target(spec, row.get(spec.column) if counts else None)
    except ValueError as error:
        raise DataError(f"{rows.place(position)}: task {spec.name}: {error}") from error


def labelled(truth: Truth) -> bool:
    """Whether any row has a label."""
    return bool(has_label(truth).any())


def matches(reference: Reference | None, split: Split) -> Indices:
    """For each row its place in the reference, -1 where it has none: ``[row]``.

    A row is found by id and hash, else by its hash alone: equal inputs have equal outputs, so rows
    in another order, or a part of the split, still find theirs.
    """
    if reference is None:
        return np.full(len(split.ids), -1, np.int64)
    hashes = [int(value) for value in reference.hashes]
    by_hash = {value: index for index, value in reversed(list(enumerate(hashes)))}
    exact = {key: index for index, key in enumerate(zip(reference.ids, hashes, strict=True))}
    found = [
        exact.get((name, value), by_hash.get(value, -1))
        for name, value in zip(split.ids, split.hashes, strict=True)
    ]
    return np.array(found, np.int64)
