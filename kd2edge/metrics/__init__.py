"""Metrics as additive row statistics, with bounds: one mechanism for reports, gates and studies."""

from __future__ import annotations

from kd2edge.metrics.calibration import Bin, Reliability, reliability
from kd2edge.metrics.estimate import (
    Estimate,
    PairedTest,
    drop,
    evaluate,
    measure,
    paired_gain_over_seeds,
    paired_test_over_seeds,
)
from kd2edge.metrics.groups import (
    GROUPS,
    GroupF1,
    GroupScore,
    class_groups,
    group_scores,
    is_long_tailed,
)
from kd2edge.metrics.holm import holm
from kd2edge.metrics.kinds import METRICS, metric, misfit
from kd2edge.metrics.metric import Metric, RankMetric
from kd2edge.metrics.per_class import ClassScore, confusion, per_class
from kd2edge.metrics.rows_needed import rows_needed

__all__ = [
    "GROUPS",
    "METRICS",
    "Bin",
    "ClassScore",
    "Estimate",
    "GroupF1",
    "GroupScore",
    "Metric",
    "PairedTest",
    "RankMetric",
    "Reliability",
    "class_groups",
    "confusion",
    "drop",
    "evaluate",
    "group_scores",
    "holm",
    "is_long_tailed",
    "measure",
    "metric",
    "misfit",
    "paired_gain_over_seeds",
    "paired_test_over_seeds",
    "per_class",
    "reliability",
    "rows_needed",
]
