"""What tasks must say of their labels and values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kd2edge.recipe.places import Fault
from kd2edge.recipe.schema import Binary, Recipe, Regression
from kd2edge.tasks.labels import label_text


def binary_tasks_have_two_sides(recipe: Recipe) -> Iterator[Fault]:
    """The positive label is one of the two."""
    for name, task in recipe.tasks.items():
        if not isinstance(task, Binary) or not task.labels or task.positive is None:
            continue
        if label_text(task.positive) not in map(label_text, task.labels):
            steps = ("tasks", name, "positive")
            yield steps, f"expected one of {', '.join(task.labels)}, found {task.positive!r}"


def bounds_are_in_order(recipe: Recipe) -> Iterator[Fault]:
    """A low bound is below the high one."""
    for name, task in recipe.tasks.items():
        if not isinstance(task, Regression) or task.low is None or task.high is None:
            continue
        if not task.low < task.high:
            message = f"expected more than low ({task.low:g}), found {task.high:g}"
            yield ("tasks", name, "high"), message


def labels_are_unique(recipe: Recipe) -> Iterator[Fault]:
    """A label stands once, however it is written."""
    for name, task in recipe.tasks.items():
        for label, count in Counter(map(label_text, task.labels or ())).items():
            if count > 1:
                yield ("tasks", name, "labels"), f"the label {label!r} stands twice"
