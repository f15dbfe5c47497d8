"""``kd2edge check``: what a recipe will do and cost, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from kd2edge.data import steps_an_epoch
from kd2edge.data.layout import aligned
from kd2edge.inputs.kinds import input_kind
from kd2edge.metrics.items import distinct
from kd2edge.metrics.kinds import metric
from kd2edge.nets.source import PICKLED, has_safetensors
from kd2edge.pipeline.reading.budgets import gate_of
from kd2edge.pipeline.reading.label_notes import absent_labels, label_notes
from kd2edge.pipeline.reading.learned import Learned, fitted_roles
from kd2edge.pipeline.reading.model_inputs import (
    ModelInputs,
    student_inputs,
    views_of,
    weights_of,
)
from kd2edge.pipeline.reading.phases import (
    followed_layers,
    hidden_rows,
    is_taught,
    learns_from_others,
    phases_of,
)
from kd2edge.pipeline.reading.piece_fit import PieceFit, fit_lines, piece_fits, require_pieces
from kd2edge.pipeline.reading.prepare import Prepared, prepare_data, require_sound
from kd2edge.pipeline.reading.settings import joins
from kd2edge.pipeline.reading.sources import SPLITS, left_out, made_rows
from kd2edge.pipeline.reading.trained import brought_by, brought_with
from kd2edge.pipeline.reading.truncation import Cut, cut_rows
from kd2edge.pipeline.steps.cheap import told_kind
from kd2edge.pipeline.steps.given import GivenPlan, require_given
from kd2edge.pipeline.steps.rehearsal import NetSize, rehearse
from kd2edge.recipe import LoadedRecipe, Recipe
from kd2edge.recipe.code import require_code_allowed
from kd2edge.recipe.mutual_checks import peers_of
from kd2edge.recipe.schema import BoostingModel, Teacher
from kd2edge.recipe.schema.data import FilePart
from kd2edge.recipe.schema.models import single_models
from kd2edge.rows.check import SplitCheck
from kd2edge.rows.hashes import row_hashes
from kd2edge.rows.leak import leaks
from kd2edge.student import Start
from kd2edge.tasks.outputs import arrays_of, outputs_of
from kd2edge.tasks.spec import TaskName, TaskSpec
from kd2edge.teacher.joins import Join
from kd2edge.teacher.top_k import bytes_of
from kd2edge.wording import shown

__all__ = ["ModelPlan", "Plan", "plan_of", "task_lines"]

#: Bytes a row of a cache that say where the row stands.
_PLACE = 8


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """A model that will be trained or loaded.

    Args:
        parameters: that it has.
        embedding_parameters: those of them in embeddings.
        steps: that it is trained for.
        prototypes: numbers in the prototypes that are fitted then, at most.
        taught_by: the teachers that teach it, where it is a teacher itself.
        beside: the nets that learn beside it, where there are any.
    """

    parameters: int
    embedding_parameters: int
    steps: int
    prototypes: int = 0
    taught_by: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    def text(self) -> str:
        """For a terminal."""
        taught = f", taught by {', '.join(self.taught_by)}" if self.taught_by else ""
        taught += f", beside {', '.join(self.beside)}" if self.beside else ""
        more = f", then at most {self.prototypes:,} of prototypes" if self.prototypes else ""
        return (
            f"{self.parameters:,} parameters ({self.embedding_parameters:,} in embeddings){more}, "
            f"{self.steps:,} step{'' if self.steps == 1 else 's'}{taught}"
        )


@dataclass(frozen=True, slots=True)
class TreesPlan:
    """Boosted trees that will be grown.

    Args:
        trees: of all tasks, at most.
        leaves: of a tree, at most; None: as many as its depth lets grow.
        rows: training rows that have a label of one of their tasks.
    """

    trees: int
    leaves: int | None
    rows: int

    def text(self) -> str:
        """For a terminal."""
        leaves = "" if self.leaves is None else f" of {self.leaves:,} leaves"
        return f"boosted trees, at most {self.trees:,}{leaves}, on {self.rows:,} labelled rows"


AnyPlan = ModelPlan | TreesPlan | GivenPlan


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """A phase of the student's training: rows of an epoch, and steps."""

    rows: int
    steps: int

    def text(self) -> str:
        """For a terminal."""
        return f"{self.rows:,} rows, {self.steps:,} step{'' if self.steps == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a recipe will do.

    Args:
        rows: split -> rows.
        distinct: split -> different inputs among them: what bounds rest on.
        held_out: source -> share of its training rows that each other split has.
        tasks: task -> kind, labels, labelled rows or words of training, labels that training lacks,
            metric and what artefacts may lose of it, and notes on its labels; of one that several
            teach together, who they are and how they are joined.
        models: teacher, student, baseline -> size and steps, how many trees, or what is asked.
        start: how much of the student starts from what.
        cache_bytes: estimate of the teachers' cached logits, of all splits.
        uncounted: teachers' layers and maps that are cached too, and not in ``cache_bytes``.
        truncated: input -> share of training rows that ``max_length`` cuts.
        cut: input -> split -> how many rows it cuts.
        pieces: input -> how its training rows fall into pieces, and whether the tokenizer fits.
        leaks: "train/test" -> rows that stand in both splits.
        notes: input -> what is worth knowing of what it was fitted to, a line each.
        reference: what the cheap reference is; "": there is none.
        left_out: a line a source whose rows are not all trained on: how many, and why.
        phases: of the student's training, by name; none: it has one part.
        pickled: models that start from a pickle of tensors, where safetensors are safer.
        made: a line a source whose rows are made of others: how many.
    """

    name: str
    rows: Mapping[str, int]
    distinct: Mapping[str, int]
    held_out: Mapping[str, Mapping[str, float]]
    tasks: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, AnyPlan]
    start: Start
    cache_bytes: int
    uncounted: tuple[str, ...]
    truncated: Mapping[str, float]
    cut: Mapping[str, Mapping[str, Cut]]
    leaks: Mapping[str, int]
    left_out: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    pieces: Mapping[str, PieceFit] = field(default_factory=dict[str, PieceFit])
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    reference: str = ""
    phases: Mapping[str, PhasePlan] = field(default_factory=dict[str, PhasePlan])
    pickled: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "start": self.start.to_json()}

    def text(self) -> str:
        """For a terminal."""
        cache = f"about {self.cache_bytes / 1e6:,.1f} MB of teachers' logits"
        if self.uncounted:
            cache += f"; not counted: features of {', '.join(self.uncounted)}"
        lines = [self.name, *self._row_lines()]
        for source, shares in self.held_out.items():
            of = ", ".join(f"{share:.1%} for {split}" for split, share in shares.items())
            lines.append(f"held out   of the training rows of {source}: {of}")
        lines += [line for task, one in self.tasks.items() for line in task_lines(task, one)]
        lines += [f"model      {name}: {model.text()}" for name, model in self.models.items()]
        lines += [f"model      reference: {self.reference}"] if self.reference else []
        first, *rest = self.start.lines()
        lines += [f"start      student: {first}", *(f"           {line}" for line in rest)]
        lines += [f"phase      {name}: {phase.text()}" for name, phase in self.phases.items()]
        lines += [
            f"weights    {name}: {PICKLED}, read as tensors alone; safetensors are preferred"
            for name in self.pickled
        ]
        lines += [f"cache      {cache}"]
        lines += [
            f"input      {name}: max_length cuts {share:.1%} of the training rows"
            f"{_counted(self.cut[name])}"
            for name, share in self.truncated.items()
        ]
        lines += fit_lines(self.pieces)
        lines += [f"input      {name}: {one}" for name, said in self.notes.items() for one in said]
        lines += [
            f"leak       {count:,} {'row stands' if count == 1 else 'rows stand'} in {pair}"
            for pair, count in self.leaks.items()
        ]
        return "\n".join(map(shown, lines))

    def _row_lines(self) -> Iterator[str]:
        if self.distinct == self.rows:
            rows = ", ".join(f"{split} {count:,}" for split, count in self.rows.items())
            yield f"rows       {rows}"
        else:
            yield from self._counted_lines()
        yield from (f"rows       {line}" for line in (*self.made, *self.left_out))

    def _counted_lines(self) -> Iterator[str]:
        for split, count in self.rows.items():
            yield f"rows       {split}: {count:,} rows, {self.distinct[split]:,} distinct"


def plan_of(loaded: LoadedRecipe, *, allow_code: bool = False) -> Plan:
    """Read a recipe's data and say what would happen.  Trains nothing, writes nothing.

    Args:
        loaded: the recipe.
        allow_code: whether code may run that it names.

    Raises:
        RecipeError: code that may not run; all problems of the data, with file and line; else all
            nets that do not fit.
        DataError: a source that cannot be opened.
    """
    require_code_allowed(loaded, allow_code)
    recipe = loaded.recipe
    data = prepare_data(loaded)
    require_sound(loaded, data)
    inputs = student_inputs(recipe, data.rows["train"], data.learned)
    require_pieces(data, inputs)
    rehearsed = rehearse(loaded, list(data.tasks.values()), inputs, data.learned)
    given = require_given(loaded, data, allow_code=allow_code)
    cut = cut_rows(data, inputs)
    return Plan(
        name=recipe.name,
        rows={split: len(rows) for split, rows in data.rows.items()},
        distinct=_distinct(data),
        held_out=_held_out(recipe),
        tasks=_tasks(recipe, data),
        models={**given, **_models(recipe, data, rehearsed.sizes)},
        start=rehearsed.start,
        cache_bytes=sum(_cache_bytes(recipe, data, split) for split in SPLITS),
        uncounted=_uncounted(recipe, data),
        truncated={name: splits["train"].share for name, splits in cut.items()},
        cut=cut,
        leaks=_leaks(data),
        pieces=piece_fits(data, recipe, inputs),
        left_out=tuple(left_out(data.rows["train"])),
        made=tuple(made_rows(data.rows["train"])),
        notes=_notes(inputs, recipe, data.learned),
        reference=told_kind(recipe),
        phases={name: phase for name, phase in _phases(recipe, data).items() if name},
        pickled=tuple(_pickled(recipe)),
    )


def _counted(cut: Mapping[str, Cut]) -> str:
    """How many rows of each split are cut, where any is."""
    if not any(one.cut for one in cut.values()):
        return ""
    return "".join([": ", ", ".join(f"{one.text()} in {split}" for split, one in cut.items())])


def _pickled(recipe: Recipe) -> Iterator[str]:
    """Models that start from a folder without safetensors."""
    models = {one.name: one.model for one in recipe.teachers} | {"student": recipe.student.model}
    models |= {one.name: one.model for _, one in peers_of(recipe)}
    for name, model in models.items():
        folders = [weights_of(one) for one in single_models(model).values()]
        if any(one is not None and not has_safetensors(one) for one in folders):
            yield name


def _held_out(recipe: Recipe) -> dict[str, dict[str, float]]:
    return {
        source.name: source.hold_out.shares()
        for source in recipe.data.sources
        if isinstance(source, FilePart) and source.hold_out is not None
    }


def task_lines(task: str, one: Mapping[str, Any]) -> list[str]:
    """What the plan says of a task."""
    most = f"{metric(one['metric']).scale.amount(one['max_drop'])} {one.get('unit', '')}".rstrip()
    rows, labelled = one["labelled_rows"], one["labelled"]
    counted = f"{rows:,} labelled in train" if rows == labelled else _several(one)
    head = (
        f"task       {task}: {one['kind']}, {_labels(one)}, {counted}, metric {one['metric']}, "
        f"max_drop {most}"
    )
    return [head, *(f"           {note}" for note in [*_joined(one), *one["notes"]])]


def _joined(one: Mapping[str, Any]) -> Iterator[str]:
    if "teachers" in one:
        names = ", ".join(one["teachers"]) or "nobody"
        how = f" together, joined by {one['join']}" if "join" in one else ""
        yield f"taught by {names}{how}"


def _several(one: Mapping[str, Any]) -> str:
    """A row has any number of labels, or one a word: neither count tells the other."""
    of = "1 row" if one["labelled_rows"] == 1 else f"{one['labelled_rows']:,} rows"
    return f"{one['labelled']:,} labels on {of} of train"


def _labels(one: Mapping[str, Any]) -> str:
    """How many labels there are; of values, where those of the training rows lie."""
    spread = one.get("spread")
    if spread is None:
        return f"{one['labels']} labels"
    most = f"{spread['most']:g} {one.get('unit', '')}".rstrip()
    return f"{spread['least']:g} to {most} (mean {spread['mean']:.4g})"


def _tasks(recipe: Recipe, data: Prepared) -> dict[str, dict[str, Any]]:
    specs = {str(name): spec for name, spec in data.tasks.items()}
    most = gate_of(recipe, specs).max_drop
    joined = joins(recipe, [spec.name for spec in specs.values()])
    return {
        name: {**_task(data, spec), "max_drop": most[name]}
        | _teachers(recipe, name, joined.get(spec.name))
        for name, spec in specs.items()
    }


def _teachers(recipe: Recipe, task: str, join: Join | None) -> dict[str, Any]:
    """Who teaches the student a task that several answer, and how they do it together."""
    if len(recipe.knowing(task)) < 2:
        return {}
    names = [one.name for one in recipe.teachers_of(task)]
    return {"teachers": names} | ({} if join is None else {"join": join.kind})


def _task(data: Prepared, spec: TaskSpec) -> dict[str, Any]:
    counts, check = data.train_support[spec.name], data.checks["train"]
    spread = check.spreads.get(spec.name)
    return {
        "kind": spec.kind,
        "labels": len(spec.labels),
        "labelled": sum(counts.values()) if spread is None else check.labelled_rows([spec.name]),
        "labelled_rows": check.labelled_rows([spec.name]),
        "unseen": [label for label, count in counts.items() if not count],
        "absent": absent_labels(data, spec),
        "metric": spec.metric,
        "notes": label_notes(data, spec),
    } | ({} if spread is None else {"spread": asdict(spread), "unit": spec.unit})


def _models(recipe: Recipe, data: Prepared, sizes: Mapping[str, NetSize]) -> dict[str, AnyPlan]:
    found: dict[str, AnyPlan] = {}
    steps = _steps(recipe, data)
    for teacher in recipe.teachers:
        if isinstance(teacher.model, BoostingModel) and teacher.checkpoint is None:
            found[teacher.name] = _trees(teacher, teacher.model, data)
        if teacher.train is not None:  # else a checkpoint: nothing to train
            one = _model(sizes[teacher.name], steps[teacher.name])
            found[teacher.name] = replace(one, taught_by=teacher.taught_by)
    peers = _peers(recipe, data, sizes)
    own = sizes["student"].prototypes
    student = _model(sizes["student"], steps["student"])
    found["student"] = replace(student, beside=tuple(peers), prototypes=own)
    if recipe.baseline and learns_from_others(recipe):
        found["baseline"] = replace(_model(sizes["student"], steps["baseline"]), prototypes=own)
    return found | peers


def _peers(recipe: Recipe, data: Prepared, sizes: Mapping[str, NetSize]) -> dict[str, ModelPlan]:
    """The nets that learn beside the student, with the steps of the phase that they learn in."""
    found: dict[str, ModelPlan] = {}
    phases = _phases(recipe, data)
    for phase in phases_of(recipe):
        names = ["student", *(one.name for one in phase.recipe.distill.peers)]
        for name in names[1:]:
            one = _model(sizes[name], phases[phase.name].steps)
            found[name] = replace(one, beside=tuple(other for other in names if other != name))
    return found


def _trees(teacher: Teacher, model: BoostingModel, data: Prepared) -> TreesPlan:
    """A tree an iteration for every channel; two classes share one."""
    own = [spec for name, spec in data.tasks.items() if name in teacher.tasks]
    counts = [one for spec in own for one in outputs_of(spec).values()]
    channels = sum(
        1 if one.activation == "softmax" and one.channels == 2 else one.channels for one in counts
    )
    rows = data.checks["train"].labelled_rows(teacher.tasks)
    return TreesPlan(model.max_iter * channels, model.max_leaf_nodes, rows)


def _phases(recipe: Recipe, data: Prepared) -> dict[str, PhasePlan]:
    """What each part of the student's training walks over; "" is the only one without phases."""
    labelled = data.checks["train"].any_labelled(recipe.tasks)
    found: dict[str, PhasePlan] = {}
    for phase in phases_of(recipe):
        shown = np.ones(len(labelled), np.bool_) if is_taught(phase.recipe) else labelled.copy()
        hidden = hidden_rows(phase, data.rows["train"], labelled)
        if hidden is not None:
            shown[hidden] = False
        rows, train = int(shown.sum()), phase.recipe.train
        found[phase.name] = PhasePlan(rows, train.epochs * steps_an_epoch(rows, train.batch_size))
    return found


