"""Gradient-boosted trees as a teacher: grown by scikit-learn, kept and asked as arrays."""

from __future__ import annotations

from kd2edge.teacher.boosted.boosting import BoostingSettings, require_boostable
from kd2edge.teacher.boosted.files import (
    BoostedDescription,
    boosted_files,
    describe_boosted,
    load_boosted,
    save_boosted,
)
from kd2edge.teacher.boosted.model import Boosted, boosted_from
from kd2edge.teacher.boosted.teacher import BoostedTeacher

__all__ = [
    "Boosted",
    "BoostedDescription",
    "BoostedTeacher",
    "BoostingSettings",
    "boosted_files",
    "boosted_from",
    "describe_boosted",
    "load_boosted",
    "require_boostable",
    "save_boosted",
]
