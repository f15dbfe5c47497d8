"""Levels of ordinal tasks as numbers: the first label is 0."""

from __future__ import annotations

import numpy as np

from kd2edge.metrics.metric import Floats
from kd2edge.tasks.spec import MISSING, Decoded, TaskSpec, Truth


def level_columns(spec: TaskSpec, truth: Truth, decoded: Decoded) -> tuple[Floats, Floats, Floats]:
    """Whether a row is labelled (1 or 0), its level, and the decided one, ``[row]`` each.

    Unlabelled rows are 0 in all; where nothing was decided, the level is the one furthest off.
    """
    labels, decided = np.asarray(truth.labels), np.asarray(decoded.labels)
    has = labels != MISSING
    furthest = np.where(2 * labels < len(spec.labels) - 1, len(spec.labels) - 1, 0)
    said = np.where(decided < 0, furthest, decided)
    return has.astype(np.float64), np.where(has, labels, 0.0), np.where(has, said, 0.0)
