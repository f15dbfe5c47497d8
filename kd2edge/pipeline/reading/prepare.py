"""From a recipe to rows and task specs, checked: what every later step stands on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kd2edge.errors import DataError, Problem, RecipeError, UsageError
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import InputSpec
from kd2edge.metrics.auc import Auc
from kd2edge.metrics.kinds import misfit
from kd2edge.pipeline.reading.learned import Learned, fitted_files, learned_tokenizers
from kd2edge.pipeline.reading.model_inputs import input_spec, word_cutters
from kd2edge.pipeline.reading.phases import StudentPhase, lacking_rows, learners_of, taught_teachers
from kd2edge.pipeline.reading.rejecting import rejecting, unrejectable
from kd2edge.pipeline.reading.sampling import nothing_to_draw
from kd2edge.pipeline.reading.sources import (
    SPLITS,
    HoldOutPlan,
    RowsPlan,
    SourcePlan,
    open_labelled,
    open_split,
)
from kd2edge.pipeline.reading.trained import brought_by
from kd2edge.recipe import LoadedRecipe, by_task
from kd2edge.recipe.places import Steps
from kd2edge.recipe.schema import (
    Binary,
    BoostingModel,
    Builtin,
    Input,
    OfInput,
    Recipe,
    Regression,
    Source,
    TokenClassification,
)
from kd2edge.recipe.schema.data import FilePart
from kd2edge.recipe.schema.inputs import TabularInput, WordsPart
from kd2edge.recipe.schema.joins import SkillJoin
from kd2edge.recipe.schema.schedules import Progress
from kd2edge.recipe.table_checks import inputs_of
from kd2edge.rows.check import SplitCheck, check_rows
from kd2edge.rows.join import JoinedRows
from kd2edge.rows.made import MAKERS
from kd2edge.rows.made.maker import Making
from kd2edge.rows.problems import told_once
from kd2edge.rows.reading import labels_of
from kd2edge.rows.rows import Rows
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.labels import label_index
from kd2edge.tasks.spec import TaskName, TaskSpec

__all__ = ["Prepared", "prepare_data", "require_sound", "rows_plan"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows and tasks of a recipe.

    Args:
        plan: where the rows come from.
        rows: split -> its joined rows.
        inputs: input -> spec as in the recipe; tokenizers are each model's own.
        tasks: task -> spec, labels known.
        checks: what a walk over each split found: label counts and problems.
        learned: the tokenizers, and what input kinds fit, of the training rows.
    """

    plan: RowsPlan
    rows: Mapping[str, JoinedRows]
    inputs: Mapping[str, InputSpec]
    tasks: Mapping[TaskName, TaskSpec]
    checks: Mapping[str, SplitCheck]
    learned: Learned = field(default_factory=dict[str, bytes])

    @property
    def train_support(self) -> dict[TaskName, dict[str, int]]:
        """Task -> label -> how often it occurs in the training split."""
        return {task: dict(counts) for task, counts in self.checks["train"].labels.items()}


def prepare_data(loaded: LoadedRecipe) -> Prepared:
    """Open all rows, take the label inventories from them where the recipe gives none, check all.

    Problems of single rows are in ``checks``; :func:`require_sound` raises them all at once.

    Raises:
        RecipeError: a task without labels, or with a metric that does not fit them, or sound rows
            that an input can learn nothing from, at the place in the recipe.
        DataError: a source that cannot be opened.
        UsageError: a tokenizer that cannot be read, where a task labels the words of raw texts.
    """
    recipe = loaded.recipe
    plan = rows_plan(recipe)
    rows = {split: open_split(plan, split) for split in SPLITS}
    tasks = _tasks(loaded, plan)
    inputs = {name: input_spec(name, one) for name, one in recipe.inputs.items()}
    both = [*inputs.values(), *_of_teachers(recipe)], list(tasks.values())
    learned = learned_tokenizers(recipe, rows["train"])
    cutters = word_cutters(recipe, learned)
    checks = {split: check_rows(split, rows[split], *both, cutters=cutters) for split in SPLITS}
    if not checks["train"].problems:  # else they are told, by row: nothing is fitted to such rows
        learned = {**learned, **_fitted(loaded, rows["train"])}
    tasks = {name: _standardised(loaded, spec, checks["train"]) for name, spec in tasks.items()}
    return Prepared(plan, rows, inputs, tasks, checks, learned)


