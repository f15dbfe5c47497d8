"""The interface of a metric: additive statistics a row, and a value from their sums."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.tasks.spec import Decoded, TaskSpec, Truth

Floats = npt.NDArray[np.float64]


class Metric(ABC):
    """A metric in [0, 1], higher is better.

    Rows without a label for the task contribute zeros, so partial labels need no special care.
    """

    name: str
    #: Kinds of tasks that it is defined for.
    kinds: tuple[str, ...]
    #: True when rows should be resampled within the strata of :meth:`strata` (macro averages).
    stratified: bool = False

    @abstractmethod
    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """Additive statistics ``[row, k]``."""

    @abstractmethod
    def value(self, sums: Floats) -> Floats:
        """The metric from summed statistics ``[..., k]``, over the leading dimensions at once."""

    def strata(self, truth: Truth) -> npt.NDArray[Any] | None:
        """A stratum index ``[row]`` for stratified resampling, or None."""
        del truth
        return None


class RankMetric(ABC):
    """A metric in [0, 1], higher is better, of weighted rows instead of sums (AUC)."""

    name: str
    #: Kinds of tasks that it is defined for.
    kinds: tuple[str, ...]

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

    def strata(self, truth: Truth) -> npt.NDArray[Any] | None:
        """A stratum index ``[row]`` within which rows should be resampled, or None."""
        del truth
        return None
