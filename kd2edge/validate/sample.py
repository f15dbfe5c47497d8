"""Rows that stand for a split: those with PyTorch's whole logits, and one ordinary value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kd2edge.bundle.store import Bundle
from kd2edge.errors import BackendError, InputError, IntegrityError
from kd2edge.inputs.absent import first_there
from kd2edge.inputs.encoder import Encoder
from kd2edge.inputs.spec import Encoded
from kd2edge.ragged import Ragged, offsets_of, taken
from kd2edge.runtime.batches import merged
from kd2edge.runtime.golden import golden_arrays
from kd2edge.runtime.probes import Group
from kd2edge.runtime.self_test import probes_of
from kd2edge.tasks.outputs import arrays_of
from kd2edge.tasks.spec import Output, TaskSpec
from kd2edge.validate.candidate import Loaded
from kd2edge.validate.numbers import Indices, Sample
from kd2edge.validate.reference import Reference
from kd2edge.validate.split import Split, matches

__all__ = ["golden_samples", "samples_of", "usual_values"]


def usual_values(split: Split | None, encoders: Mapping[str, Encoder]) -> dict[str, Any]:
    """An ordinary raw value of every input: the first that a row has, else an edge of its encoder.

    An input that may be absent can be so in the first row.
    """
    found: dict[str, Any] = {}
    for row in range(0 if split is None else len(split.ids)):
        assert split is not None
        values = {name: column[0] for name, column in split.values([row]).items()}
        found = {name: one for name, one in values.items() if one is not None} | found
        if found.keys() == encoders.keys():
            return found
    edges = {name: first_there(one, one.edge_values().values()) for name, one in encoders.items()}
    return edges | found


def samples_of(
    one: Loaded, split: Split | None, reference: Reference | None, golden: Sequence[Sample]
) -> tuple[Sample, ...]:
    """Rows with PyTorch's whole logits: the reference's first, and golden ones for other tasks.

    Args:
        one: the artefact that is asked.
        split: the rows that are judged; None: golden ones alone.
        reference: the stored outputs; None: golden ones alone.
        golden: samples of the bundle's golden files.
    """
    heads = arrays_of(one.first.tasks.values())
    found: list[Sample] = []
    if split is not None and reference is not None:
        at = matches(reference, split)
        positions = np.flatnonzero((at >= 0) & (at < reference.full))
        if len(positions):
            found.append(_stored_sample(one, split, reference, positions, at[positions]))
    for other in golden:
        known = {name for sample in found for name in sample.logits}
        left = {name: part for name, part in other.logits.items() if name in heads}
        left = {name: part for name, part in left.items() if name not in known}
        if left:
            found.append(Sample(other.encode, other.rows, left))
    return tuple(found)


def golden_samples(bundle: Bundle, encoders: Mapping[str, Encoder]) -> tuple[Sample, ...]:
    """What is golden in a bundle: rows, and raw values."""
    found = (_golden_sample(bundle), _probed_sample(bundle, encoders))
    return tuple(one for one in found if one is not None)


def _stored_sample(
    one: Loaded,
    split: Split,
    reference: Reference,
    positions: Indices,
    places: Indices,
) -> Sample:
    values = split.values([int(position) for position in positions])
    logits = {name: taken(part, places) for name, part in reference.logits.items()}
    return Sample(_encoding(one.encode, values), len(positions), logits)


def _encoding(
    encode: Callable[[Mapping[str, Sequence[Any]]], Mapping[str, Encoded]],
    values: Mapping[str, Sequence[Any]],
) -> Callable[[Sequence[int]], Any]:
    """From the numbers of some rows to their arrays and words."""

    def of(rows: Sequence[int]) -> Any:
        encoded = encode({name: [column[row] for row in rows] for name, column in values.items()})
        return merged(encoded), encoded

    return of


def _probed_sample(bundle: Bundle, encoders: Mapping[str, Encoder]) -> Sample:
    """Golden raw values, as far as they can be encoded here."""
    try:
        probed = probes_of(bundle)
    except IntegrityError:  # the check of what is golden says so
        probed = None
    groups = [
        group
        for group in (probed.groups if probed else ())
        if group.outputs and group.values.keys() == encoders.keys() and _are_taken(encoders, group)
    ]
    values = {name: [one for group in groups for one in group.values[name]] for name in encoders}
    names = set.intersection(*(set(group.outputs) for group in groups)) if groups else set[str]()
    known = arrays_of(bundle.manifest.tasks.values())
    logits = {name: _all_logits(known.get(name), name, groups) for name in sorted(names)}

    def encode(some: Mapping[str, Sequence[Any]]) -> dict[str, Encoded]:
        return {name: part.encode(some[name]) for name, part in encoders.items()}

    return Sample(_encoding(encode, values), sum(len(group.names) for group in groups), logits)


def _are_taken(encoders: Mapping[str, Encoder], group: Group) -> bool:
    try:
        for name, encoder in encoders.items():
            encoder.encode(group.values[name])
    except (BackendError, InputError):
        return False
    return True


def _all_logits(what: tuple[TaskSpec, Output] | None, name: str, groups: Sequence[Group]) -> Any:
    """One array of a head for all rows, ragged where it labels words."""
    whole = np.concatenate([group.outputs[name] for group in groups])
    if what is None or what[1].per not in {"word", "frame"}:
        return whole
    spec, output = what
    if output.per == "frame":
        counts = np.concatenate([output.frames(group.lengths[spec.input]) for group in groups])
        return Ragged(whole, offsets_of(counts))
    lengths = [np.diff(group.starts[spec.input].offsets) for group in groups]
    return Ragged(whole, np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64))


def _golden_sample(bundle: Bundle) -> Sample | None:
    if not bundle.manifest.golden:
        return None
    arrays, outputs = golden_arrays(bundle.read(bundle.manifest.golden))

    def encode(rows: Sequence[int]) -> Any:
        return {name: array[np.array(rows)] for name, array in arrays.items()}, {}

    return Sample(encode, len(next(iter(arrays.values()))), outputs)
