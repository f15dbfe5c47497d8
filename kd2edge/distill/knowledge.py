"""What the student may learn from: teachers' caches, and who teaches which task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from kd2edge.data.batch import Batch, Words
from kd2edge.data.split import EncodedSplit
from kd2edge.errors import DataError, UsageError
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import Activation, TaskName
from kd2edge.teacher.cache import TeacherCache
from kd2edge.teacher.features import words_at


@dataclass(frozen=True, slots=True)
class TeacherOfTask:
    """One teacher of a task, and the weight of its word among several."""

    cache: TeacherCache
    weight: float


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All teachers.

    Args:
        caches: teacher's name -> its cache, for features.
        teachers: task -> who teaches it, one or several.
    """

    caches: Mapping[str, TeacherCache]
    teachers: Mapping[TaskName, Sequence[TeacherOfTask]]

    def fingerprints(self) -> dict[str, object]:
        """What the losses depend on: which caches teach what."""
        return {
            "caches": {name: cache.fingerprint for name, cache in self.caches.items()},
            "teachers": {
                task: [[one.cache.fingerprint, one.weight] for one in several]
                for task, several in self.teachers.items()
            },
        }

    def said(self, array: str, task: TaskName, batch: Batch, words: Words | None) -> list[Tensor]:
        """What each teacher of a task says of a batch: ``[item, channel]`` fp32 on the CPU.

        Words that a teacher did not see are NaN.

        Args:
            array: of the task's head.
            task: its name.
            batch: the rows.
            words: where the student's words or frames stand, of an array of such.
        """
        return [
            _items(one.cache.logits(array, batch.positions, batch.view), array, batch, words)
            for one in self.teachers[task]
        ]

    def classes(
        self, array: str, task: TaskName, batch: Batch, words: Words | None
    ) -> Tensor | None:
        """Which classes the logits of a task's only teacher are of ``[item, k]``; None: of all.

        Args:
            array: of the task's head.
            task: its name.
            batch: the rows.
            words: as for :meth:`said`.
        """
        cache = self.teachers[task][0].cache
        if array not in cache.top_k:
            return None
        found = cache.classes(array, batch.positions, batch.view)
        return _items(found, array, batch, words).long()

    def is_cut(self, array: str, task: TaskName) -> bool:
        """Whether a teacher of a task kept only the likeliest classes of an array.

        Raises:
            UsageError: several teachers, whose likeliest classes are not the same.
        """
        cut = [array in one.cache.top_k for one in self.teachers[task]]
        if any(cut) and len(cut) > 1:
            raise UsageError(
                f"logits of {task}: each of its {len(cut)} teachers has likeliest classes of its"
                " own, which cannot be put together: let all classes be cached (top_k: null)"
            )
        return any(cut)

    def combined(
        self,
        task: TaskName,
        said: Sequence[Tensor],
        temperature: float | Tensor,
        activation: Activation,
    ) -> Tensor:
        """What the teachers of a task say together: one as it is, several by their weights.

        Several become one by what ``activation`` makes of their softened logits.

        Args:
            task: its name.
            said: logits of each of its teachers, in the student's order of labels.
            temperature: what logits are divided by.
            activation: what makes probabilities of logits.
        """
        if len(said) == 1:
            return said[0]
        weights = [one.weight for one in self.teachers[task]]
        return combined(said, weights, temperature, activation)

    def logits(
        self, task: TaskName, batch: Batch, temperature: float, activation: Activation
    ) -> Tensor:
        """Both: what the teachers of a task say together of a batch.

        Args:
            task: its name.
            batch: the rows.
            temperature: what logits are divided by.
            activation: what makes probabilities of logits.
        """
        return self.combined(
            task, self.said(task, task, batch, batch.words_of(task)), temperature, activation
        )


