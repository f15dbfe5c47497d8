"""What a teacher of boosted trees can be: it is no net."""

from __future__ import annotations

from collections.abc import Collection, Iterator

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
    yield from nothing_of_a_net(
        recipe,
        names,
        "is made of trees, which have no features to follow",
        "is made of trees, a net cannot start from them",
    )


def nothing_of_a_net(
    recipe: Recipe, names: Collection[str], no_features: str, no_start: str
) -> Iterator[Fault]:
    """Teachers that are no nets: nobody follows their features, no student starts from them.

    Args:
        recipe: the recipe.
        names: of these teachers.
        no_features: what to say of one whose features are followed or fed, behind its name.
        no_start: what to say of one that a student starts from.
    """
    for at, feature in enumerate(recipe.distill.features):
        if feature.teacher in names:
            yield ("distill", "features", at, "teacher"), f"{feature.teacher!r} {no_features}"
    for at, feed in enumerate(recipe.distill.feed):
        if feed.teacher in names:
            yield ("distill", "feed", at, "teacher"), f"{feed.teacher!r} {no_features}"
    init = recipe.student.started_by
    if init is not None and init.teacher in names:
        yield ("student", "init", "from"), f"{init.teacher!r} {no_start}"
