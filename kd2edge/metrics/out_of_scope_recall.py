"""Recall out of scope: the share of rows with the reject label that are rejected."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.metrics.scope import rejecting, require_some, shares, span_of
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth


@final
class OutOfScopeRecall(Metric):
    """Rejected rows over rows with the reject label, as CLINC150 is measured.

    "An Evaluation Dataset for Intent Classification and Out-of-Scope Prediction" (Larson et al.
    2019, arXiv:1909.02027, section 4.2).
    """

    name = "out_of_scope_recall"
    kinds = ("classification",)

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 2]``: rejected rows out of scope, rows out of scope."""
        label = rejecting(spec, self.name)
        return shares(truth, self._own(spec, truth), np.asarray(decoded.labels) == label, decoded)

    def value(self, sums: Floats) -> Floats:
        return ratio(sums[..., 0], sums[..., 1])

    def span(self, spec: TaskSpec, truth: Truth) -> float:
        return span_of(truth, self._own(spec, truth))

    def require_rows(self, spec: TaskSpec, truth: Truth) -> None:
        require_some(spec, self._own(spec, truth), self.name, "out of")

    def _own(self, spec: TaskSpec, truth: Truth) -> npt.NDArray[Any]:
        return np.asarray(truth.labels) == rejecting(spec, self.name)