def knowledge_of(caches: Mapping[str, TeacherCache]) -> Knowledge:
    """Every teacher teaches all of its own tasks, several for one task with equal weights."""
    teachers: dict[TaskName, list[TeacherOfTask]] = {}
    for cache in caches.values():
        for task in cache.tasks:
            teachers.setdefault(task, []).append(TeacherOfTask(cache, 1.0))
    return Knowledge(caches, teachers)


def combined(
    logits: Sequence[Tensor],
    weights: Sequence[float],
    temperature: float | Tensor,
    activation: Activation,
) -> Tensor:
    """Logits whose softened probabilities are the weighted mean of the teachers' softened ones.

    Values that become no probabilities are averaged as they are.

    Args:
        logits: ``[item, channel]`` of each teacher.
        weights: of each teacher; only their shares count.
        temperature: what logits are divided by.
        activation: what makes probabilities of logits.
    """
    if isinstance(temperature, Tensor):  # that of the items, as the losses take it
        temperature = temperature.cpu()
    share = torch.tensor(weights) / sum(weights)
    if activation == "none":
        return (torch.stack(list(logits)) * share.view(-1, 1, 1)).sum(0)
    stacked = torch.stack(list(logits)) / temperature  # [teacher, item, channel]
    if activation == "sigmoid":
        mean = (stacked.sigmoid() * share.view(-1, 1, 1)).sum(0)
        return torch.logit(mean, eps=1e-7) * temperature
    spread = torch.log_softmax(stacked, dim=-1) + share.log().view(-1, 1, 1)
    return torch.logsumexp(spread, dim=0) * temperature


def require_match(knowledge: Knowledge, split: EncodedSplit) -> None:
    """Check that the caches are of this split's rows and views.

    Raises:
        DataError: a cache of other rows or views.
    """
    for name, cache in knowledge.caches.items():
        if cache.rows != len(split) or cache.rows_fingerprint != split.rows_fingerprint:
            raise DataError(
                f"teacher {name}: its cache is of other rows ({cache.rows}) than the "
                f"training split ({len(split)}); run cache_outputs on the same rows"
            )
        if cache.views != {**asdict(split.views), "options": dict(split.views.options)}:
            raise DataError(
                f"teacher {name}: its cache is of the views {cache.views}, the training split has "
                f"{split.views}; augmentation must be the same for both"
            )


def feature_of(cache: TeacherCache, path: str, batch: Batch, target: str) -> Tensor:
    """A teacher's feature of a batch in shared form, fp32 on the CPU; NaN for words not seen.

    ``target`` is the student's module that is to follow it, and tells whose words they are.

    Args:
        cache: of the teacher.
        path: of the teacher's module.
        batch: the rows.
        target: the student's module that is to follow it; it tells whose words they are.
    """
    values = cache.feature(path, batch.positions, batch.view)
    if not isinstance(values, Ragged):
        return torch.from_numpy(values).float()
    words = words_at(target, batch)
    _require_words(values.offsets, words.offsets, batch, path)
    return torch.from_numpy(values.values).float()


def _items(values: np.ndarray | Ragged, array: str, batch: Batch, words: Words | None) -> Tensor:
    if not isinstance(values, Ragged):
        return _floats(values).flatten(0, -2)
    offsets = np.empty(0, np.int64) if words is None else words.offsets
    _require_words(values.offsets, offsets, batch, array)
    return _floats(values.values)


def _floats(values: np.ndarray) -> Tensor:
    """Whole numbers as they are: float32 would lose large ones."""
    found = torch.from_numpy(values)
    return found.float() if found.is_floating_point() else found


def _require_words(teacher: np.ndarray, student: np.ndarray, batch: Batch, what: str) -> None:
    if not np.array_equal(teacher, student):
        odd = np.flatnonzero(teacher != student)[:1] - 1 if len(teacher) == len(student) else [0]
        row = int(batch.positions[int(odd[0])])
        raise DataError(
            f"{what}: teacher and student do not see the same words in row {row}; let "
            "both read the same words (input kind tokens), and frames of one length"
        )
