"""Each pattern of what failed and what did not has its own cause."""

from __future__ import annotations

import pytest

from kd2edge.validate.cause import cause
from kd2edge.validate.golden import IDS, OUTPUTS, RAW, RAW_OUTPUTS
from kd2edge.validate.validation import Check, TaskResult

RIGHT = {"task": TaskResult("accuracy", "pass", "", 0.01)}
ROWS = ["task: logits differ by 1"]
ALL = (OUTPUTS, RAW, RAW_OUTPUTS, IDS)


def checks(*failed: str, looked: tuple[str, ...] = ALL, detail: str = "") -> list[Check]:
    return [
        Check(name, "failed", detail or name) if name in failed else Check(name, "ok")
        for name in looked
    ]


@pytest.mark.parametrize(
    ("found", "rows", "tasks", "said"),
    [
        (checks(), [], RIGHT, ""),
        (checks(), ROWS, RIGHT, "golden inputs come out right"),
        (checks(looked=()), ROWS, RIGHT, ""),  # nothing golden: nothing tells
        (checks(RAW), [], RIGHT, "preprocessing"),
        (checks(RAW), ROWS, RIGHT, "preprocessing"),
        (checks(IDS), [], RIGHT, "the embedding table"),
        (checks(OUTPUTS), [], RIGHT, "golden/golden.npz is stale"),
        (checks(OUTPUTS), [], {}, "golden/golden.npz is stale"),
        (checks(RAW_OUTPUTS, IDS), [], RIGHT, "golden/probes.npz is stale"),
        (checks(OUTPUTS, RAW_OUTPUTS, IDS), ROWS, RIGHT, "the graph, its weights"),
        (checks(OUTPUTS, looked=(OUTPUTS,)), ROWS, RIGHT, "the graph, its weights"),
        (checks(OUTPUTS, looked=(OUTPUTS,)), [], {}, "the graph, its weights"),
        (checks(OUTPUTS, detail="x: heads are swapped"), ROWS, RIGHT, "heads are swapped"),
        (
            checks(RAW_OUTPUTS, detail="golden/probes.npz is of another student"),
            [],
            {},
            "golden/probes.npz is stale",
        ),
    ],
)
def test_the_cause_follows_from_both(found, rows, tasks, said: str):
    assert cause(found, rows, tasks).startswith(said)
    assert bool(cause(found, rows, tasks)) == bool(said)


def test_a_task_that_fails_by_itself_has_no_cause_but_its_precision():
    lossy = {"task": TaskResult("accuracy", "fail", "drops", 0.01)}
    assert cause(checks(), [], lossy) == ""
