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
    SklearnModel,
    Teacher,
)
from kd2edge.recipe.schema.given import Gives
from kd2edge.tasks.kinds import task_kind


def given_fit(recipe: Recipe) -> Iterator[Fault]:
    """What is only asked is not trained, has no features, and says what its numbers are."""
    names: set[str] = set()
    for index, teacher in enumerate(recipe.teachers):
        if isinstance(teacher.model, GivenModel):
            names.add(teacher.name)
            yield from _not_trained(("teachers", index), teacher)
            yield from _outputs(("teachers", index), teacher, teacher.model, recipe)
        if isinstance(teacher.model, SklearnModel):
            yield from _files_of_tasks(("teachers", index), teacher, teacher.model)
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


def _files_of_tasks(steps: Steps, teacher: Teacher, model: SklearnModel) -> Iterator[Fault]:
    """A map of files has one for each task that it teaches."""
    if not isinstance(model.path, dict):
        return
    for name in model.path:
        if name not in teacher.tasks:
            named = ", ".join(teacher.tasks)
            message = f"it does not teach {name!r}: its tasks are {named}"
            yield (*steps, "model", "path", name), message
    for name in teacher.tasks:
        if name not in model.path:
            message = f"no file for {name!r}: name the estimator that answers it"
            yield (*steps, "model", "path"), message


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
        if not isinstance(model, OnnxModel) and kind.per_word:
            what = "an object" if isinstance(model, PythonModel) else "an estimator"
            message = f"{name!r} has a label a word, {what} answers rows: name another teacher"
            yield (*steps, "tasks", at), message
            continue
        place: Steps = ("model", "outputs", *([] if said is None else [name]))
        known = isinstance(model, SklearnModel) and task.kind != "multi_label"  # by its classes
        unsaid = not task.labels and (said is None or said.labels is None)
        if kind.fewest_labels and unsaid and not known:
            message = (
                f"which number is which label of {name!r} is not known: state `labels` in the order"
                " of the numbers"
            )
            yield (*steps, *place), message
        if isinstance(task, Regression) and said is not None:
            if isinstance(said, Gives) and said.gives == "probabilities":
                message = f"{name!r} has values, which are no probabilities: drop gives"
                yield (*steps, *place, "gives"), message
            if said.labels:
                message = f"{name!r} has values, which have no labels: drop labels"
                yield (*steps, *place, "labels"), message
