"""A teacher that is an object of Python: asked about rows, whatever is behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt
import torch

from kd2edge.data.batch import Batch
from kd2edge.errors import DataError, UsageError
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher.given.cells import Cells, require_unmoved
from kd2edge.teacher.given.named_object import told
from kd2edge.teacher.given.said import Said, logits_from, one_output
from kd2edge.teacher.teacher import Answer, Outputs, Teacher


class RowTeacher(Protocol):
    """What an object must be that teaches: called with rows, it gives numbers by task."""

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Answer some rows.

        Args:
            rows: a mapping of columns each; see ``Cells``.

        Returns:
            Task -> ``[row, label]``, what NumPy takes for an array; other keys are not read.
        """
        ...


@final
class PythonTeacher(Teacher):
    """An object, made only when it is asked.

    Args:
        make: gives the object.
        label: what messages call it.
        cells: the rows by column.
        tasks: the student's tasks that it teaches.
        said: task -> what its numbers are.
        fingerprint: of everything that its answers depend on beside the rows.
        batch_size: rows that it is asked about at once.

    Raises:
        UsageError: a task of a kind that no numbers a row answer.
    """

    def __init__(
        self,
        make: Callable[[], RowTeacher],
        label: str,
        cells: Cells,
        tasks: Sequence[TaskSpec],
        said: Mapping[str, Said],
        fingerprint: str,
        *,
        batch_size: int,
    ) -> None:
        for task in tasks:
            if one_output(task).per != "row":
                raise UsageError(f"task {task.name}: it labels words, an object answers rows")
        self._make = make
        self._label = label
        self._cells = cells
        self._said = {task.name: said[task.name] for task in tasks}
        self.tasks = tuple(self._said[task.name].own(task) for task in tasks)
        self.fingerprint = fingerprint
        self.batch_size = batch_size

    @contextmanager
    def open(self, features: Sequence[str], device: torch.device) -> Iterator[Answer]:
        """An object has no features, and computes where it wants to.

        Raises:
            UsageError: a feature, or an object that cannot be made.
        """
        del device
        if features:
            raise UsageError(f"{self._label} has no features, found {', '.join(features)}")
        try:
            asked = self._make()
        except Exception as error:  # noqa: BLE001  (code of others may raise anything)
            raise UsageError(f"{self._label}: cannot be made: {told(error)}") from error

        def answer(batch: Batch) -> Outputs:
            require_unmoved(batch.view)
            places = self._cells.places(batch.positions)
            rows = self._cells.at(batch.positions)
            try:
                found = asked(rows)
            except Exception as error:  # noqa: BLE001  (as above)
                raise UsageError(f"{self._label}: failed on {places}: {told(error)}") from error
            try:
                return Outputs(
                    {
                        str(task.name): torch.from_numpy(self._logits(task, found, len(rows)))
                        for task in self.tasks
                    },
                    {},
                )
            except DataError as error:
                raise DataError(f"{error} ({places})") from error

        yield answer

    def _logits(self, task: TaskSpec, found: Any, rows: int) -> npt.NDArray[np.float32]:
        if not isinstance(found, Mapping) or task.name not in found:
            known = ", ".join(map(str, found)) if isinstance(found, Mapping) else type(found)
            raise DataError(f"{self._label}: expected numbers for {task.name}, found {known}")
        try:
            array = np.asarray(found[task.name])
        except Exception as error:  # noqa: BLE001  (a tensor on a device, rows of unequal length)
            reason = f"{self._label}, task {task.name}: no array of numbers: {told(error)}"
            raise DataError(reason) from error
        if array.ndim == 0 or len(array) != rows:
            raise DataError(
                f"{self._label}, task {task.name}: expected numbers of {rows} rows, found"
                f" {list(array.shape)}"
            )
        return logits_from(task, self._said[task.name], array, self._label)
