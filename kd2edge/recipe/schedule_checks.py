"""Whether schedules of a training have what they look at, and room to move in."""

from __future__ import annotations

from collections.abc import Iterator

from kd2edge.recipe.places import Fault, Steps
from kd2edge.recipe.schema import Distill, Recipe, TeacherTrain, Train
from kd2edge.recipe.schema.schedules import AlphaByClass, Curriculum, Labelled, Progress
from kd2edge.recipe.teaching_checks import learners


def progress_is_looked_at(recipe: Recipe) -> Iterator[Fault]:
    """Progress is told by validations before the last one, after which nothing is learned."""
    for place, learner in learners(recipe):
        train = _train(recipe, place)
        if train is None or train.validate_every < train.epochs:
            continue
        for steps, one in _values(learner, "alpha"):
            if isinstance(one, Progress):
                message = (
                    f"progress is known from the first validation on: with {train.epochs} epochs"
                    f" and validate_every {train.validate_every} that is the end, and alpha stays"
                    " as before"
                )
                yield (*place, *steps), message


def progress_leaves_something(recipe: Recipe) -> Iterator[Fault]:
    """Rows without a label have the teacher's part alone, and it must not come to nothing."""
    for index, phase in enumerate(recipe.phases):
        if phase.rows != "unlabelled" or _learns_elsewhere(phase.distill):
            continue
        for steps, one in _values(recipe.during(phase), "alpha"):
            if isinstance(one, Progress) and one.near == 0:
                message = (
                    "with near: 0 a task in which the student is as good as its teacher learns"
                    " nothing from rows without a label, and this phase has no others: state a"
                    " larger near, e.g. 0.5"
                )
                yield ("phases", index, *steps), message


def sample_weights_weigh(recipe: Recipe) -> Iterator[Fault]:
    """A sample weight is of tasks that somebody teaches, and leaves some of the rows."""
    parts: list[tuple[Steps, Recipe, bool]] = [
        (
            ("phases", index),
            recipe.during(phase),
            phase.rows == "unlabelled" and not _learns_elsewhere(phase.distill),
        )
        for index, phase in enumerate(recipe.phases)
    ]
    for place, part, is_bare in parts or [((), recipe, False)]:
        for steps, one in _values(part, "sample_weight"):
            tasks = steps[2:] or tuple(part.tasks)
            message = ""
            if one != 1 and not any(_is_taught(part, str(task)) for task in tasks):
                message = (
                    "nobody teaches here: it weighs what is learned beside a teacher; write 1, or"
                    " an alpha above 0"
                )
            elif is_bare and isinstance(one, Labelled | AlphaByClass) and one.unlabelled == 0:
                message = (
                    "with unlabelled: 0 rows without a label teach nothing, and this phase has no"
                    " others: state a larger one"
                )
            if message:
                yield (*place, *steps), message


def curricula_have_a_range(recipe: Recipe) -> Iterator[Fault]:
    """What is learned stays between two bounds, and begins between them."""
    for place, learner in learners(recipe):
        if place and learner.distill.temperature == recipe.distill.temperature:  # told there
            continue
        for steps, one in _values(learner, "temperature"):
            if isinstance(one, Curriculum) and not one.low < one.first < one.high:
                message = (
                    f"expected more than low ({one.low:g}) and less than high ({one.high:g}), found"
                    f" {one.first:g}"
                )
                yield (*place, *steps, "from"), message


def _train(recipe: Recipe, place: Steps) -> Train | TeacherTrain | None:
    """How the learner of a place is trained; None: it is not, or its phases are asked one by one.

    Args:
        recipe: the whole one.
        place: () of the student.
    """
    if place:
        return recipe.teachers[int(place[1])].train
    return None if recipe.phases else recipe.train


def _learns_elsewhere(distill: Distill) -> bool:
    """Whether rows teach something beside what teachers say of them: by features, or by peers."""
    return bool(distill.features) or distill.mutual_weight > 0


def _is_taught(recipe: Recipe, task: str) -> bool:
    alpha = recipe.distill.alpha
    own = alpha.get(task, 0) if isinstance(alpha, dict) else alpha
    return own != 0 and bool(recipe.teachers_of(task))


def _values(learner: Recipe, key: str) -> Iterator[tuple[Steps, object]]:
    """What stands under a key of ``distill``, with its place: for all tasks, or a task each."""
    stated, at = getattr(learner.distill, key), ("distill", key)
    if not isinstance(stated, dict):
        yield at, stated
        return
    # A map that a teacher inherits names tasks that it does not learn, too.
    yield from (((*at, task), one) for task, one in stated.items() if task in learner.tasks)