def _steps(recipe: Recipe, data: Prepared) -> dict[str, int]:
    """Steps of the teachers that are trained, and of the student.

    A teacher walks over the rows with a label of its own tasks, one that is taught over all.  The
    baseline takes as many as the student, where the recipe does not say otherwise.
    """
    check = data.checks["train"]
    found = {"student": sum(phase.steps for phase in _phases(recipe, data).values())}
    own, labelled = recipe.baseline, check.labelled_rows(recipe.tasks)
    found["baseline"] = (
        found["student"]
        if isinstance(own, bool)
        else own.epochs * steps_an_epoch(labelled, recipe.train.batch_size)
    )
    for teacher in recipe.teachers:
        if teacher.train is not None:
            taught = bool(teacher.taught_by) and is_taught(recipe.learned_by(teacher))
            rows = check.rows if taught else check.labelled_rows(teacher.tasks)
            batches = steps_an_epoch(rows, teacher.train.batch_size)
            found[teacher.name] = teacher.train.epochs * batches
    return found


def _model(size: NetSize, steps: int) -> ModelPlan:
    return ModelPlan(size.parameters, size.embedding_parameters, steps)


def _cache_bytes(recipe: Recipe, data: Prepared, split: str) -> int:
    """fp16 logits of every row (word) of a split; training rows have them in every view."""
    check = data.checks[split]
    kept = [
        (name, one.top_k if split == "train" else None)
        for name in data.tasks
        for one in recipe.knowing(str(name))
    ]
    a_row = sum(_of_row(data, check, name, top_k) for name, top_k in kept)
    views = views_of(recipe).count if split == "train" else 1
    return check.rows * views * (a_row + _PLACE * len(recipe.teachers))


