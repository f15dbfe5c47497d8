"""How clear a decision was, and whether equal inputs were decided alike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import Decoded, TaskSpec

__all__ = ["TIE", "contradictions", "margins"]

#: A margin of probabilities that rounding can turn: logits that may each be off by 1e-4 move a
#: probability by at most 5e-5, and the reference keeps scores in fp16, whose step is 5e-4 below 1.
TIE = 1e-3


def margins(spec: TaskSpec, decoded: Decoded) -> npt.NDArray[np.float64]:
    """How far each decision was ahead of the next best one, in probability: ``[item]``."""
    raw = decoded.scores.values if isinstance(decoded.scores, Ragged) else decoded.scores
    scores = np.nan_to_num(np.asarray(raw, np.float64))
    if scores.ndim == 1:
        return np.abs(scores - float(spec.decode.get("threshold", 0.5)))
    if scores.shape[-1] < 2:
        return np.ones(len(scores))
    best = np.partition(scores, -2, axis=-1)
    return best[:, -1] - best[:, -2]


def contradictions(
    hashes: npt.NDArray[np.uint64], decoded: Mapping[str, Decoded], specs: Mapping[str, TaskSpec]
) -> dict[str, tuple[int, int]]:
    """Task -> two rows of one input that were decided otherwise, where that was no tie.

    A model decides equal inputs alike; whose outputs do not were put together from several.
    """
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse] != np.arange(len(hashes)))
    found: dict[str, tuple[int, int]] = {}
    for task, part in decoded.items():
        clear = margins(specs[task], part) > TIE
        for row in map(int, again):
            other = int(first[inverse[row]])
            if _differ(part, clear, row, other):
                found[task] = (other, row)
                break
    return found


def _differ(decoded: Decoded, clear: npt.NDArray[np.bool_], one: int, other: int) -> bool:
    labels = decoded.labels
    if not isinstance(labels, Ragged):
        return bool(labels[one] != labels[other] and (clear[one] or clear[other]))
    mine, its = labels.row(one), labels.row(other)
    if len(mine) != len(its):
        return True
    starts = (int(labels.offsets[one]), int(labels.offsets[other]))
    sure = np.logical_or(*(clear[start : start + len(mine)] for start in starts))
    return bool(((mine != its) & sure).any())
