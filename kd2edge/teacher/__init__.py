"""Teachers: what gives outputs and features for rows, and the cache that is asked instead."""

from __future__ import annotations

from kd2edge.teacher.cache import TeacherCache
from kd2edge.teacher.fill import cache_outputs, label_order
from kd2edge.teacher.net_teacher import NetTeacher
from kd2edge.teacher.teacher import Outputs, Teacher

__all__ = ["NetTeacher", "Outputs", "Teacher", "TeacherCache", "cache_outputs", "label_order"]