def _of_row(data: Prepared, check: SplitCheck, name: TaskName, top_k: int | None) -> int:
    """Bytes of a row; where a word has a label, of a row with as many words as the labelled."""
    spec = data.tasks[name]
    words = sum(check.labels[name].values()) / max(check.rows - check.unlabelled[name], 1)
    items = {"row": 1.0, "word": words}
    return sum(
        aligned(round(size * items.get(one.per, 0.0)))
        for one in outputs_of(spec).values()
        for size in bytes_of(one, top_k)
    )


def _uncounted(recipe: Recipe, data: Prepared) -> tuple[str, ...]:
    """Layers and maps that are cached; how large they are is not known before a net answers."""
    layers = {
        f"{one.name} {layer}"
        for one in recipe.teachers
        for layer in followed_layers(recipe, one.name)
    }
    maps = {
        f"{teacher.name} {array}"
        for array, (spec, output) in arrays_of(data.tasks.values()).items()
        if output.per not in {"row", "word"}
        for teacher in recipe.knowing(str(spec.name))
    }
    return tuple(sorted(layers | maps))


def _distinct(data: Prepared) -> dict[str, int]:
    columns, pictures = data.plan.columns, data.plan.pictures
    return {
        split: distinct(row_hashes(rows, columns, pictures=pictures))
        for split, rows in data.rows.items()
    }


