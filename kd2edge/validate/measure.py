"""Runs the rows of a split through every artefact at once, and finds what each is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.bundle.store import Bundle
from kd2edge.errors import BackendError, InputError, UsageError
from kd2edge.inputs.kind import Encoder
from kd2edge.runtime.batches import merged
from kd2edge.runtime.golden import golden_arrays
from kd2edge.runtime.model import Model
from kd2edge.runtime.progress import OnProgress, Progress
from kd2edge.tasks.spec import Decoded, TaskSpec
from kd2edge.validate.numbers import Sample
from kd2edge.validate.reference import Reference
from kd2edge.validate.selection import concatenated, decoded_rows, joined, rows_of, truth_rows
from kd2edge.validate.split import Split, matches
from kd2edge.validate.tasks import Budget, task_result
from kd2edge.validate.validation import TaskResult

__all__ = ["Measured", "measured", "sample_of", "usual_values"]

#: Rows in one forward pass.
BATCH = 32

Indices = npt.NDArray[np.int64]
AllDecoded = Mapping[str, Decoded]


@dataclass(frozen=True, slots=True)
class Measured:
    """Level 3 of one artefact; ``failure`` says why it did not get through all rows."""

    tasks: Mapping[str, TaskResult] = field(default_factory=dict)
    failure: str = ""


def measured(
    models: Mapping[str, Model],
    helper: Model | None,
    split: Split,
    reference: Reference | None,
    budgets: Mapping[str, Mapping[str, Budget]],
    on_event: OnProgress,
) -> tuple[dict[str, Measured], dict[str, int]]:
    """Level 3 of every artefact, and how many rows were held against which reference.

    Args:
        models: the loaded artefacts.
        helper: the artefact that stands in for rows without a stored reference, if it runs here.
        split: the rows.
        reference: PyTorch's stored decisions, if the bundle has them.
        budgets: artefact -> task -> what is allowed.
        on_event: told about progress.

    Raises:
        UsageError: there are rows without a reference, and nothing that can stand in for it.
    """
    at = matches(reference, split)
    known, unknown = np.flatnonzero(at >= 0), np.flatnonzero(at < 0)
    if len(unknown) and helper is None:
        raise UsageError(
            f"{len(unknown)} of {len(at)} rows have no stored PyTorch output in this bundle, and "
            "the artefact onnx-fp32 cannot stand in for it here: pip install 'kd2edge[cpu]'"
        )
    run = dict(models)
    if len(unknown) and helper is not None:
        run[helper.artefact] = helper
    decoded, failures = _decoded(run, split, on_event)
    references = {"pytorch": len(known), "onnx-fp32": len(unknown)}
    if len(unknown) and helper is not None and helper.artefact in failures:
        raise BackendError(f"the reference cannot run: {failures[helper.artefact]}")
    stand_in = decoded.get(helper.artefact) if helper is not None else None
    wanted = _wanted(reference, at, known, unknown, stand_in)
    found: dict[str, Measured] = {}
    for done, name in enumerate(models, start=1):
        if name in failures:
            found[name] = Measured(failure=failures[name])
            continue
        is_helper = helper is not None and name == helper.artefact
        rows = known if is_helper else np.arange(len(at))
        found[name] = _judged(models[name].tasks, split, wanted, decoded[name], rows, budgets[name])
        on_event(Progress("statistics", done, len(models)))
    return found, references


def _wanted(
    reference: Reference | None,
    at: Indices,
    known: Indices,
    unknown: Indices,
    stand_in: AllDecoded | None,
) -> AllDecoded:
    """The reference's decisions for every row: stored ones, else the stand-in's."""
    if not len(unknown):
        assert reference is not None
        return {task: decoded_rows(part, at) for task, part in reference.decoded.items()}
    assert stand_in is not None
    if reference is None or not len(known):
        return stand_in
    return {
        task: joined(
            decoded_rows(reference.decoded[task], at[known]),
            known,
            decoded_rows(part, unknown),
            unknown,
        )
        for task, part in stand_in.items()
    }


def _decoded(
    models: Mapping[str, Model], split: Split, on_event: OnProgress
) -> tuple[dict[str, AllDecoded], dict[str, str]]:
    """Artefact -> task -> decisions for all rows; and why an artefact did not get through."""
    parts: dict[str, list[AllDecoded]] = {name: [] for name in models}
    failures: dict[str, str] = {}
    encoder = next(iter(models.values()))
    total = len(split.ids)
    for start in range(0, total, BATCH):
        stop = min(start + BATCH, total)
        encoded = encoder.encode(split.values(range(start, stop)))
        arrays = merged(encoded)
        for name, model in models.items():
            if name in failures:
                continue
            try:
                parts[name].append(model.decode(model.logits(arrays), encoded))
            except (BackendError, InputError) as error:
                failures[name] = f"failed on rows {start} to {stop - 1}: {error}"
        on_event(Progress("tasks", stop, total))
    whole = {name: _whole(batches) for name, batches in parts.items() if name not in failures}
    return whole, failures


def _whole(batches: Sequence[AllDecoded]) -> AllDecoded:
    return {task: concatenated([batch[task] for batch in batches]) for task in batches[0]}


def _judged(
    tasks: Mapping[str, TaskSpec],
    split: Split,
    wanted: AllDecoded,
    found: AllDecoded,
    rows: Indices,
    budgets: Mapping[str, Budget],
) -> Measured:
    """Compare on ``rows``: for the stand-in itself these are the rows with a stored reference."""
    if not len(rows):
        reason = "it is itself the reference: these rows have no stored PyTorch output"
        return Measured(
            {
                task: TaskResult(spec.metric, "not_run", reason, budgets[task].max_drop)
                for task, spec in tasks.items()
            }
        )
    names = [(row, split.ids[row]) for row in map(int, rows)]
    inputs = split.inputs_of_rows[rows]
    return Measured(
        {
            task: task_result(
                spec,
                truth_rows(split.truths[task], rows),
                decoded_rows(wanted[task], rows),
                decoded_rows(found[task], rows),
                names,
                inputs,
                budgets[task],
            )
            for task, spec in tasks.items()
        }
    )


def usual_values(split: Split | None, encoders: Mapping[str, Encoder]) -> dict[str, Any]:
    """An ordinary raw value of every input: the first row's, else the first edge of its encoder."""
    if split is not None:
        return {name: values[0] for name, values in split.values([0]).items()}
    return {name: next(iter(part.edge_values().values())) for name, part in encoders.items()}


