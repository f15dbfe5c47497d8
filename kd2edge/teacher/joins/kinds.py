"""The fixed table of joins."""

from __future__ import annotations

from kd2edge.teacher.joins.confidence import Confidence
from kd2edge.teacher.joins.join import Join
from kd2edge.teacher.joins.mean import Mean
from kd2edge.teacher.joins.skill import Skill

#: Name in recipes -> join, called with the recipe's options.
JOINS: dict[str, type[Join]] = {
    "confidence": Confidence,
    "mean": Mean,
    "skill": Skill,
}
