"""Whether two ways to run the same rows gave the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.errors import BackendError, InputError
from kd2edge.metrics.kinds import metric
from kd2edge.metrics.metric import RankMetric
from kd2edge.ragged import Column, Ragged
from kd2edge.runtime.golden import relative_rms
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.outputs import all_items
from kd2edge.tasks.spec import Decoded, TaskSpec
from kd2edge.validate.candidate import Answering
from kd2edge.validate.policy import Near
from kd2edge.validate.served import Kept, Served

__all__ = ["gives_the_same", "same_decisions"]


def same_decisions(spec: TaskSpec, one: Decoded, other: Decoded) -> bool:
    """Whether the leading metric cannot tell two outputs apart: labels, or scores if it ranks."""
    decisions = [name for name, _ in one.items() if name != "scores"]
    if not all(_are_equal(one[name], other[name]) for name in decisions):
        return False
    if not isinstance(metric(spec.metric), RankMetric):
        return True
    kind = task_kind(spec.kind)  # rounded as the reference is: closer scores are equal
    packed = [kind.pack(part) for part in (one, other)]
    return all(np.array_equal(packed[0][key], packed[1][key]) for key in packed[0])


def gives_the_same(model: Answering, served: Served, near: Near) -> bool:
    """Whether a model gives, for the batches that another number of threads ran, what that gave.

    Args:
        model: the artefact with its threads.
        served: the full run of the same artefact, with other threads.
        near: what counts as the same.
    """
    return all(_same(model, kept, near) for kept in served.kept)


def _same(model: Answering, kept: Kept, near: Near) -> bool:
    try:
        outputs = model.logits(kept.arrays)
    except (BackendError, InputError):
        return False
    for spec in model.tasks.values():
        items = [all_items(spec, out, kept.encoded) for out in (kept.outputs, outputs)]
        for name in items[0]:
            wanted, found = (_values(one[name]) for one in items)
            if not _are_near(wanted, found, near):
                return False
    return True


def _are_equal(one: Column, other: Column) -> bool:
    if isinstance(one, Ragged) and isinstance(other, Ragged):
        return all(map(np.array_equal, one, other))
    return np.array_equal(_values(one), _values(other))


def _are_near(wanted: npt.NDArray[Any], found: npt.NDArray[Any], near: Near) -> bool:
    if wanted.shape != found.shape:
        return False
    asked = ~np.isnan(wanted).all(axis=-1)
    if not asked.any():
        return True
    if not np.isfinite(found[asked]).all():
        return False
    if not float(np.abs(found[asked] - wanted[asked]).max()) <= near.max_abs:
        return False
    return bool(relative_rms(wanted[asked], found[asked]) <= near.rms)


def _values(values: Column) -> npt.NDArray[Any]:
    return values.values if isinstance(values, Ragged) else values
