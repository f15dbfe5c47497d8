"""What is exported, and what it must live up to."""

from __future__ import annotations

from collections.abc import Iterator

from kd2edge.engines import ENGINES, unmade
from kd2edge.metrics.kinds import metric
from kd2edge.recipe.places import Fault
from kd2edge.recipe.schema import JointModel, Recipe


def budgets_of_shares_are_shares(recipe: Recipe) -> Iterator[Fault]:
    """What a share may lose is at most 1."""
    stated = recipe.gate.max_drop
    if stated is None:  # a share of what is large for each metric
        return
    by_name = stated if isinstance(stated, dict) else dict.fromkeys(recipe.tasks, stated)
    for name in by_name.keys() & recipe.tasks.keys():
        most, leading = by_name[name], recipe.tasks[name].metric
        if most > 1 and metric(leading).scale.is_share:
            steps = ("validate", "max_drop", *([name] if isinstance(stated, dict) else []))
            yield steps, f"{leading} of {name} is a share: expected at most 1, found {most:g}"


def targets_come_out(recipe: Recipe) -> Iterator[Fault]:
    """Every precision is made for some target, and every target is made in some precision."""
    targets, precisions = recipe.export.targets, recipe.export.precisions
    for precision in unmade(targets, precisions):
        yield ("export", "precisions"), f"{precision!r} is made for none of {', '.join(targets)}"
    for name in targets:
        own = ENGINES[name].precisions
        if not any(precision in own for precision in precisions):
            steps = ("export", "targets")
            yield steps, f"{name!r} comes in {', '.join(own)} alone: name one in precisions"


def targets_run_the_student(recipe: Recipe) -> Iterator[Fault]:
    """A target that runs some families alone is not asked for another one."""
    model = recipe.student.model
    parts = model.encoders.values() if isinstance(model, JointModel) else (model,)
    families = dict.fromkeys(part.family for part in parts)
    for at, name in enumerate(recipe.export.targets):
        known = ENGINES[name].families
        others = [family for family in families if known and family not in known]
        if others:
            message = (
                f"{name!r} runs students of family {' or '.join(known)} alone, and this one is of"
                f" {', '.join(others)}: leave it out, or take another student"
            )
            yield ("export", "targets", at), message
