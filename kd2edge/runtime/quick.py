"""Answers of one label a row, straight from the logits: the hot path of a request.

`decode` works out the probability of every class, `answers` picks one of them; and a NumPy call on
ten numbers takes two microseconds once a forward pass has emptied the caches.  So few rows go
through plain Python and more of them through as few NumPy calls as will do.  Each function says the
same as its task kind, or None where that needs more care (NaN, a score on the threshold).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.tasks.settings import temperature, threshold, top_k
from kd2edge.tasks.spec import TaskSpec

#: Logits ``[row, channel]`` -> what ``predict`` answers, or None: ask the task kind.
Quick = Callable[[npt.NDArray[Any]], "list[Any] | None"]

# Up to this many logits plain Python is quicker than NumPy.
_FEW = 160
# Task kinds decide in another way: this close to the threshold theirs has the say.
_CLOSE = 1e-6
#: exp() of this, and the sum over thousands of them, is an ordinary number in single precision.
_LARGEST = 60.0


def classification(spec: TaskSpec) -> Quick | None:
    """The likeliest label and its probability; None for tasks that answer with several labels.

    The task kind subtracts the peak before exp(), which matters where exp() would overflow in
    double precision.  A trained net's logits never do: this saves it, and leaves such rows to it.
    """
    if top_k(spec, None) != 1:
        return None
    names, scale = spec.labels, 1.0 / temperature(spec)
    largest = _LARGEST / scale
    # Single precision where the logits have it: exp() of doubles takes seven times as long.
    width = np.float32 if scale == 1.0 else np.float64

    def few(logits: npt.NDArray[Any]) -> list[Any] | None:
        if scale != 1.0:
            logits = np.multiply(logits, scale, dtype=np.float64)
        found: list[Any] = []
        for row, label in zip(logits.tolist(), logits.argmax(1).tolist()):  # noqa: B905
            if not -_LARGEST < row[label] < _LARGEST:  # also NaN, which argmax takes for a peak
                return None
            score = exp(row[label]) / sum(map(exp, row))
            found.append([{"label": names[label], "score": score}])
        return found

    def many(logits: npt.NDArray[Any]) -> list[Any] | None:
        peaks = np.maximum.reduce(logits, 1).tolist()
        # A sum tells NaN, which minimum and maximum of Python may pass over.
        if not (isfinite(sum(peaks)) and max(peaks) < largest and min(peaks) > -largest):
            return None
        scaled = logits if scale == 1.0 else np.multiply(logits, scale, dtype=np.float64)
        powers = np.exp(scaled, dtype=width)
        # The peak's power out of those that are summed: another exp() could give more than 1.
        tops, totals = np.maximum.reduce(powers, 1).tolist(), np.add.reduce(powers, 1).tolist()
        labels = logits.argmax(1).tolist()
        return [
            [{"label": names[label], "score": top / total}]
            for label, top, total in zip(labels, tops, totals)  # noqa: B905  (one of each a row)
        ]

    return lambda logits: few(logits) if logits.size <= _FEW else many(logits)


def binary(spec: TaskSpec) -> Quick:
    """The positive label's probability, and the label decided on."""
    names, scale, limit = spec.labels, 1.0 / temperature(spec), threshold(spec)

    def answers(logits: npt.NDArray[Any]) -> list[Any] | None:
        found: list[Any] = []
        for logit in logits[:, 0].tolist():
            power = -logit * scale
            if not power < _LARGEST:  # also NaN; exp() of more is an error in Python
                return None
            score = 1.0 / (1.0 + exp(power))
            if abs(score - limit) < _CLOSE:
                return None
            found.append({"score": score, "label": names[score > limit]})
        return found

    return answers


#: Task kind -> its quick answers; a kind that is not here always takes the long way.
QUICK: Mapping[str, Callable[[TaskSpec], Quick | None]] = {
    "binary": binary,
    "classification": classification,
}
