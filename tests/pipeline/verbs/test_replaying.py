"""A run that stops because something is not finite, and ``kd2edge replay`` of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from commands import Result, kd2edge, succeed
from products import Product, write_text_project

#: What makes a net break within its first steps: the second update goes beyond float32.
_ABSURD = {
    "teacher-bert": "teachers.0.train.lr=1e30",
    "student": "train.lr=1e30",
    "baseline": "baseline={epochs: 3, lr: 1e30}",
}


@pytest.fixture(params=sorted(_ABSURD))
def broken(
    request: pytest.FixtureRequest, text_product: Product, tmp_path: Path
) -> tuple[str, Path, Result]:
    """Which net broke, its run, and how the command ended."""
    run = tmp_path / "run"
    shutil.copytree(text_product.run, run)
    how = ("--run-dir", run, "--set", _ABSURD[request.param])
    ended = kd2edge("distill", text_product.recipe, *text_product.settings, *how)
    return request.param, run, ended


def kept(run: Path, net: str) -> dict[str, Any]:
    path = run / "checkpoints" / net / "failed" / "failed.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_run_says_which_net_step_and_rows_and_is_replayed(
    broken: tuple[str, Path, Result],
) -> None:
    net, run, ended = broken
    assert ended.code == 1
    found = kept(run, net)
    name = net.replace("teacher-", "teacher ")
    assert f"error: {name}, step {found['step']}, epoch {found['epoch']}: " in ended.err
    assert found["rows"][0]["place"] in ended.err
    assert "train.jsonl:" in found["rows"][0]["place"]
    assert not (run / "report.json").exists()
    assert not list(run.rglob("*.partial"))

    before = {path: path.read_bytes() for path in (run / "checkpoints").rglob("*.*")}
    replayed = kd2edge("replay", run, "--json")
    assert replayed.code == 1, replayed.err
    assert replayed.json["replay"] == name
    assert replayed.json["what"] == found["what"]
    assert {path: path.read_bytes() for path in (run / "checkpoints").rglob("*.*")} == before
    assert not (run / "report.json").exists()
    said = kd2edge("replay", run)
    assert said.code == 1
    assert said.out.startswith(f"{name}, step {found['step']}, epoch {found['epoch']}, fp32")
    assert "gradient norms, the largest first" in said.out


def test_a_rate_that_was_lowered_ends_well_and_leaves_nothing_to_replay(
    text_product: Product, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(text_product.run, run)
    settings = (*text_product.settings, "--run-dir", run)
    assert kd2edge("distill", text_product.recipe, *settings, "--set", "train.lr=1e30").code == 1
    again = ("--resume", "--set", "train.lr=1e-3")
    succeed(
        "distill", text_product.recipe, *settings, *again
    )  # there was no checkpoint to go on from
    assert not list(run.rglob("failed.json"))
    refused = kd2edge("replay", run)
    assert refused.code == 2
    assert "no step of this run went wrong" in refused.err


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    refused = kd2edge("replay", tmp_path)
    assert refused.code == 2
    assert "no run" in refused.err


def test_rows_that_have_changed_are_refused(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    run = tmp_path / "run"
    how = ("--set", _ABSURD["teacher-bert"], "--run-dir", run)
    assert kd2edge("distill", recipe, *how).code == 1
    path = tmp_path / "train.jsonl"
    path.write_text(path.read_text("utf-8").replace("hello", "good evening"), encoding="utf-8")
    refused = kd2edge("replay", run)
    assert refused.code == 2
    assert "settings, data or teachers than are here now" in refused.err


def test_a_loss_that_explodes_is_replayed_and_gone_on_from_by_who_means_it(
    text_product: Product, tmp_path: Path
) -> None:
    """Adam moves every weight by 5 a step: losses of hundreds, all finite."""
    run = tmp_path / "run"
    shutil.copytree(text_product.run, run)
    settings = ["train.lr=5", "train.warmup=0", "train.schedule=constant", "train.epochs=5"]
    how = [*text_product.settings, "--run-dir", run]
    for one in (*settings, "baseline=false", "train.checkpoint_every=1"):
        how += ["--set", one]
    small = ("--set", "train.explosion={factor: 10, steps: 3}")
    ended = kd2edge("distill", text_product.recipe, *how, *small)
    assert ended.code == 1
    found = kept(run, "student")
    assert found["what"]["kind"] == "explosion"
    where = f"student, step {found['step']}, epoch {found['epoch']}: loss {found['what']['loss']}"
    assert f"{where} of {found['what']['task']} explodes: " in ended.err
    assert found["rows"][0]["place"] in ended.err

    replayed = kd2edge("replay", run, "--json")
    assert (replayed.code, replayed.json["what"]) == (1, found["what"])
    path = run / "checkpoints" / "student" / "failed" / "failed.json"
    found["what"]["limit"] = 1e9
    path.write_text(json.dumps(found), encoding="utf-8")
    said = kd2edge("replay", run)
    assert (said.code, "finite, and the loss is below its limit" in said.out) == (0, True)

    on = succeed("distill", text_product.recipe, *how, "--set", "train.explosion=null", "--resume")
    assert f"resumed at step {found['step'] - 1}" in on.err
    assert not path.exists()
