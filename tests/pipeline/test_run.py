"""What a finished run is: its report, its folder, and what a second run does not do again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import Interrupt, kd2edge, succeed
from kd2edge.errors import Interrupted
from kd2edge.pipeline.steps import teaching
from kd2edge.pipeline.verbs.distilling import RunOptions, distill_recipe
from kd2edge.recipe import load_recipe
from kd2edge.teacher import NetTeacher
from products import Product

PRODUCTS = ("image_product", "text_product", "token_product")


@pytest.fixture(params=PRODUCTS)
def product(request: pytest.FixtureRequest) -> Product:
    return request.getfixturevalue(request.param)


@pytest.fixture
def report(product: Product) -> dict[str, Any]:
    return report_of(product.run)


def report_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "report.json").read_text(encoding="utf-8"))


def test_a_run_has_the_folders_of_the_design(product: Product) -> None:
    expected = {
        "recipe.yaml", "report.json", "report.html", "student.safetensors", "student.json",
        "teachers", "cache", "checkpoints", "samples", "log.jsonl",
    }  # fmt: skip
    assert expected <= {path.name for path in product.run.iterdir()}
    assert not list(product.run.rglob("*.partial"))
    assert (product.run.parent / "latest").resolve() == product.run.resolve()


def test_the_log_is_json_lines_that_name_every_stage(
    product: Product, report: dict[str, Any]
) -> None:
    lines = [json.loads(line) for line in (product.run / "log.jsonl").read_text().splitlines()]
    stages = [line["stage"].split()[0] for line in lines if line["event"] == "StageEvent"]
    # Rows that are left out get a line of their own.
    assert [one for one in dict.fromkeys(stages) if one != "start"] == [
        "rows", "teacher", "cache", "student", "baseline", "report",
    ]  # fmt: skip
    assert ("start" in stages) == ("start" in report["models"]["student"])


def test_the_report_has_every_task_model_and_split(report: dict[str, Any]) -> None:
    assert report["schema"] == 3
    for split in ("validation", "test"):
        part = report["splits"][split]
        assert part["tasks"].keys() == report["tasks"].keys()
        assert part["gain"].keys() == report["tasks"].keys()
        for models in part["tasks"].values():
            assert models.keys() == {"teacher", "baseline", "student"}


def test_every_metric_stands_in_its_interval(report: dict[str, Any]) -> None:
    for task, models in report["splits"]["test"]["tasks"].items():
        for model in models.values():
            assert list(model["metrics"]) == report["tasks"][task]["metrics"]
            assert report["tasks"][task]["metric"] in model["metrics"]
            for one in model["metrics"].values():
                assert one["low"] <= one["value"] <= one["high"]
                assert one["confidence"] == 0.95


def test_every_class_has_its_scores_and_support(report: dict[str, Any]) -> None:
    for task, models in report["splits"]["test"]["tasks"].items():
        for model in models.values():
            assert [one["label"] for one in model["per_class"]] == report["tasks"][task]["labels"]
            for one in model["per_class"]:
                assert one.keys() == {
                    "label", "precision", "recall", "f1", "support", "train_support", "group",
                }  # fmt: skip
            supports = [one["support"] for one in model["per_class"]]
            assert np.sum(model["confusion"], axis=1).tolist() == supports
            assert 0 <= model["reliability"]["ece"] <= 1
            assert set(model["groups"]) <= {"head", "middle", "tail"}


def test_every_model_has_its_costs_and_curve(report: dict[str, Any]) -> None:
    assert report["models"].keys() == {"teacher", "baseline", "student"}
    for cost in report["models"].values():
        for key in ("parameters", "flops", "bytes", "train_seconds", "steps"):
            assert cost[key] > 0
    assert report["models"]["student"]["steps"] == report["models"]["baseline"]["steps"]
    assert report["curves"].keys() == {"teacher", "baseline", "student"}
    for name, points in report["curves"].items():
        assert points[-1]["step"] == report["models"][name]["steps"]
        assert points[-1]["validation"].keys() == report["tasks"].keys()


def test_the_report_names_what_it_came_from(report: dict[str, Any]) -> None:
    assert report["fingerprints"].keys() == {"recipe", "data", "teacher", "meaning", "code"}
    assert all(len(one) == 64 for one in report["fingerprints"].values())
    assert report["cache"]["bytes"] > 0
    assert report["cache"]["reused"] is False
    assert os.uname().nodename not in json.dumps(report["machine"])


def test_unlabelled_rows_that_stand_in_the_test_split_are_not_trained_on(
    text_product: Product,
) -> None:
    lines = (text_product.run / "log.jsonl").read_text().splitlines()
    rows = next(json.loads(line) for line in lines if "StageEvent" in line)
    # 48 labelled ones and 12 of the 13 unlabelled.
    assert rows["detail"] == "60 train, 24 validation, 24 test"


def test_a_second_run_asks_no_teacher_and_gives_the_same_student(
    image_product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(image_product.run, run)
    before = (run / "student.safetensors").read_bytes()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the teacher was touched")

    monkeypatch.setattr(NetTeacher, "open", refuse)
    monkeypatch.setattr(teaching, "load_net", refuse)
    succeed("distill", image_product.recipe, "--run-dir", run, *image_product.settings)
    assert (run / "student.safetensors").read_bytes() == before
    assert report_of(run)["cache"]["reused"] is True


def test_resuming_a_finished_run_trains_nothing(text_product: Product, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(text_product.run, run)
    result = succeed("distill", text_product.recipe, "--run-dir", run, "--resume")
    assert result.err.count("(done before)") == 4  # teacher, its cache, student, baseline
    assert "epoch" not in result.err
    first, second = report_of(text_product.run), report_of(run)
    assert first["splits"] == second["splits"]


def test_a_refused_resume_leaves_a_finished_run_as_it_was(
    text_product: Product, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(text_product.run, tmp_path / "run"))
    again = ("distill", text_product.recipe, "--run-dir", run, "--resume", *text_product.settings)
    for settings in ("train.lr=0.0123", "teachers.0.train.lr=0.0123"):
        _assert_refused(run, *again, "--set", settings)
        _assert_refused(run, *again, "--set", settings, "--recache")
    succeed(*again)


def test_no_teacher_is_trained_anew_for_a_resume_whose_student_learned_from_the_old_one(
    text_product: Product, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(text_product.run, tmp_path / "run"))
    (run / "teachers" / "bert.record.json").unlink()
    shutil.rmtree(run / "checkpoints" / "teacher-bert")
    again = ("distill", text_product.recipe, "--run-dir", run, *text_product.settings)
    _assert_refused(run, *again, "--resume")
    succeed(*again)


def test_a_teacher_does_not_follow_rows_that_it_only_labels(
    image_product: Product, tmp_path: Path
) -> None:
    """It learns from labels alone, so it serves a run that has more texts or pictures for it."""
    alone = (
        "distill",
        image_product.recipe,
        *image_product.settings,
        "--set",
        "data.unlabelled=[]",
    )
    succeed(*alone, "--run-dir", tmp_path / "anew")
    teacher = Path("teachers", "resnet.safetensors")
    anew = (tmp_path / "anew" / teacher).read_bytes()
    assert anew == (image_product.run / teacher).read_bytes()
    shutil.copytree(image_product.run / "teachers", tmp_path / "taken" / "teachers")
    result = succeed(*alone, "--run-dir", tmp_path / "taken", "--resume")
    assert "teacher resnet" in result.err
    assert result.err.count("(done before)") == 1
    student = "student.safetensors"
    assert (tmp_path / "taken" / student).read_bytes() == (tmp_path / "anew" / student).read_bytes()
    assert (tmp_path / "anew" / student).read_bytes() != (image_product.run / student).read_bytes()


def _assert_refused(run: Path, *resume: str | Path) -> None:
    """A resume is refused, and nothing but the log and caches is written."""
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    refused = kd2edge(*resume)
    assert refused.code == 2
    assert "the checkpoint belongs to another net" in refused.err
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    changed = {path.name for path, content in after.items() if before.get(path) != content}
    assert changed <= {"log.jsonl", "manifest.json"} | {p.name for p in after if p.suffix == ".bin"}
    assert set(before) <= set(after)


def test_a_run_begun_anew_and_stopped_in_its_teacher_goes_on_to_its_end(
    text_product: Product, tmp_path: Path
) -> None:
    """What the run before left of its student is not taken for something to go on from."""
    run = Path(shutil.copytree(text_product.run, tmp_path / "run"))
    other = ["teachers.0.train.lr=0.0123"]
    loaded = load_recipe(text_product.recipe, overrides=[*text_product.overrides, *other])
    with pytest.raises(Exception, match=r"stopped after step \d+ of \d+.*--resume"):
        distill_recipe(loaded, RunOptions(run), on_event=Interrupt("teacher"))
    more = ("--resume", *text_product.settings, "--set", *other)
    result = succeed("distill", text_product.recipe, "--run-dir", run, *more)
    assert "resumed at step" in result.err
    assert (
        report_of(run)["fingerprints"]["meaning"]
        != (report_of(text_product.run)["fingerprints"]["meaning"])
    )


@pytest.mark.parametrize("name", ["image_product", "text_product"])
@pytest.mark.parametrize("stage", ["teacher", "student", "baseline"])
def test_an_interrupted_run_resumes_to_the_same_bits(
    name: str, stage: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    product: Product = request.getfixturevalue(name)
    run = tmp_path / "run"
    prints = Interrupt(stage)
    loaded = load_recipe(product.recipe, overrides=product.overrides)
    with pytest.raises(Interrupted, match=r"stopped after step \d+ of \d+.*--resume") as caught:
        distill_recipe(loaded, RunOptions(run), on_event=prints)
    assert caught.value.exit_code == 130
    assert not (run / "report.json").exists()
    refused = kd2edge("export", run)
    assert refused.code == 2
    assert "--resume" in refused.err
    result = succeed("distill", product.recipe, "--run-dir", run, "--resume", *product.settings)
    assert "resumed at step" in result.err
    for file in ("student.safetensors", "baseline.safetensors"):
        assert (run / file).read_bytes() == (product.run / file).read_bytes()


def test_two_runs_cannot_work_in_one_folder(image_product: Product, tmp_path: Path) -> None:
    from kd2edge.files import folder_lock

    with folder_lock(tmp_path / "run"):
        result = kd2edge(
            "distill", image_product.recipe, "--run-dir", tmp_path / "run", *image_product.settings
        )
    assert result.code == 4
    assert f"in use by process {os.getpid()}" in result.err
