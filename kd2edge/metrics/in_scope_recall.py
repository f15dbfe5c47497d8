"""Recall in scope: the share of rows with another label than the reject one that are answered."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.metrics.scope import rejecting, require_some, shares, span_of
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth


@final
class InScopeRecall(Metric):
    """Rows in scope that are not rejected, over rows in scope; which label they get is not asked.

    What ``in_scope_recall`` of a task's ``reject`` aims at; one less the false alarms.
    """

    name = "in_scope_recall"
    kinds = ("classification",)

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 2]``: rows in scope that are answered, rows in scope."""
        decided = np.asarray(decoded.labels)
        answered = (decided >= 0) & (decided != rejecting(spec, self.name))
        return shares(truth, self._own(spec, truth), answered, decoded)

    def value(self, sums: Floats) -> Floats:
        return ratio(sums[..., 0], sums[..., 1])

    def span(self, spec: TaskSpec, truth: Truth) -> float:
        return span_of(truth, self._own(spec, truth))

    def require_rows(self, spec: TaskSpec, truth: Truth) -> None:
        require_some(spec, self._own(spec, truth), self.name, "in")

    def _own(self, spec: TaskSpec, truth: Truth) -> npt.NDArray[Any]:
        labels = np.asarray(truth.labels)
        return (labels >= 0) & (labels != rejecting(spec, self.name))
