"""What a net learns from its teachers: the student, or a teacher that is taught by others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kd2edge.distill import Knowledge, knowledge_of
from kd2edge.events import StageEvent
from kd2edge.pipeline.reading.phases import heard, phases_of
from kd2edge.pipeline.reading.settings import judged
from kd2edge.pipeline.steps.joining import ensembles_of, lacks_of
from kd2edge.pipeline.steps.work import Learner, Work
from kd2edge.recipe import Recipe
from kd2edge.tasks.spec import TaskName
from kd2edge.teacher import TeacherCache
from kd2edge.teacher.joins import Ensemble

__all__ = ["Asked", "knowledge_for"]

#: Teacher -> split -> what it says of every row.
Asked = Mapping[str, Mapping[str, TeacherCache]]
Ensembles = Mapping[TaskName, Ensemble]


def knowledge_for(
    work: Work, recipe: Recipe, learner: Learner, asked: Asked, whose: str = ""
) -> Knowledge | None:
    """What a net's teachers say of the training rows; None where it has none.

    Args:
        work: the run.
        recipe: its recipe, with the net in the student's place.
        learner: what the net reads, and the rows as it reads them.
        asked: the teachers that were asked, those of the net among them.
        whose: name of the net in events; "": the student.
    """
    names = heard(recipe)
    if not names:
        return None
    ensembles = _ensembles(work, recipe, learner, asked, whose)
    teachers = {
        TaskName(task): [one.name for one in several]
        for task in recipe.tasks
        if (several := recipe.teachers_of(task))
    }
    knowledge = knowledge_of({name: asked[name]["train"] for name in names}, ensembles, teachers)
    return replace(knowledge, lacks=_lacks(work, recipe, learner, asked, ensembles, whose))


def _ensembles(
    work: Work, recipe: Recipe, learner: Learner, asked: Asked, whose: str
) -> dict[TaskName, Ensemble]:
    """How several teachers of a task are joined; told, as the recipe does not know all of it."""
    found = ensembles_of(work, recipe, learner, _validation(asked))
    for task, one in found.items():
        names = [teacher.name for teacher in recipe.teachers_of(task)]
        lacks = [f"{name} lacks {one.lacks[name]:.3g}" if one.lacks else name for name in names]
        said = f"{one.join.kind}: {', '.join(lacks)}"
        work.on_event(StageEvent(_stage("join", task, whose), said))
    return found


def _lacks(
    work: Work, recipe: Recipe, learner: Learner, asked: Asked, ensembles: Ensembles, whose: str
) -> dict[TaskName, float]:
    """What teachers lack, of the tasks whose alpha asks for it in some phase; told, too."""
    names = [TaskName(task) for task in recipe.tasks]
    asking = {task for one in phases_of(recipe) for task in judged(one.recipe, names)}
    ordered = [name for name in names if name in asking]
    found = lacks_of(work, recipe, learner, _validation(asked), ensembles, ordered)
    for task, lack in found.items():
        who = ", ".join(one.name for one in recipe.teachers_of(task))
        said = f"by progress: {who} lacks {lack:.3g}"
        work.on_event(StageEvent(_stage("alpha", task, whose), said))
    return found


def _validation(asked: Asked) -> dict[str, TeacherCache]:
    return {name: caches["validation"] for name, caches in asked.items()}


def _stage(what: str, task: TaskName, whose: str) -> str:
    return f"{what} {task}" + (f" for {whose}" if whose else "")
