"""A teacher that is made of fitted estimators of scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch

from kd2edge.data.batch import Batch
from kd2edge.errors import DataError, Kd2edgeError, UsageError
from kd2edge.files.fingerprint import fingerprint
from kd2edge.inputs.spec import InputSpec
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher.given.cells import Cells, require_unmoved
from kd2edge.teacher.given.estimator_file import EstimatorFiles
from kd2edge.teacher.given.named_object import told
from kd2edge.teacher.given.said import Said, logits_from, one_output
from kd2edge.teacher.given.scores import Question
from kd2edge.teacher.given.tables import Table, table_of
from kd2edge.teacher.teacher import Answer, Outputs, Teacher


@final
class SklearnTeacher(Teacher):
    """Estimators or pipelines, asked about columns of the rows on the CPU.

    Args:
        files: what they were read from.
        inputs: what the rows have.
        cells: the rows by column.
        tasks: the student's tasks that they teach.
        said: task -> its labels in their order, and what the numbers are.
        questions: task -> how it is asked.
        columns: in the order of the fit; empty: as :func:`table_of` finds them.
        batch_size: rows that they are asked about at once.

    Raises:
        UsageError: a task with a label a word, or columns that the rows do not have.
    """

    def __init__(
        self,
        files: EstimatorFiles,
        inputs: Mapping[str, InputSpec],
        cells: Cells,
        tasks: Sequence[TaskSpec],
        said: Mapping[str, Said],
        questions: Mapping[str, Question],
        columns: Sequence[str],
        *,
        batch_size: int,
    ) -> None:
        for task in tasks:
            if one_output(task).per != "row":
                raise UsageError(f"task {task.name}: it labels words, an estimator answers rows")
        self._label = files.name
        self._cells = cells
        self._said = {task.name: said[task.name] for task in tasks}
        self._questions = {task.name: questions[task.name] for task in tasks}
        self._tables: dict[str, Table] = {
            task.name: table_of(questions[task.name].estimator, inputs, columns, files.name)
            for task in tasks
        }
        self.tasks = tuple(self._said[task.name].own(task) for task in tasks)
        self.batch_size = batch_size
        known = {
            name: [files.hashes[name], one.method, one.output, self._said[name]]
            for name, one in self._questions.items()
        }
        tables = {name: [one.columns, sorted(one.numeric)] for name, one in self._tables.items()}
        self.fingerprint = fingerprint(["sklearn", known, tables])

    @contextmanager
    def open(self, features: Sequence[str], device: torch.device) -> Iterator[Answer]:
        """Estimators have no features, and are asked on the CPU whatever ``device`` says.

        Raises:
            UsageError: a feature.
        """
        del device
        if features:
            raise UsageError(f"{self._label} has no features, found {', '.join(features)}")

        def answer(batch: Batch) -> Outputs:
            require_unmoved(batch.view)
            rows = self._cells.at(batch.positions)
            places = self._cells.places(batch.positions)
            found = {str(task.name): self._logits(task, rows, places) for task in self.tasks}
            return Outputs({name: torch.from_numpy(one) for name, one in found.items()}, {})

        yield answer

    def _logits(
        self, task: TaskSpec, rows: Sequence[Mapping[str, Any]], places: str
    ) -> npt.NDArray[np.float32]:
        said = self._said[task.name]
        try:
            found = self._scores(task, rows)
            if found.ndim == 0 or len(found) != len(rows):
                raise DataError(f"expected numbers of {len(rows)} rows, found {list(found.shape)}")
            return logits_from(task, said, found, self._label)
        except DataError as error:
            raise DataError(f"{error} ({places})") from error
        except Kd2edgeError:
            raise
        except Exception as error:
            raise UsageError(
                f"{self._label}, task {task.name}: failed on {places}: {told(error)}"
            ) from error

    def _scores(self, task: TaskSpec, rows: Sequence[Mapping[str, Any]]) -> npt.NDArray[Any]:
        table = self._tables[task.name].of(rows)
        with warnings.catch_warnings():
            # Such as of unknown categories: the same at every batch, and no fault of the rows.
            warnings.simplefilter("ignore")
            return self._questions[task.name].scores(table, task)
