"""Rows that stand for a split: those with PyTorch's whole logits, and one ordinary value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kd2edge.bundle.store import Bundle
from kd2edge.inputs.kind import Encoder
from kd2edge.runtime.batches import merged
from kd2edge.runtime.golden import golden_arrays
from kd2edge.validate.numbers import Indices, Sample
from kd2edge.validate.reference import Reference
from kd2edge.validate.selection import rows_of
from kd2edge.validate.split import Split, matches

__all__ = ["samples_of", "usual_values"]


def usual_values(split: Split | None, encoders: Mapping[str, Encoder]) -> dict[str, Any]:
    """An ordinary raw value of every input: the first row's, else the first edge of its encoder."""
    if split is not None:
        return {name: values[0] for name, values in split.values([0]).items()}
    return {name: next(iter(part.edge_values().values())) for name, part in encoders.items()}


def samples_of(
    bundle: Bundle,
    encoders: Mapping[str, Encoder],
    split: Split | None,
    reference: Reference | None,
) -> tuple[Sample, ...]:
    """Rows with PyTorch's whole logits: the reference's first, and golden ones for other tasks."""
    found: list[Sample] = []
    if split is not None and reference is not None:
        at = matches(reference, split)
        positions = np.flatnonzero((at >= 0) & (at < reference.full))
        if len(positions):
            found.append(_stored_sample(encoders, split, reference, positions, at[positions]))
    known = {task for sample in found for task in sample.logits}
    golden = _golden_sample(bundle)
    if golden is not None:
        wanted = set(map(str, bundle.manifest.tasks)) - known
        left = {task: part for task, part in golden.logits.items() if task in wanted}
        if left:
            found.append(Sample(golden.encode, golden.rows, left))
    return tuple(found)


def _stored_sample(
    encoders: Mapping[str, Encoder],
    split: Split,
    reference: Reference,
    positions: Indices,
    places: Indices,
) -> Sample:
    values = split.values([int(position) for position in positions])

    def encode(rows: Sequence[int]) -> Any:
        encoded = {
            name: part.encode([values[name][row] for row in rows])
            for name, part in encoders.items()
        }
        starts = {
            name: part.word_starts for name, part in encoded.items() if part.word_starts is not None
        }
        return merged(encoded), starts

    logits = {
        task: rows_of(part, places)
        for task, part in reference.logits.items()
        if task in reference.decoded  # of the bundle's tasks
    }
    return Sample(encode, len(positions), logits)


def _golden_sample(bundle: Bundle) -> Sample | None:
    if not bundle.manifest.golden:
        return None
    arrays, outputs = golden_arrays(bundle.read(bundle.manifest.golden))

    def encode(rows: Sequence[int]) -> Any:
        return {name: array[np.array(rows)] for name, array in arrays.items()}, {}

    return Sample(encode, len(next(iter(arrays.values()))), outputs)