def _fitted(loaded: LoadedRecipe, rows: Rows) -> Learned:
    """What input kinds learn of the training rows.

    Raises:
        RecipeError: rows that nothing can be learned from, at the place of the input.
    """
    found: dict[str, bytes] = {}
    problems: list[Problem] = []
    for steps, one in inputs_of(loaded.recipe):
        if _is_brought(loaded.recipe, steps, one):
            continue
        try:
            found |= fitted_files(str(steps[-1]), one, rows, known=found)
        except UsageError as error:
            message = f"input {steps[-1]}: {error}"
            problems.append(loaded.places.problem(steps, message))
    if problems:
        raise RecipeError(problems)
    return found


def _is_brought(recipe: Recipe, steps: Steps, one: Input) -> bool:
    """Whether an input is a loaded teacher's, who brings what it was fitted to."""
    if steps[0] != "teachers":
        return False
    return bool(brought_by(recipe.teachers[int(steps[1])]).fitted(str(steps[-1]), one))


def _standardised(loaded: LoadedRecipe, spec: TaskSpec, check: SplitCheck) -> TaskSpec:
    """The task with where the values of its training rows lie, of a task of values.

    Raises:
        RecipeError: they are all the same, which leaves nothing to learn.
    """
    found = check.spreads.get(spec.name)
    if found is None:  # of classes; or without a label, which the check has told
        return spec
    if not found.deviation > 0:
        message = (
            f"column {spec.column!r} holds the same value, {found.mean:g}, in every training row: "
            "there is nothing to learn; name another column, or remove the task"
        )
        raise RecipeError([loaded.problem(f"tasks.{spec.name}.column", message)])
    known = {"mean": found.mean, "spread": found.deviation}
    ends = {"least": found.least, "most": found.most}
    return replace(spec, decode={**spec.decode, **known, **ends})


def _of_teachers(recipe: Recipe) -> Iterator[InputSpec]:
    """Inputs that a teacher sees otherwise than the student: rows may not fit it alone."""
    known = [_look(input_spec("", one)) for one in recipe.inputs.values()]
    for teacher in recipe.teachers:
        for name, one in (teacher.inputs or {}).items():
            spec = input_spec(f"{name} of {teacher.name}", one)
            if _look(spec) not in known:
                yield spec


def _look(spec: InputSpec) -> tuple[Any, ...]:
    """What decides whether a row fits an input."""
    options = spec.options if input_kind(spec.kind).picky else {}
    return spec.kind, spec.columns, spec.may_be_absent, options


def require_sound(loaded: LoadedRecipe, data: Prepared) -> None:
    """Refuse rows that cannot be used.

    Raises:
        RecipeError: every problem: with file and line of the data where a row has it, else with
            the place in the recipe.
    """
    told = told_once(problem for check in data.checks.values() for problem in check.problems)
    problems = [_placed(loaded, problem) for problem in told]
    hidden = sum(check.hidden for check in data.checks.values())
    if hidden:
        problems.append(Problem(f"... and {hidden} more problems"))
    problems += _unmeasurable(loaded, data)
    problems += _unweighable(loaded, data)
    problems += _unjudgeable(loaded, data)
    problems += _nothing_to_grow(loaded, data)
    if not problems and loaded.recipe.phases:
        labelled = data.checks["train"].any_labelled(data.tasks)
        lacking = lacking_rows(loaded.recipe, data.rows["train"], labelled)
        problems += [loaded.problem(place, message) for place, message in lacking]
    if not problems:
        alone = nothing_to_draw(loaded.recipe, data.rows["train"], data.checks["train"])
        problems += [loaded.problem(place, message) for place, message in alone.items()]
    if problems:
        raise RecipeError(problems)


def _nothing_to_grow(loaded: LoadedRecipe, data: Prepared) -> Iterator[Problem]:
    """Tasks whose training rows all say the same: boosted trees tell nothing apart there.

    They are grown after the nets in front of them were trained: it is said before.
    """
    for index, teacher in enumerate(loaded.recipe.teachers):
        if not isinstance(teacher.model, BoostingModel) or teacher.checkpoint is not None:
            continue
        for at, name in enumerate(teacher.tasks):
            spec, check = data.tasks[TaskName(name)], data.checks["train"]
            there = [label for label, count in check.labels[TaskName(name)].items() if count]
            if task_kind(spec.kind).lists or len(there) != 1:
                continue
            message = (
                f"task {name}: every labelled training row says {there[0]!r}: there is nothing to"
                " learn"
            )
            yield loaded.problem(f"teachers.{index}.tasks.{at}", message)


