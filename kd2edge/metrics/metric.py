"""The interface of a metric: additive statistics a row, and a value from their sums."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.scale import POINTS, Scale
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth

Floats = npt.NDArray[np.float64]


class Measure(ABC):
    """What every metric says of itself.  It is a share, higher is better, unless it says otherwise.

    Rows without a label for the task count for nothing.
    """

    name: str
    #: Kinds of tasks that it is defined for.
    kinds: tuple[str, ...]
    #: In what it is told, and which way it gets worse.
    scale: Scale = POINTS
    #: Its value to this power is a mean over rows: 2 for the root of a mean of squares.
    power: int = 1

    def limits(self, spec: TaskSpec) -> tuple[float, float]:
        """The least and the largest value that it has for a task."""
        del spec
        return 0.0, 1.0

    def span(self, spec: TaskSpec, truth: Truth) -> float:
        """By how much more it may differ between two models in a row of which nothing is known.

        It is times the row's share of all rows, as a mean over rows would be.
        """
        del truth
        least, most = self.limits(spec)
        return most - least

    def require_rows(self, spec: TaskSpec, truth: Truth) -> None:
        """Refuse rows on which it has no value.

        Raises:
            DataError: it has none.
        """
        del spec, truth

    def large(self, spec: TaskSpec) -> float:
        """What is large for its values and drops: a budget that nobody stated is a share of it."""
        least, most = (0.0, 1.0) if self.scale.is_share else self.limits(spec)
        return most - least

    def strata(self, truth: Truth) -> npt.NDArray[Any] | None:
        """A stratum index ``[row]`` within which rows should be resampled, or None."""
        del truth
        return None


class Metric(Measure):
    """A metric of sums over rows."""

    #: True when rows should be resampled within the strata of :meth:`strata` (macro averages).
    stratified: bool = False

    @abstractmethod
    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """Additive statistics ``[row, k]``; those of rows without a label are zeros."""

    @abstractmethod
    def value(self, sums: Floats) -> Floats:
        """The metric from summed statistics ``[..., k]``, over the leading dimensions at once."""


class RankMetric(Measure):
    """A metric of weighted rows instead of sums (AUC)."""

    @abstractmethod
    def value_weighted(
        self, spec: TaskSpec, truth: Truth, decoded: Decoded, weights: Floats
    ) -> Floats:
        """The metric ``[resample]`` under weights ``[resample, row]``; ignores unlabelled rows.

        Args:
            spec: the task.
            truth: labels ``[row]``.
            decoded: scores of the same rows.
            weights: ``[resample, row]``.
        """
