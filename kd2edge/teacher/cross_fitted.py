"""A teacher that answers training rows by nets which never saw them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kd2edge.data.batch import Batch
from kd2edge.data.split import EncodedSplit
from kd2edge.errors import DataError
from kd2edge.files import fingerprint, fingerprint_bytes
from kd2edge.teacher.teacher import Answer, Outputs, Teacher

__all__ = ["FINAL", "CrossFitted"]

Positions = npt.NDArray[np.int64]

#: The fold of rows that no teacher learned from: the final teacher answers them.
FINAL = -1


@final
class CrossFitted(Teacher):
    """Out-of-fold answers: what is said of a row comes from a teacher trained without it.

    A teacher is sure of every row that it was trained on; what it says of these is hardly more than
    the label.  Its answers to rows that it never saw are those that it would give to new ones
    (cross-fitting: Chernozhukov et al. 2018, 1608.00060; for distillation Dao et al. 2021,
    2104.09732).

    Features are the final teacher's: those of two nets lie in different spaces.

    Args:
        folds: the teachers by fold, each trained without the rows of its own.
        final: the teacher trained on all of them.
        at: ``[row]`` fold of each row of the training split, or ``FINAL``.
        split: that split.

    Raises:
        DataError: a fold's teacher has other tasks or labels than the final one.
    """

    def __init__(
        self, folds: Sequence[Teacher], final: Teacher, at: Positions, split: EncodedSplit
    ) -> None:
        for number, one in enumerate(folds, start=1):
            if _answers(one) != _answers(final):
                raise DataError(
                    f"fold {number}: expected the tasks and labels of the final teacher, found "
                    f"others: {', '.join(task.name for task in one.tasks)}"
                )
        self._teachers: Mapping[int, Teacher] = {FINAL: final, **dict(enumerate(folds))}
        self._at = at
        self._split = split
        self.tasks = final.tasks
        self.batch_size = final.batch_size
        own = [one.fingerprint for one in (final, *folds)]
        self.fingerprint = fingerprint(["cross-fitted", own, fingerprint_bytes(at.tobytes())])

    @contextmanager
    def open(self, features: Sequence[str], device: torch.device) -> Iterator[Answer]:
        with ExitStack() as stack:
            asked = {
                fold: stack.enter_context(one.open(features if fold == FINAL else (), device))
                for fold, one in self._teachers.items()
            }

            def answer(batch: Batch) -> Outputs:
                return self._answered(asked, batch, features)

            yield answer

    def _answered(
        self, asked: Mapping[int, Answer], batch: Batch, features: Sequence[str]
    ) -> Outputs:
        at = self._at[batch.positions]  # [batch]
        whole = asked[FINAL](batch) if features else None
        said: list[tuple[Positions, Mapping[str, Tensor]]] = []
        for fold in np.unique(at).tolist():
            rows = np.flatnonzero(at == fold)
            if whole is not None and fold == FINAL:  # it has answered these, too
                logits = {name: one[torch.from_numpy(rows)] for name, one in whole.logits.items()}
            else:
                part = batch if len(rows) == len(batch) else self._part(batch, rows)
                logits = asked[fold](part).logits
            said.append((rows, logits))
        joined = {name: _joined(name, said) for name in said[0][1]}
        return Outputs(joined, {} if whole is None else whole.features)

    def _part(self, batch: Batch, rows: Positions) -> Batch:
        return self._split.batch(batch.positions[rows], batch.view)


def _answers(teacher: Teacher) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(task.name, task.kind, tuple(task.labels)) for task in teacher.tasks]


def _joined(name: str, said: Sequence[tuple[Positions, Mapping[str, Tensor]]]) -> Tensor:
    """An array of all rows, of parts that are padded to their own longest row each."""
    parts = [(rows, logits[name]) for rows, logits in said]
    total = sum(len(rows) for rows, _ in parts)
    shape = [max(sizes) for sizes in zip(*(part.shape[1:] for _, part in parts), strict=True)]
    first = parts[0][1]
    whole = first.new_zeros(total, *shape)
    for rows, part in parts:
        inner = tuple(slice(size) for size in part.shape[1:])
        whole[(torch.from_numpy(rows).to(first.device), *inner)] = part
    return whole