def _unmeasurable(loaded: LoadedRecipe, data: Prepared) -> Iterator[Problem]:
    """Leading metrics that a split's rows have no value for.

    By those of validation no epoch could be chosen, by those of test no gate be passed.
    """
    for name, spec in data.tasks.items():
        yield from unrejectable(loaded, data.checks, spec)
        for split in ("validation", "test"):
            counts = data.checks[split].labels[name]
            there = [label for label, count in counts.items() if count]
            if spec.metric == Auc.name and len(there) == 1:
                message = (
                    f"auc needs rows of both labels, the {split} split has only {there[0]!r}: add "
                    "rows of the other, or let another metric decide"
                )
                yield loaded.problem(f"tasks.{name}.metric", message)


def _unweighable(loaded: LoadedRecipe, data: Prepared) -> Iterator[Problem]:
    """Teachers that are weighed by their skill in a task that no validation row has a label of."""
    student = StudentPhase("", loaded.recipe)  # all its phases join alike
    for learner in [*taught_teachers(loaded.recipe), student]:
        recipe, place = learner.recipe, learner.at("join", loaded.recipe)
        for name, join in by_task(recipe.distill.join, list(recipe.tasks)).items():
            several = len(recipe.teachers_of(name)) > 1
            labelled = data.checks["validation"].labelled_rows([TaskName(name)])
            if several and isinstance(join, SkillJoin) and not labelled:
                message = (
                    f"no validation row has a label of {name}, by which its teachers could be"
                    " weighed: add some, or write mean"
                )
                by_name = isinstance(recipe.distill.join, dict)
                yield loaded.problem(place + f".{name}" * by_name, message)


def _unjudgeable(loaded: LoadedRecipe, data: Prepared) -> list[Problem]:
    """Alphas by the progress of a task that no validation row has a label of."""
    recipe = loaded.recipe
    found: dict[str, str] = {}  # phases may say the same at one place
    for learner in learners_of(recipe):
        own, place = learner.recipe, learner.at("alpha", recipe)
        stated = own.distill.alpha
        for name, alpha in by_task(stated, list(own.tasks)).items():
            labelled = data.checks["validation"].labelled_rows([TaskName(name)])
            if isinstance(alpha, Progress) and own.teachers_of(name) and not labelled:
                found[place + f".{name}" * isinstance(stated, dict)] = (
                    f"no validation row has a label of {name}, by which its progress could be told:"
                    " add some, or state a number, or another schedule"
                )
    return [loaded.problem(place, message) for place, message in found.items()]


def _placed(loaded: LoadedRecipe, problem: Problem) -> Problem:
    """A problem of no row is one of the recipe: of its sources, or of a task."""
    if problem.file:
        return problem
    task = problem.field.removeprefix("task ")
    field = f"tasks.{task}" if task in loaded.recipe.tasks else "data.sources"
    return loaded.problem(field, problem.message)


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
    inputs = list(recipe.inputs.values())
    files = [one for one in inputs if input_kind(one.kind).files]
    return RowsPlan(
        {split: tuple(plans) for split, plans in splits.items()},
        _columns(inputs),
        recipe.data.leaks == "drop",
        _columns(files),
    )


def _columns(inputs: Iterable[Input]) -> tuple[str, ...]:
    return tuple(sorted({column for one in inputs for column in one.columns}))


def _plans(
    recipe: Recipe, source: Source, split: str, tasks: tuple[str, ...]
) -> Iterator[SourcePlan]:
    if isinstance(source, Builtin):
        # A builder has rows of its own for teachers alone.
        part = split if tasks else "unlabelled"
        place = {**source.options, "builder": source.builder, "split": part}
        yield SourcePlan(
            source.name, source.kind, place, {}, dict(source.columns), tasks,
            recipe_name=source.name,
        )  # fmt: skip
        return
    # A file that is named twice counts once: its rows again would be no further evidence.
    named = [recipe.data.path(file) for file in source.splits()[split]]
    places = [path.resolve() for path in named]
    files = [path for at, path in enumerate(named) if places[at] not in places[:at]]
    for index, path in enumerate(files):
        name = source.name if len(files) == 1 else f"{source.name}-{index}"
        options = source.row_options()
        columns, words = dict(source.columns), dict(source.words)
        schemes = _schemes(recipe, source, tasks)
        held = _hold_out(recipe, source, split, tasks, files)
        made = _making(recipe, source)
        yield SourcePlan(
            name, source.kind, str(path), options, columns, tasks, words, schemes, held, made,
            recipe_name=source.name,
        )  # fmt: skip


