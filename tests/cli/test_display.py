"""Lines where there is no terminal, bars where there is one; always on stderr."""

from __future__ import annotations

import io
import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import bundles
from commands import kd2edge
from kd2edge.cli import display as module
from kd2edge.cli.display import display
from kd2edge.events import EpochEvent, Progress, ResumedEvent, StageEvent, StepEvent

LOSSES = {"intent": {"kd": 0.5, "task": 0.25}, "": {"feature0": 0.125}}
EVENTS: list[Any] = [
    StageEvent("student", "60 rows, 3 epochs"),
    ResumedEvent(4, "checkpoints/student", "1 threads as before"),
    StepEvent(1, 12, 1, 3, LOSSES, 1e-3, 1.0, 75.0),
    Progress("teacher", 3, 6),
    EpochEvent(1, 3, 4, LOSSES, {"intent": 0.75}, True, 1.0, 75.0, {"big": {"intent": 0.5}}),
    StageEvent("cache bert", "0.1 MB", skipped=True),
]


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with display() as show:
        for event in EVENTS:
            show(event)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "student            60 rows, 3 epochs",
        "  resumed at step 4. 1 threads as before",
        "  epoch   1/3  1:15 left  intent 0.750 *",
        "               loss       intent 0.250/0.500  features 0.125",
        "               peer       big: intent 0.500",
        "cache bert         0.1 MB  (done before)",
    ]


def test_what_peers_say_stands_behind_what_teachers_do() -> None:
    """By name: the order in which an epoch's batches brought them is of no account."""
    losses: Any = {"intent": {"mutual": 0.125, "kd": 0.5, "task": 0.25}}
    assert module._losses(losses, 3) == "intent 0.250/0.500/0.125"
    del losses["intent"]["kd"]
    assert module._losses(losses, 3) == "intent 0.250/0.125"


@pytest.mark.parametrize("no_color", [False, True])
def test_bars(monkeypatch: pytest.MonkeyPatch, no_color: bool) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    bars = module._Bars(console)
    with bars.progress:
        for event in EVENTS[:4]:
            bars(event)
        bars.progress.refresh()
        drawn = screen.getvalue()
        for event in EVENTS[4:]:
            bars(event)
    assert "resumed at step 4" in drawn
    assert "intent 0.25/0.50" in drawn
    assert "1:15 left" in drawn
    assert "50%" in drawn  # of the rows
    assert "epoch   1/3" in screen.getvalue()
    coloured = re.search(r"\x1b\[[39]\d", screen.getvalue())  # the codes of text colours
    assert (coloured is None) is no_color


def test_validate_and_bench_draw_how_far_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = bundles.image_bundle(tmp_path / "tiny")
    rows = tmp_path / "rows.jsonl"
    pixels = bundles.images(8).tolist()
    lines = [{"image": one, "digit": "0", "larger": "yes"} for one in pixels]
    rows.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    for arguments, steps in (
        (("validate", bundle, "--data", rows), {"graph", "tasks", "statistics", "edges"}),
        (("bench", bundle, "--seconds", "0.1", "--batch", "1"), {"load", "time"}),
    ):
        bars = module._Bars(console)
        monkeypatch.setattr(module, "display", lambda drawn=bars: nullcontext(drawn))
        assert kd2edge(*arguments).code in {0, 3}
        assert bars._bars.keys() == steps
        assert bars.progress.finished


def test_events_that_nobody_knows_are_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    with display() as show:
        show(object())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("kinds", "shown"),
    [
        ({"kd": 0.5, "task": 0.25}, "ner 0.25/0.50"),
        ({"task": 0.25, "kd": 0.5}, "ner 0.25/0.50"),
        ({"kd": 0.5}, "ner -/0.50"),
        ({"task": 0.25}, "ner 0.25"),
    ],
)
def test_the_hard_loss_stands_before_the_soft_one_whichever_came_first(
    kinds: dict[str, float], shown: str
) -> None:
    assert module._losses({"ner": kinds}, 2) == shown
