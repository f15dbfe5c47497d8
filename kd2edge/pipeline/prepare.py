"""From a recipe to rows and task specs, checked: what every later step stands on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from kd2edge.errors import DataError
from kd2edge.inputs.spec import InputSpec
from kd2edge.pipeline.sources import SPLITS, RowsPlan, SourcePlan, open_labelled, open_split
from kd2edge.recipe.schema import Binary, Builtin, Recipe, Source, TokenClassification
from kd2edge.rows.check import SplitCheck, check_rows
from kd2edge.rows.join import JoinedRows
from kd2edge.rows.reading import labels_of
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import TaskName, TaskSpec

__all__ = ["Prepared", "prepared", "rows_plan"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows and tasks of a recipe.

    Args:
        rows: split -> its joined rows.
        tasks: task -> spec, labels known.
        checks: what a walk over each split found: label counts and problems.
    """

    plan: RowsPlan
    rows: Mapping[str, JoinedRows]
    tasks: Mapping[TaskName, TaskSpec]
    checks: Mapping[str, SplitCheck]

    @property
    def train_support(self) -> dict[TaskName, dict[str, int]]:
        """Task -> label -> how often it occurs in the training split."""
        return {task: dict(counts) for task, counts in self.checks["train"].labels.items()}


def prepared(recipe: Recipe) -> Prepared:
    """Open all rows, take the label inventories from them where the recipe gives none, check all.

    Problems are in ``checks``; ``rows.check.require_sound`` raises them all at once.

    Raises:
        DataError: a source that cannot be opened.
    """
    plan = rows_plan(recipe)
    rows = {split: open_split(plan, split) for split in SPLITS}
    tasks = _tasks(recipe, plan)
    inputs = [InputSpec(name, one.kind, tuple(one.columns)) for name, one in recipe.inputs.items()]
    checks = {
        split: check_rows(split, rows[split], inputs, list(tasks.values())) for split in SPLITS
    }
    return Prepared(plan, rows, tasks, checks)


def rows_plan(recipe: Recipe) -> RowsPlan:
    """The recipe's sources as plain values."""
    every = tuple(recipe.tasks)
    splits: dict[str, list[SourcePlan]] = {split: [] for split in SPLITS}
    for source in recipe.data.sources:
        tasks = every if source.tasks is None else tuple(source.tasks)
        for split in source.splits():
            splits[split] += _plans(recipe, source, split, tasks)
    for source in recipe.data.unlabelled:
        splits["train"] += _plans(recipe, source, "train", ())
    columns = sorted({column for one in recipe.inputs.values() for column in one.columns})
    return RowsPlan(
        {split: tuple(plans) for split, plans in splits.items()},
        tuple(columns),
        recipe.data.leaks == "drop",
    )


def _plans(
    recipe: Recipe, source: Source, split: str, tasks: tuple[str, ...]
) -> Iterator[SourcePlan]:
    if isinstance(source, Builtin):
        # A builder has rows of its own for teachers alone.
        part = split if tasks else "unlabelled"
        place = {"builder": source.builder, "split": part, **source.options}
        yield SourcePlan(source.name, source.kind, place, {}, dict(source.columns), tasks)
        return
    files = source.splits()[split]
    for index, file in enumerate(files):
        name = source.name if len(files) == 1 else f"{source.name}-{index}"
        path = str(recipe.data.path(file))
        options = source.row_options()
        yield SourcePlan(name, source.kind, path, options, dict(source.columns), tasks)


def _tasks(recipe: Recipe, plan: RowsPlan) -> dict[TaskName, TaskSpec]:
    """Specs with their labels; those that the recipe leaves open are the ones of any split.

    A rare label may miss from the training rows and still stand in the test's.
    """
    specs = [_task(recipe, name) for name in recipe.tasks]
    open_ones = [spec for spec in specs if not spec.labels]
    found = labels_of(open_labelled(plan), open_ones) if open_ones else {}
    whole = [replace(spec, labels=found.get(spec.name, spec.labels)) for spec in specs]
    return {spec.name: _positive_last(recipe, spec) for spec in whole}


def _task(recipe: Recipe, name: str) -> TaskSpec:
    task = recipe.tasks[name]
    kind = task_kind(task.kind)
    named = task.metrics or kind.default_metrics
    return TaskSpec(
        name=TaskName(name),
        kind=task.kind,
        labels=tuple(task.labels or ()),
        metric=task.metric,
        metrics=tuple(dict.fromkeys((task.metric, *named))),
        column=task.column,
        input=task.input if isinstance(task, TokenClassification) else "",
        decode={"threshold": task.threshold} if isinstance(task, Binary) else {},
    )


def _positive_last(recipe: Recipe, spec: TaskSpec) -> TaskSpec:
    task = recipe.tasks[spec.name]
    if not isinstance(task, Binary) or task.positive is None:
        return spec
    if task.positive not in spec.labels:
        raise DataError(
            f"task {spec.name}: the positive label {task.positive!r} does not occur; "
            f"there are {', '.join(spec.labels)}"
        )
    negative = tuple(label for label in spec.labels if label != task.positive)
    return replace(spec, labels=(*negative, task.positive))
