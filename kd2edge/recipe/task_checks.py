"""What tasks must say of their labels and values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kd2edge.metrics.kinds import metric
from kd2edge.metrics.metric import RankMetric
from kd2edge.recipe.places import Fault
from kd2edge.recipe.schema import Binary, Recipe, Regression
from kd2edge.tasks.cut import is_cut_fitted
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.labels import label_text
from kd2edge.tasks.numbers import LARGEST


def binary_tasks_have_two_sides(recipe: Recipe) -> Iterator[Fault]:
    """The positive label is one of the two."""
    for name, task in recipe.tasks.items():
        if not isinstance(task, Binary) or not task.labels or task.positive is None:
            continue
        if label_text(task.positive) not in map(label_text, task.labels):
            steps = ("tasks", name, "positive")
            yield steps, f"expected one of {', '.join(task.labels)}, found {task.positive!r}"


def bounds_are_in_order(recipe: Recipe) -> Iterator[Fault]:
    """A low bound is below the high one, and both are numbers that a net can give."""
    for name, task in recipe.tasks.items():
        if not isinstance(task, Regression):
            continue
        for end, bound in (("low", task.low), ("high", task.high)):
            if bound is not None and abs(bound) > LARGEST:
                message = f"expected at most {LARGEST:g} (float32), found {bound:g}"
                yield ("tasks", name, end), message
        if task.low is not None and task.high is not None and not task.low < task.high:
            message = f"expected more than low ({task.low:g}), found {task.high:g}"
            yield ("tasks", name, "high"), message


def cuts_have_a_metric(recipe: Recipe) -> Iterator[Fault]:
    """A cut is fitted to a metric of decisions, not of scores, which no cut changes."""
    for name, task in recipe.tasks.items():
        key = task_kind(task.kind).cut
        if is_cut_fitted(task.decode) and isinstance(metric(task.metric), RankMetric):
            message = (
                f"{task.metric} compares scores, whatever {key} they are decided at: state one, or"
                " let another metric lead"
            )
            yield ("tasks", name, key), message


def labels_are_unique(recipe: Recipe) -> Iterator[Fault]:
    """A label stands once, however it is written."""
    for name, task in recipe.tasks.items():
        for label, count in Counter(map(label_text, task.labels or ())).items():
            if count > 1:
                yield ("tasks", name, "labels"), f"the label {label!r} stands twice"
