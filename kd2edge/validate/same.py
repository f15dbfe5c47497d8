"""Whether two ways to run the same rows gave the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.errors import BackendError, InputError
from kd2edge.metrics.kinds import metric
from kd2edge.metrics.metric import RankMetric
from kd2edge.ragged import Ragged
from kd2edge.runtime.golden import relative_rms
from kd2edge.runtime.model import Model
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Decoded, TaskSpec
from kd2edge.validate.served import Kept, Logits, Served, task_logits
from kd2edge.verdict import FP32_TOLERANCE

__all__ = ["gives_the_same", "same_decisions"]

#: Share of the outputs' size by which rounding may move those of a quantized graph.
_ROUNDING = 0.01


def same_decisions(spec: TaskSpec, one: Decoded, other: Decoded) -> bool:
    """Whether the leading metric cannot tell two outputs apart: labels, or scores if it ranks."""
    if not np.array_equal(_values(one.labels), _values(other.labels)):
        return False
    if not isinstance(metric(spec.metric), RankMetric):
        return True
    kind = task_kind(spec.kind)  # rounded as the reference is: closer scores are equal
    packed = [kind.pack(part) for part in (one, other)]
    return all(np.array_equal(packed[0][key], packed[1][key]) for key in packed[0])


def gives_the_same(model: Model, served: Served, *, precise: bool) -> bool:
    """Whether a model gives, for the batches that another number of threads ran, what that gave.

    Args:
        model: the artefact with its threads.
        served: the full run of the same artefact, with other threads.
        precise: it claims to be PyTorch's own graph.
    """
    return all(_same(model, kept, precise=precise) for kept in served.kept)


def _same(model: Model, kept: Kept, *, precise: bool) -> bool:
    try:
        outputs = model.logits(kept.arrays)
    except (BackendError, InputError):
        return False
    for task, spec in model.tasks.items():
        logits = [task_logits(spec, out[task], kept.encoded) for out in (kept.outputs, outputs)]
        wanted, found = map(_values, logits)
        if wanted.shape != found.shape:
            return False
        asked = ~np.isnan(wanted).all(axis=-1)
        if not asked.any():
            continue
        if not np.isfinite(found[asked]).all():
            return False
        if precise:
            close = float(np.abs(found[asked] - wanted[asked]).max()) <= FP32_TOLERANCE
        else:
            close = relative_rms(wanted[asked], found[asked]) <= _ROUNDING
        if not close:
            return False
    return True


def _values(values: Logits) -> npt.NDArray[Any]:
    return values.values if isinstance(values, Ragged) else values
