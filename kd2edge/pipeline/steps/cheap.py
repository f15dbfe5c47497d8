"""The cheap reference of a run: fitted or taken over, and what it says of the judged rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kd2edge.events import StageEvent
from kd2edge.files import fingerprint, fingerprint_file, write_atomic
from kd2edge.files.npz import npz_arrays, npz_bytes
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import InputSpec
from kd2edge.pipeline.reading.model_inputs import ModelInputs
from kd2edge.pipeline.reading.settings import boosting_settings
from kd2edge.pipeline.steps.boosting import threads_of_trees
from kd2edge.pipeline.steps.lacking import JUDGED
from kd2edge.pipeline.steps.training import (
    NetRecord,
    finished_record,
    forget_record,
    write_record,
)
from kd2edge.pipeline.steps.work import Learner, Work
from kd2edge.recipe.reference_checks import read_by_reference, told_by_reference
from kd2edge.recipe.schema import BoostedTrees, BoostingModel, Recipe, TfIdf
from kd2edge.rows.rows import Rows
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher.boosted import boosted_from, require_boostable
from kd2edge.teacher.boosted.model import arrays_of
from kd2edge.teacher.linear import LinearSettings, TextRows, linear_over_words

__all__ = ["REFERENCES", "Cheap", "cheap_reference", "require_cheap", "told_kind"]

#: Inverse strengths of regularisation that a linear model chooses from.
_STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)

Logits = Mapping[str, npt.NDArray[Any]]


#: Kind of a reference -> what people read.
REFERENCES = {"tfidf": "TF-IDF and linear models", "boosted": "boosted trees"}


class Cheap(NamedTuple):
    """A reference that was asked: its record, split -> head -> its logits, and what it is."""

    record: NetRecord
    said: Mapping[str, Logits]
    kind: str


class _Job(NamedTuple):
    stem: Path
    key: str


class _Found(NamedTuple):
    said: Mapping[str, Logits]
    parameters: int
    flops: int
    steps: int
    detail: str


def told_kind(recipe: Recipe) -> str:
    """What the recipe's reference is, for people; "" where there is none."""
    return "" if recipe.reference is None else REFERENCES[recipe.reference.kind]


def require_cheap(recipe: Recipe, inputs: ModelInputs, tasks: Sequence[TaskSpec]) -> None:
    """Refuse a table that no trees can be grown on, and a machine without scikit-learn.

    Args:
        recipe: the recipe.
        inputs: what the student reads.
        tasks: all of them.

    Raises:
        UsageError: columns that do not suit.
        ModuleNotFoundError: scikit-learn is not installed.
    """
    if recipe.reference is None:
        return
    import sklearn  # noqa: F401  (hours before it is needed)

    if isinstance(recipe.reference, BoostedTrees):
        spec = inputs.specs[_input_of(recipe)]
        files = {role: inputs.files[path] for role, path in spec.files.items()}
        told = [task for task in tasks if task.name in told_by_reference(recipe)]
        require_boostable(spec, files, told, BoostingModel().max_bins)


def _input_of(recipe: Recipe) -> str:
    assert recipe.reference is not None
    return recipe.reference.input or read_by_reference(recipe)[0]


def cheap_reference(work: Work, learner: Learner) -> Cheap | None:
    """Fit the recipe's reference, or take over what this very recipe has fitted; None: it has none.

    Args:
        work: the run.
        learner: what the student reads, and the rows as it reads them.

    Raises:
        DataError: labels that leave nothing to learn.
        IntegrityError: finished answers that were changed since.
        StorageError: disk full, no permission.
    """
    reference = work.recipe.reference
    if reference is None:
        return None
    name = _input_of(work.recipe)
    tasks = [task for task in work.tasks if task.name in told_by_reference(work.recipe)]
    job = _job(work, learner, name, tasks)
    known, kind = finished_record(job), told_kind(work.recipe)
    path = _path(job.stem)
    if known is not None:
        work.on_event(StageEvent("reference", kind, skipped=True))
        return Cheap(known, _unpacked(npz_arrays(path.read_bytes())), kind)
    forget_record(job.stem)
    work.on_event(StageEvent("reference", kind))
    began = time.monotonic()
    found = (
        _words(work, learner, name, tasks, reference)
        if isinstance(reference, TfIdf)
        else _trees(work, learner, name, tasks)
    )
    seconds = time.monotonic() - began
    work.on_event(StageEvent("reference", found.detail))
    write_atomic(path, npz_bytes(_packed(found.said)))
    digest = fingerprint_file(path)
    record = NetRecord(
        key=job.key,
        weights=digest,
        parameters=found.parameters,
        embedding_parameters=0,
        flops=found.flops,
        bytes=4 * found.parameters,
        train_seconds=seconds,
        steps=found.steps,
        files={path.name: digest},
    )
    write_record(job.stem, record)
    return Cheap(record, found.said, kind)


