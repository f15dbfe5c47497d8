"""The student's training part by part: how each is trained, and which rows it is not shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kd2edge.recipe import Recipe, by_task
from kd2edge.recipe.mutual_checks import listens
from kd2edge.rows.join import JoinedRows

__all__ = [
    "StudentPhase",
    "followed_layers",
    "heard",
    "hidden_rows",
    "is_taught",
    "lacking_rows",
    "learners_of",
    "learns_from_others",
    "named_sources",
    "phases_of",
    "taught_teachers",
]


@dataclass(frozen=True, slots=True)
class StudentPhase:
    """A part of the student's training, or a teacher's that is taught, in its place.

    Args:
        name: its name; "" of the only part of a recipe without phases.
        recipe: as it is read in this part.
        rows: ``all``, ``labelled``, ``unlabelled``, or names of sources.
        place: of the part in the recipe, with a dot behind it; "" of the recipe itself.
    """

    name: str
    recipe: Recipe
    rows: str | tuple[str, ...] = "all"
    place: str = ""

    @property
    def title(self) -> str:
        """What messages and events call the student in this part."""
        return f"student {self.name}" if self.name else "student"

    def at(self, key: str, whole: Recipe) -> str:
        """Where a key of ``distill`` stands: what is as in the whole recipe stands there."""
        same = getattr(self.recipe.distill, key) == getattr(whole.distill, key)
        return f"distill.{key}" if same else f"{self.place}distill.{key}"


def phases_of(recipe: Recipe) -> list[StudentPhase]:
    """The parts of the student's training in their order; of a recipe without phases one."""
    if not recipe.phases:
        return [StudentPhase("", recipe)]
    return [
        StudentPhase(phase.name, recipe.during(phase), phase.rows, f"phases.{index}.")
        for index, phase in enumerate(recipe.phases)
    ]


def taught_teachers(recipe: Recipe) -> list[StudentPhase]:
    """The teachers that others teach, each as if it were the student."""
    return [
        StudentPhase("", recipe.learned_by(teacher), place=f"teachers.{index}.")
        for index, teacher in enumerate(recipe.teachers)
        if teacher.taught_by
    ]


def learners_of(recipe: Recipe) -> list[StudentPhase]:
    """Everything that is taught: teachers by other teachers, then the student in its phases."""
    return [*taught_teachers(recipe), *phases_of(recipe)]


def is_taught(recipe: Recipe) -> bool:
    """Whether the student learns from rows without any label too."""
    shares = by_task(recipe.distill.alpha, list(recipe.tasks))
    said = any(share != 0 and recipe.teachers_of(task) for task, share in shares.items())
    return said or bool(recipe.distill.features) or recipe.distill.mutual_weight > 0


def learns_from_others(recipe: Recipe) -> bool:
    """Whether the student has teachers or peers in some part of its training.

    A baseline, on labels alone, is there to say what they give.
    """
    return bool(heard(recipe)) or listens(recipe)


def heard(recipe: Recipe) -> list[str]:
    """The teachers that the student learns from: their word on a task, or their features."""
    teaching = {one.name for task in recipe.tasks for one in recipe.teachers_of(task)}
    return [
        one.name
        for one in recipe.teachers
        if one.name in teaching or followed_layers(recipe, one.name)
    ]


def followed_layers(recipe: Recipe, teacher: str) -> list[str]:
    """The layers of a teacher that the student follows or is fed in some part of its training."""
    parts = [phase.recipe.distill for phase in phases_of(recipe)]
    features = [one for part in parts for one in part.features if one.teacher == teacher]
    feeds = [one for part in parts for one in part.feed if one.teacher == teacher]
    followed = {layer for one in features for layer in one.teacher_layers}
    return sorted(followed | {one.teacher_layer for one in feeds})


def named_sources(rows: JoinedRows) -> list[str]:
    """What the recipe calls each source of some rows; several files of one are called the same."""
    return [source.recipe_name or source.name for source in rows.sources]


def hidden_rows(
    phase: StudentPhase, rows: JoinedRows, labelled: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64] | None:
    """Positions of the training rows that a phase is not shown; None where it is shown all.

    Args:
        phase: the phase.
        rows: the training rows.
        labelled: ``[row]`` whether it has a label of any task.
    """
    if phase.rows == "all":
        return None
    if phase.rows in {"labelled", "unlabelled"}:
        shown = labelled == (phase.rows == "labelled")
    else:
        counts = [len(source.rows) for source in rows.sources]
        named = [name in phase.rows for name in named_sources(rows)]
        shown = np.repeat(np.array(named, np.bool_), counts)
    return np.flatnonzero(~shown)


def lacking_rows(
    recipe: Recipe, rows: JoinedRows, labelled: npt.NDArray[np.bool_]
) -> Iterator[tuple[str, str]]:
    """Phases that have nothing to learn from: where it is said, and why.

    Args:
        recipe: what says so.
        rows: the training rows.
        labelled: ``[row]`` whether it has a label of any task.
    """
    names = named_sources(rows)
    there = {name for name, source in zip(names, rows.sources, strict=True) if len(source.rows)}
    for phase in phases_of(recipe):
        place = f"{phase.place}rows"
        for name in () if isinstance(phase.rows, str) else phase.rows:
            if name not in there:
                yield place, f"{name!r} has no training rows: name another source"
        hidden = hidden_rows(phase, rows, labelled)
        shown = np.ones(len(rows), np.bool_)  # [row]
        if hidden is not None:
            shown[hidden] = False
        if isinstance(phase.rows, str) and not shown.any():
            yield place, f"no training row is {phase.rows}: this phase has none to learn from"
        elif shown.any() and not is_taught(phase.recipe) and not labelled[shown].any():
            message = "none of these rows has a label, and nobody teaches: nothing to learn from"
            yield place, message
