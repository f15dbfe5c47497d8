"""Whether schedules of the student's training have what they look at."""

from __future__ import annotations

from collections.abc import Iterator

from kd2edge.recipe.places import Fault, Steps
from kd2edge.recipe.schema import Recipe
from kd2edge.recipe.schema.schedules import Progress


def progress_is_looked_at(recipe: Recipe) -> Iterator[Fault]:
    """Progress is told by validations before the last one, after which nothing is learned."""
    train, alpha = recipe.train, recipe.distill.alpha
    if recipe.phases or train.validate_every < train.epochs:  # phases are asked one by one
        return
    at: Steps = ("distill", "alpha")
    stated = {(*at, task): one for task, one in alpha.items()} if isinstance(alpha, dict) else None
    for steps, one in (stated or {at: alpha}).items():
        if isinstance(one, Progress):
            message = (
                f"progress is known from the first validation on: with {train.epochs} epochs and"
                f" validate_every {train.validate_every} that is the end, and alpha stays as before"
            )
            yield steps, message
