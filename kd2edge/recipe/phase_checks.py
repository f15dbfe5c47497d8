"""Whether the phases of a recipe go together with the rest of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from kd2edge.recipe.places import Fault
from kd2edge.recipe.schema import Recipe


def phases_have_names(recipe: Recipe) -> Iterator[Fault]:
    """Each its own: it names a net, its checkpoints and its curve."""
    names = [phase.name for phase in recipe.phases]
    for index, phase in enumerate(recipe.phases):
        if phase.name in names[:index]:
            yield ("phases", index, "name"), f"the name {phase.name!r} stands twice"
        named = [] if isinstance(phase.rows, str) else phase.rows
        for at, name in enumerate(named):
            if name in named[:at]:
                yield ("phases", index, "rows", at), f"{name!r} stands twice"


def phases_join_alike(recipe: Recipe) -> Iterator[Fault]:
    """Several teachers of a task are one throughout: the report measures them as one."""
    for index, phase in enumerate(recipe.phases):
        if phase.distill.join != recipe.distill.join:
            message = "teachers are joined alike in all phases: state it under distill.join"
            yield ("phases", index, "distill", "join"), message


def faults_of_phases(
    recipe: Recipe, checks: Iterable[Callable[[Recipe], Iterator[Fault]]]
) -> Iterator[Fault]:
    """What is wrong with how teachers teach in single phases.

    What a phase has from the recipe's own ``distill`` is told there.
    """
    whole = [fault for check in checks for fault in check(recipe)]
    for index, phase in enumerate(recipe.phases):
        for check in checks:
            for steps, message in check(recipe.during(phase)):
                if steps[0] == "distill" and (steps, message) not in whole:
                    yield ("phases", index, *steps), message
