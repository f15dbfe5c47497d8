"""What the recipe allows artefacts to lose, in the unit of each task's metric."""

from __future__ import annotations

from collections.abc import Mapping

from kd2edge.bundle import Gate
from kd2edge.metrics.kinds import metric
from kd2edge.recipe import Recipe, by_task
from kd2edge.tasks.spec import TaskSpec

__all__ = ["gate_of"]


def gate_of(recipe: Recipe, tasks: Mapping[str, TaskSpec]) -> Gate:
    """The gate of a bundle: a budget of every task, stated or as a share of what is large for it.

    Args:
        recipe: says what is allowed.
        tasks: every task of the recipe, with what its training rows' labels say.
    """
    asked = recipe.gate
    if asked.max_drop is None:
        most = {
            name: asked.max_drop_share * metric(spec.metric).large(spec)
            for name, spec in tasks.items()
        }
    else:
        most = by_task(asked.max_drop, tasks)
    return Gate(most, by_task(asked.max_drop_class, tasks), asked.confidence)