def _job(work: Work, learner: Learner, name: str, tasks: Sequence[TaskSpec]) -> _Job:
    assert work.recipe.reference is not None
    return _Job(
        work.run.reference,
        fingerprint(
            {
                "reference": work.recipe.reference.model_dump(mode="json"),
                "input": name,
                "strengths": _STRENGTHS,
                "seed": work.recipe.seed,
                "splits": {
                    "train": learner.splits["train"].labelled_fingerprint,
                    **{split: learner.splits[split].fingerprint for split in JUDGED},
                },
                "tasks": [replace(task, metrics=()) for task in tasks],
            }
        ),
    )


def _words(
    work: Work, learner: Learner, name: str, tasks: Sequence[TaskSpec], reference: TfIdf
) -> _Found:
    spec = work.data.inputs[name]
    labelled = np.flatnonzero(learner.splits["train"].labelled([task.name for task in tasks]))
    shown = {
        "train": _texts(work.data.rows["train"], spec, labelled),
        **{split: _texts(work.data.rows[split], spec) for split in JUDGED},
    }
    truths = {str(task.name): learner.splits["train"].truth(task.name) for task in tasks}
    train = TextRows(shown["train"], {name: one.taken(labelled) for name, one in truths.items()})
    judged = {str(task.name): learner.splits["validation"].truth(task.name) for task in tasks}
    linear = linear_over_words(
        tasks,
        train,
        TextRows(shown["validation"], judged),
        LinearSettings(reference.words, _STRENGTHS, work.recipe.seed),
    )
    strengths = ", ".join(f"{task} C {one:g}" for task, one in linear.strengths.items())
    return _Found(
        {split: linear.logits(shown[split]) for split in JUDGED},
        linear.parameters,
        0,  # as many as a text has words: next to none
        0,
        f"{len(labelled):,} labelled rows; {strengths}",
    )


def _trees(work: Work, learner: Learner, name: str, tasks: Sequence[TaskSpec]) -> _Found:
    spec, splits = learner.inputs.specs[name], learner.splits
    settings = boosting_settings(BoostingModel(), work.recipe.seed)
    with threads_of_trees(work.recipe.train.threads):
        boosted = boosted_from(spec, tasks, splits["train"], splits["validation"], settings)
    return _Found(
        {split: boosted.logits(arrays_of(splits[split], spec)) for split in JUDGED},
        boosted.numbers,
        boosted.operations(splits["validation"]),
        boosted.trees,
        f"{boosted.trees:,} trees",
    )


def _texts(rows: Rows, spec: InputSpec, at: Sequence[int] | Any = None) -> list[str]:
    """The raw texts of some rows; words stand between blanks, a text that is absent is empty."""
    kind = input_kind(spec.kind)
    found: list[str] = []
    for position in range(len(rows)) if at is None else map(int, at):
        value = kind.value(spec, rows[position], rows.root_of(position))
        found.append(" ".join(value) if isinstance(value, list) else value or "")
    return found


def _packed(said: Mapping[str, Logits]) -> dict[str, npt.NDArray[Any]]:
    return {f"{split}/{head}": one for split, part in said.items() for head, one in part.items()}


def _unpacked(arrays: Logits) -> dict[str, dict[str, npt.NDArray[Any]]]:
    found: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, one in arrays.items():
        split, head = name.split("/", 1)
        found.setdefault(split, {})[head] = one
    return found


def _path(stem: Path) -> Path:
    return stem.with_suffix(".npz")
