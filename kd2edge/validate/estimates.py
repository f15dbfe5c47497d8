"""Estimates that were worked out once: several artefacts and ways are held against one reference.

A bootstrap costs more than a forward pass, and equal decisions on equal rows have equal bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.metrics.estimate import Estimate, drop, evaluate
from kd2edge.metrics.kinds import metric
from kd2edge.metrics.metric import RankMetric
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth

__all__ = ["Estimates"]

#: Columns of what a model says that only metrics which rank look at.
_GRADED = {"scores", "scope"}

_Key = tuple[str, str, float, bytes]


@final
class Estimates:
    """Estimates by what they follow from.  Holds as many as it was asked different ones."""

    def __init__(self) -> None:
        self._known: dict[_Key, Estimate] = {}

    def evaluate(
        self,
        spec: TaskSpec,
        truth: Truth,
        decoded: Decoded,
        name: str,
        *,
        inputs: npt.NDArray[Any],
        confidence: float,
    ) -> Estimate:
        """As the function of that name.

        Args:
            spec: the task.
            truth: labels ``[row]``, or ragged ``[word]``.
            decoded: labels and scores of the same items.
            name: of the metric.
            inputs: ``[row]`` hashes of the inputs.
            confidence: of the interval.
        """
        return self._of(
            (str(spec.name), name, confidence, _digest(name, truth, inputs, decoded)),
            lambda: evaluate(spec, truth, decoded, name, inputs=inputs, confidence=confidence),
        )

    def drop(
        self,
        spec: TaskSpec,
        truth: Truth,
        models: tuple[Decoded, Decoded],
        name: str,
        *,
        inputs: npt.NDArray[Any],
        confidence: float,
    ) -> Estimate:
        """As the function of that name, of (reference, candidate).

        Args:
            spec: the task.
            truth: labels ``[row]``, or ragged ``[word]``.
            models: (reference, candidate), of the same items.
            name: of the metric.
            inputs: ``[row]`` hashes of the inputs.
            confidence: of each bound.
        """
        return self._of(
            (str(spec.name), name, confidence, _digest(name, truth, inputs, *models)),
            lambda: drop(spec, truth, *models, name, inputs=inputs, confidence=confidence),
        )

    def _of(self, key: _Key, make: Callable[[], Estimate]) -> Estimate:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = make()
        return found


def _digest(name: str, truth: Truth, inputs: npt.NDArray[Any], *models: Decoded) -> bytes:
    """What a metric sees: decisions, and what they came from where it ranks by that."""
    ranks = isinstance(metric(name), RankMetric)
    seen: list[Any] = [inputs, *(column for _, column in truth.items())]
    seen += [column for one in models for key, column in one.items() if ranks or key not in _GRADED]
    whole = blake2b(digest_size=16)
    for one in seen:
        for array in (one.values, one.offsets) if isinstance(one, Ragged) else (one,):
            whole.update(f"{array.dtype}{array.shape}".encode())
            whole.update(np.ascontiguousarray(array).data)
    return whole.digest()