def _making(recipe: Recipe, source: FilePart) -> Making | None:
    if source.make is None:
        return None
    options = source.make.model_dump(exclude={"kind", "copies", "seed"})
    how = Making(source.make.kind, source.make.copies, source.make.seed, options)
    own = {name: source.columns.get(name, name) for name in _columns(recipe.inputs.values())}
    if MAKERS[how.kind].changes == "words":
        texts = _columns(one for one in recipe.inputs.values() if isinstance(one, WordsPart))
        return replace(how, words=tuple(own[name] for name in texts))
    tables = [one for one in recipe.inputs.values() if isinstance(one, TabularInput)]
    categorical = {own[name] for one in tables for name in one.categorical}
    numeric = {own[name] for one in tables for name in one.numeric} - categorical
    return replace(how, numeric=tuple(sorted(numeric)), categorical=tuple(sorted(categorical)))


def _hold_out(
    recipe: Recipe, source: FilePart, split: str, tasks: Iterable[str], files: Sequence[Path]
) -> HoldOutPlan | None:
    how = source.hold_out
    if how is None or split not in {"train", *how.shares()}:
        return None
    labels = (recipe.tasks[task].column for task in tasks)
    return HoldOutPlan(
        split,
        tuple(map(str, files)),
        how.shares(),
        None if how.group is None else source.columns.get(how.group, how.group),
        how.seed,
        tuple(source.columns.get(column, column) for column in labels),
    )


def _schemes(recipe: Recipe, source: FilePart, tasks: Iterable[str]) -> dict[str, str]:
    """Column in the rows -> the scheme of its tags."""
    tagged = {
        name: one.column
        for name, one in recipe.tasks.items()
        if name in tasks and isinstance(one, TokenClassification)
    }
    stated = source.scheme
    by_task = stated if isinstance(stated, dict) else dict.fromkeys(tagged, stated)
    return {
        source.columns.get(tagged[task], tagged[task]): scheme
        for task, scheme in by_task.items()
        if scheme is not None and task in tagged
    }


def _tasks(loaded: LoadedRecipe, plan: RowsPlan) -> dict[TaskName, TaskSpec]:
    """Specs with their labels; those that the recipe leaves open are the ones of any split.

    A rare label may miss from the training rows and still stand in the test's.
    """
    specs = [_task(loaded.recipe, name) for name in loaded.recipe.tasks]
    open_ones = [spec for spec in specs if not spec.labels and task_kind(spec.kind).fewest_labels]
    found = _labels(loaded, plan, open_ones) if open_ones else {}
    whole = [replace(spec, labels=found.get(spec.name, spec.labels)) for spec in specs]
    whole = [rejecting(loaded, spec) for spec in whole]
    odd = [problem for spec in whole for problem in _misfits(loaded, spec)]
    if odd:
        raise RecipeError(odd)
    return {spec.name: _positive_last(loaded, spec) for spec in whole}


def _misfits(loaded: LoadedRecipe, spec: TaskSpec) -> Iterator[Problem]:
    """Metrics that these labels have no value for; else the report would say so, after training."""
    for name in spec.metrics:
        reason = misfit(spec, name)
        if reason:
            key = "metric" if name == spec.metric else "metrics"
            yield loaded.problem(f"tasks.{spec.name}.{key}", reason)


def _labels(
    loaded: LoadedRecipe, plan: RowsPlan, tasks: Sequence[TaskSpec]
) -> dict[TaskName, tuple[str, ...]]:
    rows = open_labelled(plan)
    try:
        return labels_of(rows, tasks)
    except DataError:
        problems = [problem for task in tasks for problem in _lacking(loaded, rows, task)]
    raise RecipeError(problems)


def _lacking(loaded: LoadedRecipe, rows: JoinedRows, task: TaskSpec) -> Iterator[Problem]:
    try:
        labels_of(rows, [task])
    except DataError as error:
        message = str(error).removeprefix(f"task {task.name}: ")
        yield loaded.problem(f"tasks.{task.name}.column", message)


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
        input=task.input if isinstance(task, OfInput) else "",
        decode=task.decode,
        unit=task.unit if isinstance(task, Regression) else "",
    )


def _positive_last(loaded: LoadedRecipe, spec: TaskSpec) -> TaskSpec:
    task = loaded.recipe.tasks[spec.name]
    if not isinstance(task, Binary) or task.positive is None:
        return spec
    try:
        positive = spec.labels[label_index(spec.labels, task.positive)]
    except ValueError:
        message = f"{task.positive!r} does not occur; there are {', '.join(spec.labels)}"
        raise RecipeError([loaded.problem(f"tasks.{spec.name}.positive", message)]) from None
    negative = tuple(label for label in spec.labels if label != positive)
    return replace(spec, labels=(*negative, positive))
