"""Calibration: is a model that says 90 % right nine times out of ten?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kd2edge.errors import DataError
from kd2edge.metrics.items import items_of
from kd2edge.metrics.metric import Floats
from kd2edge.ragged import Ragged
from kd2edge.tasks.reject import reject_label
from kd2edge.tasks.spec import MISSING, Decoded, TaskSpec, Truth


@dataclass(frozen=True, slots=True)
class Bin:
    """Items of a confidence in ``(low, high]``: their mean confidence and the share that is right.

    An empty bin has 0 in both.
    """

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability diagram and the expected calibration error, in [0, 1], lower is better."""

    bins: tuple[Bin, ...]
    ece: float


def reliability(spec: TaskSpec, truth: Truth, decoded: Decoded, *, bins: int = 15) -> Reliability:
    """Compare confidence with accuracy in bins of equal width (Guo et al. 2017, 15 bins).

    The confidence of a decision is the probability of the decided label.  Items without a label
    and words that the length limit cut off are left out, and so are rows that a threshold rejected:
    theirs is another label's.

    Args:
        spec: the task.
        truth: labels ``[row]``, or ragged ``[word]``.
        decoded: labels and scores of the same items.
        bins: how many.

    Raises:
        DataError: no item is left.
    """
    confidence, right = _confidences(spec, truth, decoded)
    if not len(right):
        raise DataError(f"task {spec.name!r}: no row has a label, so there is nothing to measure")
    # (low, high]: a confidence of exactly 1 belongs to the last bin, one of 0 to the first.
    index = np.minimum(np.maximum(np.ceil(confidence * bins).astype(np.int64) - 1, 0), bins - 1)
    count = np.bincount(index, minlength=bins)
    held = np.maximum(count, 1)
    mean = np.bincount(index, confidence, minlength=bins) / held
    accuracy = np.bincount(index, right, minlength=bins) / held
    rows = tuple(
        Bin(k / bins, (k + 1) / bins, float(mean[k]), float(accuracy[k]), int(count[k]))
        for k in range(bins)
    )
    return Reliability(rows, float(np.sum(count * np.abs(accuracy - mean)) / len(right)))


def _confidences(spec: TaskSpec, truth: Truth, decoded: Decoded) -> tuple[Floats, Floats]:
    """Confidence and correctness (0 or 1) of every item that counts."""
    if isinstance(truth.labels, Ragged) or truth.labels.ndim == 1:
        items = items_of(truth, decoded)
        true, said = items.truth, items.decided
    else:  # several labels a row: each is an item
        true, said = (np.ravel(np.asarray(part)) for part in (truth.labels, decoded.labels))
    scores = decoded.scores.values if isinstance(decoded.scores, Ragged) else decoded.scores
    flat = np.reshape(np.asarray(scores, dtype=np.float64), (len(true), -1))  # [item, 1 or C]
    counts = (true != MISSING) & (said >= 0)
    if (label := reject_label(spec)) is not None:
        counts &= (said != label) | (flat.argmax(axis=1) == label)
    chosen, decided = flat[counts], said[counts]
    if flat.shape[1] == 1:  # of yes alone
        confidence = np.where(decided == 1, chosen[:, 0], 1 - chosen[:, 0])
    else:
        confidence = chosen[np.arange(len(chosen)), decided]
    return confidence, (true[counts] == decided).astype(np.float64)
