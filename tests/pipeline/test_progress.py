"""A run whose alpha follows what its teachers lack: measured, told and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import kd2edge, succeed
from products import write_jsonl, write_text_project

ALPHA = "distill.alpha={intent: {kind: progress, far: 0.75, near: 0.25}, urgent: 0.5}"


def test_alpha_follows_the_student_s_and_the_teacher_s_metric(tmp_path: Path) -> None:
    recipe, run = write_text_project(tmp_path), tmp_path / "run"
    succeed("distill", recipe, "--run-dir", run, "--set", ALPHA)
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    metric = report["tasks"]["intent"]["metric"]
    said = report["splits"]["validation"]["tasks"]["intent"]["teacher"]["metrics"][metric]
    curve = report["curves"]["student"]
    rows = len((tmp_path / "validation.jsonl").read_text(encoding="utf-8").splitlines())
    lack = max(1 - said["value"], 0.5 / rows)
    reached = [1 - point["validation"]["intent"] for point in curve[:-1]]
    expected = [1.0, *(0.75 - 0.5 * min(1.0, lack / one if one else 1.0) for one in reached)]
    assert [one["values"]["intent"]["alpha"] for one in curve] == pytest.approx(expected)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    stages = {one["stage"]: one["detail"] for one in log if "stage" in one}
    assert stages["alpha intent"] == f"by progress: bert lacks {lack:.3g}"
    assert "alpha urgent" not in stages
    assert "intent: alpha" in (run / "report.html").read_text(encoding="utf-8")


def test_a_task_that_no_validation_row_has_a_label_of_has_no_progress(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    path = tmp_path / "validation.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    write_jsonl(path, [{**row, "urgent": None} for row in rows])
    for alpha in ("progress", "{intent: 0.5, urgent: progress}"):
        result = kd2edge("check", recipe, "--set", f"distill.alpha={alpha}")
        assert result.code == 2
        assert "no validation row has a label of urgent, by which its progress" in result.err
