"""The verbs as functions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kd2edge
from kd2edge import api
from kd2edge.errors import RecipeError
from products import write_text_project


def test_the_verbs_do_what_the_commands_do(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    heard: list[str] = []
    run = api.distill(
        recipe,
        run_dir=tmp_path / "run",
        overrides=["train.epochs=1", "baseline=false"],
        on_event=lambda event: heard.append(type(event).__name__),
    )
    assert run == tmp_path / "run"
    assert "StageEvent" in heard
    bundle = api.export(run, targets=["onnx"], precisions=["fp32"], out=tmp_path / "bundle")
    found = api.validate(
        bundle,
        data=tmp_path / "test.jsonl",
        artefacts=["onnx-fp32"],
        max_drop={"intent": 0.9, "urgent": 0.9},
    )
    assert found.outcome == "pass"
    with kd2edge.load(bundle) as model:
        assert len(model.predict({"text": ["hello"]})["intent"]) == 1


def test_problems_are_raised_not_printed(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    with pytest.raises(RecipeError) as caught:
        api.distill(recipe, overrides=["train.epoch=1"])
    assert [problem.field for problem in caught.value.problems] == ["train.epoch"]


def test_all_that_is_public_can_be_had() -> None:
    for module in (kd2edge, api):
        assert sorted(module.__all__) == list(module.__all__)
        for name in module.__all__:
            assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = kd2edge.nothing  # pyright: ignore[reportAttributeAccessIssue]


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = (
        "import sys, kd2edge, kd2edge.api\n"
        "heavy = {'torch', 'transformers', 'pydantic', 'onnx', 'yaml', 'scipy', 'click'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
