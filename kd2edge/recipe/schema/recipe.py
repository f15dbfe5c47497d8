"""The whole recipe, and its JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from kd2edge.recipe.schema.base import Flag, FolderName, Name, Part, Seed, Whole
from kd2edge.recipe.schema.choices import OneOrMany
from kd2edge.recipe.schema.data import Data
from kd2edge.recipe.schema.defaults import FILLED, completed
from kd2edge.recipe.schema.distill import Distill
from kd2edge.recipe.schema.inputs import Input
from kd2edge.recipe.schema.models import Student, Teacher
from kd2edge.recipe.schema.phases import Phase
from kd2edge.recipe.schema.reference import Reference
from kd2edge.recipe.schema.ship import Export, Gate, Licences
from kd2edge.recipe.schema.tasks import Task
from kd2edge.recipe.schema.train import Baseline, Train


class Recipe(Part):
    """A kd2edge recipe: from data and teachers to a student that runs on the edge."""

    version: Annotated[Literal[1], Whole]
    """Version of the recipe's schema."""
    name: FolderName
    """Name of the run and of the bundle."""
    seed: Seed = 0
    """Start of every random number."""
    data: Data
    """The rows to learn from and to be judged by."""
    inputs: Annotated[dict[Name, Input], Field(min_length=1)]
    """What the student is given, by name."""
    tasks: Annotated[dict[Name, Task], Field(min_length=1)]
    """What is to be decided, by name."""
    teachers: tuple[Teacher, ...] = ()
    """Who teaches."""
    student: Student
    """Who learns."""
    distill: Distill = Distill()
    """How teachers teach."""
    baseline: Annotated[Flag | Baseline, OneOrMany(flag=True)] = True
    """Also train the same student from the same start on labels alone: what did distilling give?
    true: with as many steps as the student, or settings of its own: `{epochs: 60, lr: 1e-3}`."""
    reference: Reference | None = None
    """A cheap model beside the student in the report: what is the net worth?"""
    train: Train = Train()
    """How the student is trained."""
    phases: tuple[Phase, ...] = ()
    """The parts of the student's training, one after the other; none: it has one, on all rows."""
    export: Export = Export()
    """Which artefacts are made."""
    gate: Annotated[Gate, Field(alias="validate")] = Gate()
    """What every artefact must prove."""
    licences: Licences = Licences()
    """What may be done with the result."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        return completed(value) if isinstance(value, Mapping) else value

    def teacher(self, name: str) -> Teacher:
        """The teacher of that name."""
        return next(teacher for teacher in self.teachers if teacher.name == name)

    def during(self, phase: Phase) -> Recipe:
        """The recipe as it is read in one of its phases."""
        return self.model_copy(
            update={"train": phase.train, "distill": phase.distill, "phases": ()}
        )

    def learned_by(self, teacher: Teacher) -> Recipe:
        """The recipe as a teacher that is taught is trained by it: in the student's place."""
        place = {"model": teacher.model, "init": None, "taught_by": teacher.taught_by}
        lessons = {} if teacher.distill is None else dict(teacher.distill)
        return self.model_copy(
            update={
                "inputs": self.inputs if teacher.inputs is None else teacher.inputs,
                "tasks": {name: one for name, one in self.tasks.items() if name in teacher.tasks},
                "student": self.student.model_copy(update=place),
                "distill": Distill().model_copy(update=lessons),
                "phases": (),
            }
        )

    def teachers_of(self, task: str) -> tuple[Teacher, ...]:
        """Those who teach the student a task; none when nobody does.

        A teacher that teaches the task to another teacher leaves the student to that one, where the
        student does not name its teachers.
        """
        known = self.knowing(task)
        named = self.student.taught_by
        if named is not None:
            return tuple(teacher for teacher in known if teacher.name in named)
        passed_on = {name for teacher in known for name in teacher.taught_by}
        return tuple(teacher for teacher in known if teacher.name not in passed_on)

    def knowing(self, task: str) -> tuple[Teacher, ...]:
        """The teachers that answer a task, whomever they teach it."""
        return tuple(teacher for teacher in self.teachers if task in teacher.tasks)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a recipe; editors complete from it."""
    schema = Recipe.model_json_schema(by_alias=True)
    _less_required([schema["$defs"], schema["properties"]])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _less_required(node: Any) -> None:
    """Take out of ``required`` what is filled in before the schema reads it."""
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict) and isinstance(node.get("required"), list):
            node["required"] = [key for key in node["required"] if key not in FILLED]
        node = list(node.values())
    for inner in node if isinstance(node, list) else ():
        _less_required(inner)
