"""``make gpu`` on a machine without one: what cannot run says so, and the rest of it works."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import gpu
import pytest
import torch

from products import QUICKSTART

SCRIPT = Path(gpu.__file__)


def rows(out: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--out", out, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    written = json.loads((out / "gpu.json").read_text(encoding="utf-8"))
    return done.returncode, written["measured"]["rows"], done.stdout + done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_every_row_says_why_it_did_not_run(tmp_path: Path) -> None:
    code, found, said = rows(tmp_path)
    assert code == 0, said
    assert set(found) == set(gpu.ROWS)
    assert {row["status"] for row in found.values()} == {"not run"}
    assert found["machine"]["reason"] == "torch finds no CUDA device"
    assert all(row["reason"] for row in found.values())
    assert "Traceback" not in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_rows_that_are_not_asked_for_are_kept_with_their_commit(tmp_path: Path) -> None:
    rows(tmp_path)
    written = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    written["measured"]["rows"]["resume"] = {"status": "ok", "took": 1.0}
    written["commit"] = "abc"
    (tmp_path / "gpu.json").write_text(json.dumps(written), encoding="utf-8")
    _, found, _ = rows(tmp_path, "--rows", "gate")
    assert found["resume"] == {"status": "ok", "took": 1.0, "commit": "abc"}
    assert "commit" not in found["gate"]
    written["measured"]["rows"]["machine"]["gpu"] = "another"
    (tmp_path / "gpu.json").write_text(json.dumps(written), encoding="utf-8")
    assert set(rows(tmp_path, "--rows", "gate")[1]) == {"machine", "gate"}


@pytest.mark.slow
def test_its_rows_hold_on_a_cpu(tmp_path: Path) -> None:
    tiny = [word for value in QUICKSTART for word in ("--set", value)]
    code, found, said = rows(tmp_path, "--device", "cpu", "--seconds", "600", *tiny)
    assert code == 0, said
    ran = {name for name, row in found.items() if row["status"] == "ok"}
    assert ran >= {"machine", "distill-fp32", "gate", "resume"}
    assert found["resume"]["same_bits"] == {
        "teachers/resnet": True, "student": True, "baseline": True,
    }  # fmt: skip
    assert "onnx-fp32" in found["gate"]["verdicts"]
    assert str(tmp_path) not in json.dumps(found)


def test_a_row_that_breaks_is_failed_and_one_without_time_or_groundwork_not_run() -> None:
    def broken(_: gpu.Lab) -> gpu.Found:
        raise KeyError("x")

    lab = gpu.Lab(Path(), "cpu", (), deadline=float("inf"), environment={})
    assert gpu.made(lab, broken)["status"] == "failed"
    assert "KeyError" in gpu.made(lab, broken)["reason"]
    assert gpu.made(lab, gpu.gate)["reason"] == "it stands on distill-fp32"
    lab.deadline = 0.0
    assert gpu.made(lab, broken)["reason"] == "no time was left for it"


def test_wheels_are_unpacked_beside_what_the_machine_has(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "thing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("thing/__init__.py", "value = 7\n")
    site = gpu.unpacked(tmp_path, tmp_path / "site")
    assert (site / "thing" / "__init__.py").is_file()
