"""What the student may learn from: teachers' caches, and who teaches which task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from kd2edge.data.batch import Batch, Words
from kd2edge.data.split import EncodedSplit
from kd2edge.errors import DataError, UsageError
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import Output, TaskName, TaskSpec
from kd2edge.teacher.cache import TeacherCache
from kd2edge.teacher.features import words_at
from kd2edge.teacher.joins import Answer, Ensemble, Joint
from kd2edge.teacher.top_k import Top

_ALONE: Mapping[TaskName, Ensemble] = {}


@dataclass(frozen=True, slots=True)
class Heard:
    """What the teachers of a task say of the items of an array.

    Args:
        said: of the only teacher ``[item, channel]`` or its likeliest classes, or of several as
            one; fp32 on the CPU.
    """

    said: Answer | Joint

    @property
    def classes(self) -> Tensor | None:
        """Which classes that is of ``[item, k]``; None: of all."""
        return None if isinstance(self.said, Tensor) else self.said.classes

    def at(self, temperature: float | Tensor) -> Tensor:
        """Logits ``[item, channel]``; NaN for a word that no teacher saw.

        Args:
            temperature: of the distributions that are joined, and of the mass of classes that are
                kept together; all classes of a teacher alone are given as they are.
        """
        if isinstance(self.said, Tensor):
            return self.said
        # That of the items, as the losses take it, is on their device.
        return self.said.at(temperature.cpu() if isinstance(temperature, Tensor) else temperature)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All teachers.

    Args:
        caches: teacher's name -> its cache.
        teachers: task -> the names of those who teach it, one or several.
        ensembles: task -> how its teachers are joined, where it has several.
        lacks: task -> what its teachers together lack of a perfect one by its leading metric on the
            validation rows, above 0; of tasks with a schedule that asks for it, and no others: it
            is part of what a training is known by.
    """

    caches: Mapping[str, TeacherCache]
    teachers: Mapping[TaskName, Sequence[str]]
    ensembles: Mapping[TaskName, Ensemble]
    lacks: Mapping[TaskName, float] = field(default_factory=dict[TaskName, float])

    def fingerprints(self) -> dict[str, object]:
        """What the losses depend on: which caches teach what, how several are joined, their skill.

        The latter where a schedule asks for it.
        """
        return {
            "caches": {name: cache.fingerprint for name, cache in self.caches.items()},
            "teachers": {task: sorted(names) for task, names in self.teachers.items()},
            **({"ensembles": dict(self.ensembles)} if self.ensembles else {}),
            **({"lacks": dict(self.lacks)} if self.lacks else {}),
        }

    def require_fits(self, task: TaskSpec) -> None:
        """Refuse a task whose teachers cannot be joined as they are to be.

        Raises:
            UsageError: a join that is not defined for the task.
        """
        if task.name in self.ensembles:
            self.ensembles[task.name].join.require_fits(task)

    def require_lack(self, task: TaskName) -> None:
        """Refuse a task of whose teachers nobody measured what they lack.

        Raises:
            UsageError: of such a task.
        """
        if task not in self.lacks:
            raise UsageError(
                f"alpha of {task}: expected what its teachers lack on validation rows with labels,"
                " found nothing: measure it, or take a schedule that does not ask for it"
            )

    def heard(
        self, array: str, task: TaskName, output: Output, batch: Batch, words: Words | None
    ) -> Heard:
        """What the teachers of a task say of a batch.

        Args:
            array: of the task's head.
            task: its name.
            output: what the array is.
            batch: the rows.
            words: where the student's words or frames stand, of an array of such.
        """
        names = self.teachers[task]
        answers = {name: _answer(self.caches[name], array, batch, words) for name in names}
        if len(answers) == 1:
            (only,) = answers.values()
            return Heard(only)
        return Heard(self.ensembles[task].asked(answers, output, ragged=words is not None))

    def is_cut(self, array: str, task: TaskName) -> bool:
        """Whether a teacher of a task kept only the likeliest classes of an array."""
        return any(array in self.caches[name].top_k for name in self.teachers[task])


def knowledge_of(
    caches: Mapping[str, TeacherCache],
    ensembles: Mapping[TaskName, Ensemble] = _ALONE,
    teachers: Mapping[TaskName, Sequence[str]] | None = None,
) -> Knowledge:
    """What is known of caches: by default every teacher teaches all of its own tasks.

    Args:
        caches: teacher's name -> its cache.
        ensembles: task -> how its teachers are joined; those of one teacher are not looked at.
        teachers: task -> those of them who teach it; None: all who answer it.

    Raises:
        UsageError: a task of several teachers that nobody says how to join.
    """
    if teachers is None:
        answered = dict.fromkeys(task for cache in caches.values() for task in cache.tasks)
        teachers = {
            task: [name for name, cache in caches.items() if task in cache.tasks]
            for task in answered
        }
    several = {task: names for task, names in teachers.items() if len(names) > 1}
    for task, names in several.items():
        if task not in ensembles:
            raise UsageError(
                f"task {task}: expected one teacher, or how several are joined, found"
                f" {', '.join(names)}: state a join"
            )
    return Knowledge(caches, teachers, {task: ensembles[task] for task in several})


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
        if cache.views != split.views.form():
            raise DataError(
                f"teacher {name}: its cache is of the views {cache.views}, the training split has "
                f"{split.views.form()}; augmentation must be the same for both"
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


def _answer(cache: TeacherCache, array: str, batch: Batch, words: Words | None) -> Answer:
    where = (batch.positions, batch.view)
    logits = _items(cache.logits(array, *where), array, batch, words)
    if array not in cache.top_k:
        return logits
    classes, tail = (
        _items(one(array, *where), array, batch, words) for one in (cache.classes, cache.tails)
    )
    return Top(logits, classes.long(), tail)


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
