"""Training: one loop for teachers, baselines and students; losses, balancers, checkpoints."""

from __future__ import annotations

from kd2edge.distill.evaluate import fitted_tasks, metric_values, predict_split
from kd2edge.distill.job import TrainingJob, require_resumable
from kd2edge.distill.knowledge import Knowledge, knowledge_of
from kd2edge.distill.long_tail.long_tail import Support
from kd2edge.distill.loop import train
from kd2edge.distill.method import Method
from kd2edge.distill.peer import Peer
from kd2edge.distill.result import CurvePoint, TrainResult
from kd2edge.distill.schedule import Constant, Moment, Schedule, Time
from kd2edge.distill.settings import (
    LABELS_ALONE,
    DistillSettings,
    Explosion,
    FeatureSpec,
    FeedSpec,
    LongTailSpec,
    Mixup,
    Sampling,
    TrainSettings,
)

__all__ = [
    "LABELS_ALONE",
    "Constant",
    "CurvePoint",
    "DistillSettings",
    "Explosion",
    "FeatureSpec",
    "FeedSpec",
    "Knowledge",
    "LongTailSpec",
    "Method",
    "Mixup",
    "Moment",
    "Peer",
    "Sampling",
    "Schedule",
    "Support",
    "Time",
    "TrainResult",
    "TrainSettings",
    "TrainingJob",
    "fitted_tasks",
    "knowledge_of",
    "metric_values",
    "predict_split",
    "require_resumable",
    "train",
]
