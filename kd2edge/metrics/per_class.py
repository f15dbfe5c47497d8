"""Precision, recall, F1 and support of every class, and the confusion matrix behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kd2edge.metrics.counts import counts_of
from kd2edge.metrics.items import Ints, items_of
from kd2edge.metrics.ratio import ratio
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class of a task; ``support`` counts its labelled items (rows, or words)."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


def confusion(spec: TaskSpec, truth: Truth, decoded: Decoded) -> Ints:
    """How often each true class ``[row]`` was decided as each class ``[column]``: ``[C, C]``.

    Items without a label are left out, and so are words that the length limit cut off.
    """
    items = items_of(truth, decoded).labelled()
    classes = len(spec.labels)
    decided = items.decided >= 0
    flat = items.truth[decided] * classes + items.decided[decided]
    counts = np.bincount(flat, minlength=classes * classes)
    return np.reshape(counts, (classes, classes)).astype(np.int64)


def per_class(spec: TaskSpec, truth: Truth, decoded: Decoded) -> tuple[ClassScore, ...]:
    """Scores of every class in the order of ``spec.labels``; 0 where a class occurs nowhere.

    A word that the length limit cut off counts in the support of its class, as missed.
    """
    found = counts_of(truth, decoded, len(spec.labels))
    right, support, claimed = (part.sum(axis=0) for part in found)
    precision, recall = ratio(right, claimed), ratio(right, support)
    f1 = ratio(2 * right, claimed + support)
    return tuple(
        ClassScore(label, float(precision[k]), float(recall[k]), float(f1[k]), int(support[k]))
        for k, label in enumerate(spec.labels)
    )
