"""What the columns of tables must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kd2edge.recipe.places import Fault, Steps
from kd2edge.recipe.schema import Input, Recipe, TabularInput


def inputs_of(recipe: Recipe) -> Iterator[tuple[Steps, Input]]:
    """Every input of the recipe and of its teachers, with its place."""
    for name, spec in recipe.inputs.items():
        yield ("inputs", name), spec
    for index, teacher in enumerate(recipe.teachers):
        for name, spec in (teacher.inputs or {}).items():
            yield ("teachers", index, "inputs", name), spec


def tables_name_columns(recipe: Recipe) -> Iterator[Fault]:
    """A table has columns, each once, and none of them is what a task asks for."""
    labels = {task.column: name for name, task in recipe.tasks.items()}
    for steps, spec in inputs_of(recipe):
        if not isinstance(spec, TabularInput):
            continue
        if not spec.columns:
            yield steps, "a table needs columns: name them under `numeric` and `categorical`"
        counts = Counter(spec.columns)
        for key, names in (("numeric", spec.numeric), ("categorical", spec.categorical)):
            for name in dict.fromkeys(names):
                if counts[name] > 1:
                    yield (*steps, key), f"{name!r} stands {counts[name]} times"
                if name in labels:
                    yield (*steps, key), f"{name!r} is the label of task {labels[name]!r}"