def _notes(inputs: ModelInputs, recipe: Recipe, learned: Learned) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, spec in inputs.specs.items():
        files = {role: inputs.files[path] for role, path in spec.files.items()}
        found[name] = tuple(input_kind(spec.kind).notes(spec, files))
    for name in _fitted_elsewhere(recipe, learned):
        found[name] = (*found.get(name, ()), "as the net's own run fitted it, not to these rows")
    return {name: notes for name, notes in found.items() if notes}


def _fitted_elsewhere(recipe: Recipe, learned: Learned) -> Iterator[str]:
    """Inputs, "NAME of TEACHER" a teacher's, whose nets bring another fit than these rows give."""
    start = recipe.student.started_as
    loaded = [] if start is None else [("", brought_with(start.run), recipe.inputs)]
    loaded += [
        (f" of {teacher.name}", brought_by(teacher), teacher.inputs or recipe.inputs)
        for teacher in recipe.teachers
    ]
    for whose, brought, inputs in loaded:
        for name, one in inputs.items():
            if brought.fitted(name, one) not in ({}, fitted_roles(one, learned)):
                yield name + whose


def _leaks(data: Prepared) -> dict[str, int]:
    rows = {split: data.rows[split] for split in SPLITS}
    found = leaks(rows, data.plan.columns, pictures=data.plan.pictures)
    return {f"{split} and {other}": count for (split, other), count in found.items()}