def sample_of(
    bundle: Bundle,
    encoders: Mapping[str, Encoder],
    split: Split | None,
    reference: Reference | None,
) -> Sample | None:
    """Rows with PyTorch's whole logits: the reference's first rows, else the golden ones."""
    if split is not None and reference is not None:
        at = matches(reference, split)
        positions = np.flatnonzero((at >= 0) & (at < reference.full))
        if len(positions):
            return _stored_sample(encoders, split, reference, positions, at[positions])
    return _golden_sample(bundle)


def _stored_sample(
    encoders: Mapping[str, Encoder],
    split: Split,
    reference: Reference,
    positions: Indices,
    places: Indices,
) -> Sample:
    values = split.values([int(position) for position in positions])

    def encode(start: int, stop: int) -> Any:
        encoded = {name: part.encode(values[name][start:stop]) for name, part in encoders.items()}
        starts = {
            name: part.word_starts for name, part in encoded.items() if part.word_starts is not None
        }
        return merged(encoded), starts

    logits = {task: rows_of(part, places) for task, part in reference.logits.items()}
    return Sample(encode, len(positions), logits)


def _golden_sample(bundle: Bundle) -> Sample | None:
    if not bundle.manifest.golden:
        return None
    arrays, outputs = golden_arrays(bundle.read(bundle.manifest.golden))

    def encode(start: int, stop: int) -> Any:
        return {name: array[start:stop] for name, array in arrays.items()}, {}

    return Sample(encode, len(next(iter(arrays.values()))), outputs)
