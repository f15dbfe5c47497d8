"""From logits to decisions and probabilities, computed in float64 and kept in float32.

Decisions compare logits, not probabilities: rounding never moves one.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import Decoded

Floats = npt.NDArray[np.floating[Any]]
Scores = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

#: exp() of more overflows; the probability is zero to anybody.
_LARGEST = 700.0


class Decisions(NamedTuple):
    """Decided classes and the probability of every class.

    ``labels`` is -1, with zero scores, where the logits say nothing (NaN, +inf, all -inf).
    """

    labels: Labels  # [item]
    scores: Scores  # [item, C]; binary: [item]


class Best(NamedTuple):
    """The likeliest classes, best first; the decided one leads whatever ties there are."""

    labels: Labels  # [item, k]
    scores: Scores  # [item, k]


def row_decisions(decoded: Decoded) -> Decisions:
    """The arrays of a task that decides a row.

    Raises:
        ValueError: decisions over words.
    """
    labels, scores = decoded.labels, decoded.scores
    if isinstance(labels, Ragged) or isinstance(scores, Ragged):
        raise ValueError("expected one decision a row, found decisions over words")
    return Decisions(labels, scores)


def word_decisions(decoded: Decoded) -> Decisions:
    """The arrays of a task that decides every word, those of all rows in one.

    Raises:
        ValueError: decisions over rows.
    """
    labels, scores = decoded.labels, decoded.scores
    if isinstance(labels, Ragged) and isinstance(scores, Ragged):
        decided: npt.NDArray[Any] = labels.values
        probabilities: npt.NDArray[Any] = scores.values
        return Decisions(decided, probabilities)
    raise ValueError("expected decisions over words, found one a row")


def softmax_decisions(logits: Floats, temperature: float) -> Decisions:
    """Largest logit (of equal ones the first) and softmax(logits / temperature) ``[item, C]``."""
    values = logits.astype(np.float64)
    peaks = values.max(axis=1, keepdims=True)  # [item, 1]; NaN where a row has any
    valid = np.isfinite(peaks)
    if not valid.all():
        return _without_invalid(values, valid[:, 0], temperature)
    scores = np.exp((values - peaks) / temperature)
    scores /= scores.sum(axis=1, keepdims=True)
    return Decisions(logits.argmax(axis=1), scores.astype(np.float32))


def _without_invalid(
    values: npt.NDArray[np.float64], valid: npt.NDArray[np.bool_], temperature: float
) -> Decisions:
    labels = np.full(len(values), -1, dtype=np.int64)
    scores = np.zeros(values.shape, dtype=np.float32)
    if valid.any():
        labels[valid], scores[valid] = softmax_decisions(values[valid], temperature)
    return Decisions(labels, scores)


def sigmoid_decisions(logits: Floats, temperature: float, threshold: float) -> Decisions:
    """Class 1 where sigmoid(logits / temperature) reaches ``threshold``; scores ``[item]``."""
    values = logits.astype(np.float64)
    scores = 1.0 / (1.0 + np.exp(np.minimum(-values / temperature, _LARGEST)))
    labels = (values >= border(temperature, threshold)).astype(np.int64)
    invalid = np.isnan(values)
    labels[invalid] = -1
    scores[invalid] = 0.0
    return Decisions(labels, scores.astype(np.float32))


def border(temperature: float, threshold: float) -> float:
    """The logit from which on a yes is decided."""
    return temperature * _logit(threshold)


def _logit(probability: float) -> float:
    """The logit whose sigmoid is ``probability``."""
    if 0.0 < probability < 1.0:
        return math.log(probability / (1.0 - probability))
    return -math.inf if probability <= 0.0 else math.inf


def decided_scores(decisions: Decisions) -> list[float]:
    """Probability of each decided class; 0.0 for none."""
    labels, scores = decisions
    return scores[np.arange(len(labels)), labels].tolist()


def best_of(decisions: Decisions, top_k: int) -> Best:
    """The ``top_k`` classes of each item, or all when there are fewer."""
    labels, scores = decisions
    order = -scores
    # The decided class first: two logits can differ and still round to one probability.
    order[np.arange(len(labels)), labels] = -np.inf
    best = order.argsort(axis=1, kind="stable")[:, :top_k]
    return Best(best, np.take_along_axis(scores, best, axis=1))
