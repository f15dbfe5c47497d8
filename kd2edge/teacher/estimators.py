"""What scikit-learn's estimators learn of a task's labels, and what their word is as logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.tasks import settings as decode
from kd2edge.tasks.spec import TaskSpec, Truth, is_stated

__all__ = ["FORMS", "Form", "among_all", "labels_of", "nothing_to_learn", "odds_of_all"]

Array = npt.NDArray[Any]

#: How estimators answer: with log-odds by channel, with a distribution over classes, with a value.
Form = Literal["chance", "distribution", "value"]
#: Task kind -> how its estimators answer.
FORMS: Mapping[str, Form] = {
    "binary": "chance",
    "classification": "distribution",
    "multi_label": "chance",
    "ordinal": "distribution",
    "regression": "value",
}
#: Rows of a class that training never showed, for its chance: more than none, less than one.
_UNSEEN = 0.5


def labels_of(task: TaskSpec, truth: Truth) -> tuple[Array, npt.NDArray[np.bool_]]:
    """What estimators learn ``[row, estimator]``, of values as nets give them; and which are known.

    Args:
        task: of whole rows.
        truth: what the data says of them.
    """
    labels = np.asarray(truth.first)
    labels = labels[:, None] if labels.ndim == 1 else labels
    known = np.asarray(is_stated(labels).any(axis=1))
    if FORMS[task.kind] == "value":
        labels = (labels.astype(np.float64) - decode.centre(task)) / decode.spread(task)
    return labels, known


def among_all(chances: Array, classes: Array, channels: int, rows: int) -> Array:
    """Logarithms of chances ``[row, channel]`` float32 from those of the classes that were shown.

    Args:
        chances: ``[row, class]``, logarithms.
        classes: ``[class]``, the channels that they are of.
        channels: how many there are in all.
        rows: training rows that had a label; a class that they never showed has half of one.
    """
    found = np.full((len(chances), channels), np.log(_UNSEEN / rows), np.float32)
    found[:, classes] = chances
    return found


def odds_of_all(rows: int) -> float:
    """Log-odds of a label that all rows have: half a row of the other kind is counted."""
    return float(np.log((rows + _UNSEEN) / _UNSEEN))


def nothing_to_learn(task: TaskSpec, label: int) -> DataError:
    """What to say of rows of which every one has the same label."""
    return DataError(
        f"task {task.name}: every labelled training row says {task.labels[label]!r}: there is"
        " nothing to learn"
    )
