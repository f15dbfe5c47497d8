"""The fixed table of schedules."""

from __future__ import annotations

from kd2edge.distill.schedule import Schedule
from kd2edge.distill.schedules.by_class import ByClass
from kd2edge.distill.schedules.confidence import Confidence
from kd2edge.distill.schedules.correct import Correct
from kd2edge.distill.schedules.cosine import Cosine
from kd2edge.distill.schedules.curriculum import Curriculum
from kd2edge.distill.schedules.labelled import Labelled
from kd2edge.distill.schedules.linear import Linear
from kd2edge.distill.schedules.progress import Progress

#: Name in recipes -> schedule, called with the recipe's options.
SCHEDULES: dict[str, type[Schedule]] = {
    "by_class": ByClass,
    "confidence": Confidence,
    "correct": Correct,
    "cosine": Cosine,
    "curriculum": Curriculum,
    "labelled": Labelled,
    "linear": Linear,
    "progress": Progress,
}
