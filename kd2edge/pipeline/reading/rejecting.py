"""Tasks that reject what is out of scope: from a recipe's words to settings, and what they need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from kd2edge.errors import Problem, RecipeError
from kd2edge.metrics.in_scope_recall import InScopeRecall
from kd2edge.metrics.out_of_scope_recall import OutOfScopeRecall
from kd2edge.recipe import LoadedRecipe
from kd2edge.recipe.schema import Classification
from kd2edge.rows.check import SplitCheck
from kd2edge.tasks.labels import label_index
from kd2edge.tasks.reject import IN_SCOPE_RECALL, SCOPE, reject_label, unfitted
from kd2edge.tasks.spec import TaskSpec

__all__ = ["rejecting", "unrejectable"]


def rejecting(loaded: LoadedRecipe, spec: TaskSpec) -> TaskSpec:
    """The task with how it rejects, where the recipe says so; the threshold comes with a model.

    Raises:
        RecipeError: no such label, at its place in the recipe.
    """
    task = loaded.recipe.tasks[spec.name]
    if not isinstance(task, Classification) or task.reject is None:
        return spec
    how = task.reject
    try:
        label = label_index(spec.labels, how.label)
    except ValueError as error:
        place = f"tasks.{spec.name}.reject.label"
        raise RecipeError([loaded.problem(place, str(error))]) from None
    own = () if task.metrics else (InScopeRecall.name, OutOfScopeRecall.name)
    return replace(
        spec,
        decode={
            **spec.decode,
            **unfitted(label, how.by, how.in_scope_recall, how.temperature, how.prototypes),
        },
        metrics=tuple(dict.fromkeys((*spec.metrics, *own))),
    )


def unrejectable(
    loaded: LoadedRecipe, checks: Mapping[str, SplitCheck], spec: TaskSpec
) -> Iterator[Problem]:
    """What a task that rejects cannot be fitted to, or measured by its leading metric on.

    Args:
        loaded: the recipe.
        checks: split -> what a walk over it found.
        spec: any task.
    """
    label = reject_label(spec)
    if label is None:
        return
    name, place = spec.labels[label], f"tasks.{spec.name}"
    yield from _unscored(loaded, checks["train"], spec, name)
    outside, inside = _sides(checks["validation"], spec, name)
    if not outside and IN_SCOPE_RECALL not in spec.decode:
        message = (
            "the threshold with the best accuracy is fitted to validation rows, and none of them "
            f"has the label {name!r}: add some, or state in_scope_recall, which needs rows in scope"
            " alone"
        )
        yield loaded.problem(f"{place}.reject", message)
    if outside and not inside:
        message = f"every labelled validation row has the label {name!r}: none is in scope"
        yield loaded.problem(f"{place}.reject", message)
    for split in ("validation", "test"):
        outside, inside = _sides(checks[split], spec, name)
        lacking = {OutOfScopeRecall.name: not outside, InScopeRecall.name: not inside}
        if lacking.get(spec.metric):
            which = f"the label {name!r}" if not outside else "a label in scope"
            message = (
                f"{spec.metric} needs rows with {which}, the {split} split has none: add some, or"
                " let another metric decide"
            )
            yield loaded.problem(f"{place}.metric", message)


def _unscored(
    loaded: LoadedRecipe, train: SplitCheck, spec: TaskSpec, label: str
) -> Iterator[Problem]:
    """What is wrong with how rows are scored."""
    task, place = loaded.recipe.tasks[spec.name], f"tasks.{spec.name}.reject"
    assert isinstance(task, Classification)
    assert task.reject is not None
    if task.reject.by != "distance":
        if "prototypes" in task.reject.model_fields_set:
            how = task.reject.by
            message = f"there are no prototypes by {how}: let by be distance, or leave it"
            yield loaded.problem(f"{place}.prototypes", message)
        return
    if not _sides(train, spec, label)[1]:
        message = (
            f"prototypes are fitted to labelled training rows other than {label!r}, and there are"
            " none: add some, or reject by probability"
        )
        yield loaded.problem(f"{place}.by", message)
    if f"{spec.name}.{SCOPE}" in loaded.recipe.tasks:
        message = f"the cosines are called {spec.name}.{SCOPE}, as a task is: rename that"
        yield loaded.problem(f"{place}.by", message)


def _sides(check: SplitCheck, spec: TaskSpec, label: str) -> tuple[int, int]:
    """How many rows have the reject label, and how many another one."""
    counts = check.labels[spec.name]
    return counts[label], sum(counts.values()) - counts[label]
