"""A part of `make faults` that takes seconds: what the gate must stop, on a tiny text product."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_faults_are_stopped_and_clean_artefacts_pass(tmp_path: Path):
    words = [sys.executable, "benchmarks/faults.py", "--scale", "tiny", "--products", "texts"]
    words += ["--only", "quick", "--clean", "16", "--cache", tmp_path / "cache", "--out", tmp_path]
    done = subprocess.run(
        [*map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False, env=_alone()
    )
    assert done.returncode == 0, done.stderr[-3000:]
    measured = json.loads((tmp_path / "faults.json").read_text(encoding="utf-8"))["measured"]
    found, faults = measured["summary"], measured["faults"]
    assert found["stopped"] == found["costly"] >= 12
    assert (found["clean"], found["alarms"]) == (16, 0)
    assert found["controls_passed"] == found["controls"] > 0, "or no stop says anything"
    assert {one["group"] for one in faults} >= {f"A{at}" for at in (1, 2, 3, 4, 5, 6, 7, 8, 10)}


def _alone() -> dict[str, str]:
    """Rows are made, whatever data sets are at hand."""
    return {name: value for name, value in os.environ.items() if name != "KD2EDGE_DATA"}
