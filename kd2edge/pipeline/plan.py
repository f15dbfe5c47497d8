"""``kd2edge check``: what a recipe will do and cost, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kd2edge.errors import Problem, RecipeError
from kd2edge.inputs.kinds import input_kind
from kd2edge.nets import build_net
from kd2edge.pipeline.model_inputs import (
    ModelInputs,
    source_folder,
    student_inputs,
    teacher_inputs,
    views_of,
)
from kd2edge.pipeline.prepare import Prepared, prepared
from kd2edge.pipeline.settings import model_spec
from kd2edge.pipeline.sources import SPLITS
from kd2edge.recipe import LoadedRecipe, Recipe
from kd2edge.recipe.schema import TransformersModel
from kd2edge.rows.leak import leaks
from kd2edge.tasks.kinds import task_kind

__all__ = ["Plan", "plan_of"]

#: Rows that the share of cut-off rows is measured on.
_SAMPLE = 2000
_FP16 = 2


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """A model that will be trained or loaded."""

    parameters: int
    embedding_parameters: int
    steps: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a recipe will do.

    Args:
        rows: split -> rows.
        tasks: task -> kind, labels, labelled rows or words of training, labels that training lacks.
        models: teacher, student -> size and steps.
        cache_bytes: estimate of the teachers' cached logits.
        truncated: input -> share of training rows that ``max_length`` cuts.
        leaks: "train/test" -> rows that stand in both splits.
    """

    name: str
    rows: Mapping[str, int]
    tasks: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, ModelPlan]
    cache_bytes: int
    truncated: Mapping[str, float]
    leaks: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    def text(self) -> str:
        """For a terminal."""
        lines = [f"{self.name}", "rows       " + ", ".join(f"{s} {n:,}" for s, n in self.rows.items())]
        for task, one in self.tasks.items():
            lines.append(
                f"task       {task}: {one['kind']}, {one['labels']} labels, "
                f"{one['labelled']:,} labelled in train, metric {one['metric']}"
            )
            if one["unseen"]:
                unseen = ", ".join(one["unseen"][:5])
                lines.append(f"           labels without a training row: {unseen}")
        for name, model in self.models.items():
            lines.append(
                f"model      {name}: {model.parameters:,} parameters "
                f"({model.embedding_parameters:,} in embeddings), {model.steps:,} steps"
            )
        lines.append(f"cache      about {self.cache_bytes / 1e6:,.1f} MB of teachers' outputs")
        for name, share in self.truncated.items():
            lines.append(f"input      {name}: max_length cuts {share:.1%} of the training rows")
        for pair, count in self.leaks.items():
            lines.append(f"leak       {count:,} rows stand in {pair}")
        return "\n".join(lines)


def plan_of(loaded: LoadedRecipe) -> Plan:
    """Read a recipe's data and say what would happen.  Trains nothing, writes nothing.

    Raises:
        RecipeError: all problems of the data, with file and line.
        DataError: a source that cannot be opened.
    """
    recipe = loaded.recipe
    data = prepared(recipe)
    problems = [problem for check in data.checks.values() for problem in check.problems]
    hidden = sum(check.hidden for check in data.checks.values())
    if hidden:
        problems.append(Problem(f"... and {hidden} more problems"))
    if problems:
        raise RecipeError(problems)
    inputs = student_inputs(recipe, data.rows["train"])
    return Plan(
        name=recipe.name,
        rows={split: len(rows) for split, rows in data.rows.items()},
        tasks={str(name): _task(data, str(name)) for name in data.tasks},
        models=_models(recipe, data, inputs),
        cache_bytes=_cache_bytes(recipe, data),
        truncated=_truncated(data, inputs),
        leaks=_leaks(data),
    )


def _task(data: Prepared, name: str) -> dict[str, Any]:
    spec = next(spec for task, spec in data.tasks.items() if task == name)
    counts = data.train_support[spec.name]
    return {
        "kind": spec.kind,
        "labels": len(spec.labels),
        "labelled": sum(counts.values()),
        "unseen": [label for label, count in counts.items() if not count],
        "metric": spec.metric,
    }


def _models(recipe: Recipe, data: Prepared, inputs: ModelInputs) -> dict[str, ModelPlan]:
    found: dict[str, ModelPlan] = {}
    everything = len(data.rows["train"])
    labelled = everything - min(data.checks["train"].unlabelled.values(), default=0)
    for teacher in recipe.teachers:
        if teacher.train is None:
            continue  # a checkpoint: nothing to train
        steps = teacher.train.epochs * -(-labelled // teacher.train.batch_size)
        own = teacher_inputs(recipe, teacher.name)
        found[teacher.name] = _model(recipe, data, own, teacher.model, teacher.tasks, steps)
    steps = recipe.train.epochs * -(-everything // recipe.train.batch_size)
    tasks = tuple(recipe.tasks)
    found["student"] = _model(recipe, data, inputs, recipe.student.model, tasks, steps)
    return found


def _model(
    recipe: Recipe, data: Prepared, inputs: ModelInputs, model: Any, tasks: Any, steps: int
) -> ModelPlan:
    source = model.source if isinstance(model, TransformersModel) else None
    net = build_net(
        model_spec(model),
        list(inputs.specs.values()),
        [spec for name, spec in data.tasks.items() if name in tasks],
        source_dir=source_folder(source) if source is not None else None,
        vocabulary=inputs.vocabulary,
        seed=recipe.seed,
    )
    return ModelPlan(net.parameter_count(), net.embedding_parameter_count(), steps)


def _cache_bytes(recipe: Recipe, data: Prepared) -> int:
    """Dense fp16 logits of every training row (word), in every view."""
    check = data.checks["train"]
    total = 0
    for name, spec in data.tasks.items():
        if recipe.teacher_of(str(name)) is None:
            continue
        kind = task_kind(spec.kind)
        items = check.rows
        if kind.per_word:
            labelled_rows = max(check.rows - check.unlabelled[name], 1)
            items = check.rows * sum(check.labels[name].values()) // labelled_rows
        total += items * kind.channels(spec) * _FP16
    return total * views_of(recipe).count


def _truncated(data: Prepared, inputs: ModelInputs) -> dict[str, float]:
    rows = data.rows["train"]
    step = max(len(rows) // _SAMPLE, 1)
    shares: dict[str, float] = {}
    for name, spec in inputs.specs.items():
        if "max_length" not in spec.options:
            continue
        kind, encoder = input_kind(spec.kind), inputs.encoders[name]
        cut = [
            encoder.truncated(kind.value(spec, rows[at], rows.root_of(at)))
            for at in range(0, len(rows), step)
        ]
        shares[name] = sum(cut) / len(cut)
    return shares


def _leaks(data: Prepared) -> dict[str, int]:
    found: dict[str, int] = {}
    for leak in leaks({split: data.rows[split] for split in SPLITS}, data.plan.columns):
        pair = f"{leak.split} and {leak.other}"
        found[pair] = found.get(pair, 0) + 1
    return found
