"""Decisions as small arrays: every label exactly, the best scores in fp16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.tasks.probabilities import Decisions, best_of

Arrays = dict[str, npt.NDArray[Any]]


def pack(decisions: Decisions, top_k: int) -> Arrays:
    """``labels`` ``[item]``, ``top_labels`` and ``top_scores`` ``[item, k]``."""
    best = best_of(decisions, top_k)
    return {
        "labels": decisions.labels.astype(np.int32),
        "top_labels": best.labels.astype(np.int32),
        "top_scores": best.scores.astype(np.float16),
    }


def unpack(arrays: Mapping[str, npt.NDArray[Any]], classes: int) -> Decisions:
    """What :func:`pack` kept; scores ``[item, classes]`` below the best ones are zero."""
    labels = arrays["labels"].astype(np.int64)
    scores = np.zeros((len(labels), classes), dtype=np.float32)
    np.put_along_axis(
        scores, arrays["top_labels"].astype(np.int64), arrays["top_scores"].astype(np.float32), 1
    )
    return Decisions(labels, scores)
