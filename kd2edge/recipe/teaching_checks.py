"""Who teaches which task to whom: the student, or another teacher."""

from __future__ import annotations

from collections.abc import Iterator

from kd2edge.recipe.places import Fault, Steps
from kd2edge.recipe.schema import BoostingModel, GivenModel, Recipe, Teacher
from kd2edge.recipe.schema.joins import NoJoin

__all__ = ["learners", "several_teachers_are_joined", "taught_teachers_fit", "tasks_are_taught"]


def tasks_are_taught(recipe: Recipe) -> Iterator[Fault]:
    """Every task that teachers have a say in has one that teaches it."""
    for place, learner in learners(recipe):
        yield from _untaught(learner, (*place, "distill", "alpha"))


def several_teachers_are_joined(recipe: Recipe) -> Iterator[Fault]:
    """Teachers teach all tasks where they name none: that several do must be meant."""
    for place, learner in learners(recipe):
        join = learner.distill.join
        for task in learner.tasks:
            several = learner.teachers_of(task)
            # A map that lacks a task is reported with the references.
            own = join.get(task) if isinstance(join, dict) else join
            if len(several) > 1 and isinstance(own, NoJoin):
                for steps in _tellers(learner, place, task):
                    yield steps, _unjoined(task, several, steps[-1] != "taught_by")


def taught_teachers_fit(recipe: Recipe) -> Iterator[Fault]:
    """Only what is trained here can be taught, by teachers that are trained before it."""
    names = [teacher.name for teacher in recipe.teachers]
    for index, teacher in enumerate(recipe.teachers):
        steps: Steps = ("teachers", index)
        if not teacher.taught_by:
            if teacher.distill is not None:
                message = "nobody teaches it: name teachers under taught_by, or drop distill"
                yield (*steps, "distill"), message
            continue
        fixed = _fixed(teacher)
        if fixed:
            yield (*steps, "taught_by"), f"{fixed}: drop taught_by"
        for at, name in enumerate(teacher.taught_by):
            if name not in names:  # told with the references
                continue
            wrong = _unfit(recipe, teacher, name, before=name in names[:index])
            if wrong:
                yield (*steps, "taught_by", at), wrong


def learners(recipe: Recipe) -> Iterator[tuple[Steps, Recipe]]:
    """The student's place and every taught teacher's, each with the recipe as that one reads it."""
    yield (), recipe
    for index, teacher in enumerate(recipe.teachers):
        if teacher.taught_by:
            yield ("teachers", index), recipe.learned_by(teacher)


def _untaught(recipe: Recipe, place: Steps) -> Iterator[Fault]:
    alpha, named = recipe.distill.alpha, recipe.student.taught_by
    untaught = [task for task in recipe.tasks if not recipe.teachers_of(task)]
    who, way = "no teacher teaches", "give it one"
    if named:
        who, way = f"{' or '.join(named)} cannot teach", "name one that does under taught_by"
    elif named is not None and recipe.teachers:
        who, way = "student.taught_by is empty, and nobody teaches", "name teachers, or drop it"
    if isinstance(alpha, dict):
        for task in untaught:
            # A map that lacks a task is reported with the references.
            if alpha.get(task, 0) != 0:
                yield (*place, task), f"{who} {task!r}: {way}, or set its alpha to 0"
    elif untaught and alpha != 0:  # one mistake, often: no teacher at all
        names = ", ".join(map(repr, untaught))
        yield place, f"{who} {names}: {way}, or set alpha to 0"


def _tellers(recipe: Recipe, place: Steps, task: str) -> Iterator[Steps]:
    """Where a recipe says that the teachers of a task teach it."""
    if place:
        yield (*place, "taught_by")
    elif recipe.student.taught_by is not None:
        yield "student", "taught_by"
    else:
        teaching = recipe.teachers_of(task)
        for index, teacher in enumerate(recipe.teachers):
            if teacher in teaching:
                yield "teachers", index, "tasks", teacher.tasks.index(task)


def _unjoined(task: str, several: tuple[Teacher, ...], by_tasks: bool) -> str:
    names = ", ".join(one.name for one in several)
    way = "let one of them name it under `tasks`" if by_tasks else "name one of them"
    return (
        f"{task!r} has several teachers: {names}; {way}, or say how they answer together"
        " (distill.join: mean, confidence or skill)"
    )


def _fixed(teacher: Teacher) -> str:
    """Why a teacher cannot learn from others; "" where it can."""
    if isinstance(teacher.model, GivenModel):
        return "it is there already and only asked"
    if isinstance(teacher.model, BoostingModel):
        return "trees are grown on labels alone"
    return "" if teacher.checkpoint is None else "it is loaded, not trained here"


def _unfit(recipe: Recipe, teacher: Teacher, name: str, *, before: bool) -> str:
    """What is wrong with letting a teacher be taught by the one of that name."""
    if name == teacher.name:
        return (
            "no teacher teaches itself: for another generation, add a teacher of the same model"
            f" behind it, with taught_by: {name}"
        )
    if not before:
        return f"{name!r} stands behind it: teachers stand in front of those that they teach"
    if not set(teacher.tasks) & set(recipe.teacher(name).tasks):
        return f"{name!r} teaches none of its tasks ({', '.join(teacher.tasks)})"
    return ""
