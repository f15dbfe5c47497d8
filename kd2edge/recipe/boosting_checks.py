"""What a teacher of boosted trees can be: it is no net."""

from __future__ import annotations

from collections.abc import Iterator

from kd2edge.recipe.places import Fault
from kd2edge.recipe.schema import BoostingModel, Recipe, TabularInput, TokenClassification


def boosting_fits(recipe: Recipe) -> Iterator[Fault]:
    """Boosted trees read one table and answer rows; nothing of a net can be had of them."""
    boosted = {
        index: teacher
        for index, teacher in enumerate(recipe.teachers)
        if isinstance(teacher.model, BoostingModel)
    }
    names = {teacher.name for teacher in boosted.values()}
    for index, teacher in boosted.items():
        if teacher.train is not None:
            message = "trees are not trained in epochs: their settings stand under `model`"
            yield ("teachers", index, "train"), message
        given = recipe.inputs if teacher.inputs is None else teacher.inputs
        if [isinstance(one, TabularInput) for one in given.values()] != [True]:
            message = (
                f"boosted trees read one table and are given {', '.join(given)}: give the teacher"
                " `inputs` of its own, one of kind tabular"
            )
            yield ("teachers", index, "model"), message
        for at, name in enumerate(teacher.tasks):
            if isinstance(recipe.tasks.get(name), TokenClassification):
                message = f"{name!r} has a label a word, trees answer rows: name another teacher"
                yield ("teachers", index, "tasks", at), message
    for at, feature in enumerate(recipe.distill.features):
        if feature.teacher in names:
            message = f"{feature.teacher!r} is made of trees, which have no features to follow"
            yield ("distill", "features", at, "teacher"), message
    init = recipe.student.started_by
    if init is not None and init.teacher in names:
        message = f"{init.teacher!r} is made of trees, a net cannot start from them"
        yield ("student", "init", "from"), message
