"""Whether schedules of the student's training have what they look at, and room to move in."""

from __future__ import annotations

from collections.abc import Iterator

from kd2edge.recipe.places import Fault, Steps
from kd2edge.recipe.schema import Recipe
from kd2edge.recipe.schema.schedules import Curriculum, Progress


def progress_is_looked_at(recipe: Recipe) -> Iterator[Fault]:
    """Progress is told by validations before the last one, after which nothing is learned."""
    train = recipe.train
    if recipe.phases or train.validate_every < train.epochs:  # phases are asked one by one
        return
    for steps, one in _values(recipe, "alpha"):
        if isinstance(one, Progress):
            message = (
                f"progress is known from the first validation on: with {train.epochs} epochs and"
                f" validate_every {train.validate_every} that is the end, and alpha stays as before"
            )
            yield steps, message


def curricula_have_a_range(recipe: Recipe) -> Iterator[Fault]:
    """What is learned stays between two bounds, and begins between them."""
    for steps, one in _values(recipe, "temperature"):
        if isinstance(one, Curriculum) and not one.low < one.first < one.high:
            message = (
                f"expected more than low ({one.low:g}) and less than high ({one.high:g}), found"
                f" {one.first:g}"
            )
            yield (*steps, "from"), message


def _values(recipe: Recipe, key: str) -> Iterator[tuple[Steps, object]]:
    """What stands under a key of ``distill``, with its place: for all tasks, or a task each."""
    stated, at = getattr(recipe.distill, key), ("distill", key)
    if not isinstance(stated, dict):
        yield at, stated
        return
    yield from (((*at, task), one) for task, one in stated.items())
