"""What teachers that are there already can be: they answer rows, and that is all."""

from __future__ import annotations

from collections.abc import Iterator

from kd2edge.recipe.boosting_checks import nothing_of_a_net
from kd2edge.recipe.places import Fault, Steps
from kd2edge.recipe.schema import (
    GivenModel,
    OnnxModel,
    PythonModel,
    Recipe,
    Regression,
    Teacher,
)
from kd2edge.tasks.kinds import task_kind


def given_fit(recipe: Recipe) -> Iterator[Fault]:
    """What is only asked is not trained, has no features, and says what its numbers are."""
    names: set[str] = set()
    for index, teacher in enumerate(recipe.teachers):
        if isinstance(teacher.model, GivenModel):
            names.add(teacher.name)
            yield from _not_trained(("teachers", index), teacher)
            yield from _outputs(("teachers", index), teacher, teacher.model, recipe)
    yield from nothing_of_a_net(
        recipe,
        names,
        "is only asked, it has no features to follow",
        "is only asked, a net cannot start from it",
    )


def _not_trained(steps: Steps, teacher: Teacher) -> Iterator[Fault]:
    for key, reason in (
        ("train", "it is there already and not trained"),
        ("checkpoint", "its own file or object stands under `model`"),
        ("folds", "it is not trained here, so nobody knows which rows it has seen"),
    ):
        if getattr(teacher, key) is not None:
            yield (*steps, key), f"{reason}: drop {key}"


def _outputs(steps: Steps, teacher: Teacher, model: GivenModel, recipe: Recipe) -> Iterator[Fault]:
    for name in model.outputs:
        if name not in teacher.tasks:
            named = ", ".join(teacher.tasks)
            message = f"it does not teach {name!r}: its tasks are {named}"
            yield (*steps, "model", "outputs", name), message
    for at, name in enumerate(teacher.tasks):
        task = recipe.tasks.get(name)
        if task is None:  # told with the references
            continue
        kind, said = task_kind(task.kind), model.outputs.get(name)
        if isinstance(model, OnnxModel) and said is None:
            message = f"nothing is said of {name!r}: state the graph's output for it"
            yield (*steps, "model", "outputs"), message
            continue
        if isinstance(model, PythonModel) and kind.per_word:
            message = f"{name!r} has a label a word, an object answers rows: name another teacher"
            yield (*steps, "tasks", at), message
            continue
        place: Steps = ("model", "outputs", *([] if said is None else [name]))
        if kind.fewest_labels and not task.labels and (said is None or said.labels is None):
            message = (
                f"which number is which label of {name!r} is not known: state `labels` in the order"
                " of the numbers"
            )
            yield (*steps, *place), message
        if isinstance(task, Regression) and said is not None:
            if said.gives == "probabilities":
                message = f"{name!r} has values, which are no probabilities: drop gives"
                yield (*steps, *place, "gives"), message
            if said.labels:
                message = f"{name!r} has values, which have no labels: drop labels"
                yield (*steps, *place, "labels"), message
