"""What a task is: its kind, its labels and how its logits become a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

import numpy as np
import numpy.typing as npt

from kd2edge.ragged import Ragged

TaskName = NewType("TaskName", str)

#: A target that is not there: the row lacks this task's label, or the position is padding.
MISSING = -100
#: The label of the one object that stands for an empty list: somebody looked, and nothing is there.
NOTHING = -1


def class_indices(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Class indices ``[item]`` of targets: themselves, or the first number of each object."""
    return values[:, 0] if values.ndim == 2 else values


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task of a model, as the manifest, the report and the training share it.

    Args:
        name: the task's name; also the name of its graph output.
        kind: ``classification``, ``binary`` or ``token_classification``.
        labels: names in the order of the logits; for ``binary`` (negative, positive).
        metric: the metric that the gate and the tables lead with (a name in ``metrics``).
        metrics: every metric that the report computes, ``metric`` included.
        column: the column of the data that holds the label.
        input: the input whose words a token-level task labels; "" for row-level tasks.
        decode: settings of the decision (``threshold`` for binary, ``top_k``, ``temperature``).
    """

    name: TaskName
    kind: str
    labels: tuple[str, ...]
    metric: str
    metrics: tuple[str, ...] = ()
    column: str = ""
    input: str = ""
    decode: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Truth:
    """What the data says of one task for a split: class indices, ``MISSING`` where unlabelled.

    ``labels`` is ``[row]`` for row-level tasks and ragged over words for token-level ones.
    """

    labels: npt.NDArray[np.int64] | Ragged


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a model says of one task for some rows.

    Args:
        labels: the decided class index, ``[row]`` or ragged over words; -1 for no decision (a word
            that was cut off, logits of NaN).
        scores: probabilities ``[row, label]`` or ragged ``[word, label]``; for binary ``[row]``.
    """

    labels: npt.NDArray[np.int64] | Ragged
    scores: npt.NDArray[np.float32] | Ragged
