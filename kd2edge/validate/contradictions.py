"""Whether equal inputs were decided alike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from kd2edge.ragged import Ints, Ragged
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Decoded, TaskSpec

__all__ = ["TIE", "contradictions"]

#: A margin of probabilities that rounding can turn: logits that may each be off by 1e-4 move a
#: probability by at most 5e-5, and the reference keeps scores in fp16, whose step is 5e-4 below 1.
TIE = 1e-3


def contradictions(
    hashes: npt.NDArray[np.uint64], decoded: Mapping[str, Decoded], specs: Mapping[str, TaskSpec]
) -> dict[str, tuple[int, int]]:
    """Task -> two rows of one input that were decided otherwise, where that was no tie.

    A model decides equal inputs alike; whose outputs do not were put together from several.
    """
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse] != np.arange(len(hashes)))
    if not len(again):
        return {}
    others = first[inverse[again]].astype(np.int64)
    found: dict[str, tuple[int, int]] = {}
    for task, part in decoded.items():
        odd = _differing(specs[task], part, again, others)
        if len(odd):
            found[task] = (int(others[odd[0]]), int(again[odd[0]]))
    return found


def _differing(spec: TaskSpec, decoded: Decoded, rows: Ints, others: Ints) -> Ints:
    """Which pairs of rows were decided otherwise ``[pair]``, rising."""
    kind, mine, its = task_kind(spec.kind), decoded.taken(rows), decoded.taken(others)
    if kind.per_word and isinstance(mine.first, Ragged) and isinstance(its.first, Ragged):
        unlike = mine.first.lengths != its.first.lengths
        if unlike.any():  # other words: no items to compare
            return np.flatnonzero(unlike)
    pairs = kind.compared(spec, mine, its)
    ahead = np.maximum(kind.margins(spec, mine), kind.margins(spec, its))
    return np.unique(pairs.rows[pairs.differ & (ahead > TIE)])
