from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from distill.schedules.moments import asked
from distill.tiny import IMAGES, SHAPE, image_rows
from kd2edge.distill import Moment
from kd2edge.distill.schedules.progress import Progress
from kd2edge.tasks.spec import TaskSpec

#: Its values lie in [0, 20]: an error of 5 lacks a quarter.
ERROR = replace(SHAPE, kind="ordinal", labels=tuple("abcdefghijklmnopqrstu"), metric="level_mae")


@pytest.fixture
def moment(tmp_path: Path) -> Moment:
    found = asked(IMAGES, SHAPE, image_rows(), tmp_path).moment
    return told(found, 0.1)


def told(moment: Moment, lack: float, task: TaskSpec = SHAPE) -> Moment:
    """The same moment, with what the teacher lacks."""
    known = moment.items._knowledge
    assert known is not None
    moment.items._knowledge = replace(known, lacks={task.name: lack})
    moment.items.spec = task
    return moment


def after(moment: Moment, reached: float) -> Moment:
    """The same moment after a validation."""
    return replace(moment, time=replace(moment.time, metrics=lambda: {SHAPE.name: reached}))


def test_until_the_first_validation_it_is_what_the_recipe_says(moment: Moment) -> None:
    assert Progress(0.625, 1.0, 0.0).at(moment) == 0.625
    assert Progress(0.625, 1.0, 0.0).at(after(moment, math.nan)) == 0.625


@pytest.mark.parametrize("reached", [0.0, 0.5, 0.8, 0.85])
def test_it_falls_with_the_ratio_of_what_teacher_and_student_lack(
    moment: Moment, reached: float
) -> None:
    found = Progress(1.0, 0.75, 0.25).at(after(moment, reached))
    assert found == pytest.approx(0.75 - 0.5 * 0.1 / (1 - reached))


@pytest.mark.parametrize("reached", [0.9, 0.95, 1.0])
def test_a_student_as_good_as_its_teacher_or_better_has_the_near_one(
    moment: Moment, reached: float
) -> None:
    assert Progress(1.0, 1.0, 0.25).at(after(told(moment, 0.1000001), reached)) == 0.25


def test_better_is_never_taught_more(moment: Moment) -> None:
    found = [Progress(1.0, 0.9, 0.1).at(after(moment, at / 50)) for at in range(51)]
    assert found == sorted(found, reverse=True)
    assert max(found) <= 0.9
    assert min(found) == 0.1


def test_of_errors_the_ratio_is_that_of_the_errors(moment: Moment) -> None:
    errors = told(moment, 1.5 / 20, ERROR)
    assert Progress(0.0, 1.0, 0.0).at(after(errors, 6.0)) == pytest.approx(1 - 1.5 / 6)
    assert Progress(0.0, 1.0, 0.0).at(after(errors, 1.4)) == 0.0


def test_an_infinite_error_is_far(moment: Moment) -> None:
    assert Progress(0.0, 0.75, 0.0).at(after(told(moment, 1e-12, ERROR), math.inf)) == 0.75


def test_a_teacher_that_nobody_measured_is_no_answer(tmp_path: Path) -> None:
    unmeasured = asked(IMAGES, SHAPE, image_rows(), tmp_path).moment
    with pytest.raises(LookupError):
        Progress(1.0, 1.0, 0.0).at(after(unmeasured, 0.5))
