from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kd2edge.pipeline.steps.folders import RunFolder
from kd2edge.pipeline.verbs.finished import FinishedRun
from kd2edge.pipeline.verbs.study.findings import _same_rows, judge
from kd2edge.tasks.spec import TaskName, TaskSpec
from kd2edge.validate.meaning import SplitMeaning, meaning_of

ROWS = {"test": SplitMeaning(9, "inputs", {"t": "labels"})}
TASK = TaskSpec(TaskName("t"), "classification", ("a", "oos"), "accuracy")


def run(seed: int, **decode: float) -> FinishedRun:
    task = replace(TASK, decode=decode)
    meaning = meaning_of(f"weights {seed}", {"t": task}, {}, {}, ROWS)
    return FinishedRun(RunFolder(Path()), {}, meaning, "")


@pytest.mark.parametrize(
    ("decode", "same"),
    [
        ({"reject": 1, "least_probability": 0.7}, True),
        ({"reject": 1, "least_probability": 0.6, "in_scope_recall": 0.9}, True),
        ({"reject": 1, "most_energy": -3.0}, True),
        ({"reject": 0, "least_probability": 0.6}, False),
        ({"reject": 1, "least_probability": 0.6, "temperature": 2.0}, False),
        ({}, False),
    ],
)
def test_thresholds_of_their_own_leave_runs_comparable(
    decode: dict[str, float], same: bool
) -> None:
    base = [run(seed, reject=1, least_probability=0.6 + seed / 10) for seed in range(2)]
    assert _same_rows([run(2, **decode)], base) == same


@pytest.mark.parametrize(
    ("decode", "same"),
    [
        ({"quantile": 0.5}, True),
        ({}, True),
        ({"threshold": 0.9}, True),
        ({"quantile": 0.4, "fitted": 1, "temperature": 2.0}, False),
    ],
)
def test_so_do_cuts_stated_or_fitted(decode: dict[str, float], same: bool) -> None:
    assert _same_rows([run(2, **decode)], [run(0, quantile=0.4, fitted=1)]) == same


def test_what_pays_and_what_hurts_is_said_of_both_tests_after_one_correction() -> None:
    """Six tests: 0.001 counts times 6, 0.002 times 5, 0.02 times 4 and is no longer shown."""
    tested = [(0.001, 0.9995), (0.999, 0.002), (0.98, 0.02)]
    found = [{"p": {"gain": gain, "loss": loss}} for gain, loss in tested]
    judge(found)
    assert [one["verdict"] for one in found] == ["pays", "hurts", "not shown"]
    assert [one["alone"] for one in found] == ["pays", "hurts", "hurts"]
    corrected = [(one["p_holm"]["gain"], one["p_holm"]["loss"]) for one in found]
    assert corrected == [
        (pytest.approx(0.006), 1.0), (1.0, pytest.approx(0.01)), (1.0, pytest.approx(0.08)),
    ]  # fmt: skip


def test_nothing_compared_is_nothing_judged() -> None:
    none: list[dict[str, Any]] = []
    judge(none)
    assert none == []
