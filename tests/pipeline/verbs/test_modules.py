from __future__ import annotations

from pathlib import Path

import pytest

from commands import kd2edge
from kd2edge.errors import RecipeError
from kd2edge.pipeline.verbs.modules import modules_of
from kd2edge.recipe import load_recipe
from products import write_text_project

_LAYER = "encoder.layer.0.attention.self.query"


def test_teachers_and_student_are_listed_by_the_paths_of_features(tmp_path: Path) -> None:
    found = modules_of(load_recipe(write_text_project(tmp_path))).nets
    assert [*found] == ["bert", "student"]
    shapes = {name: {one.path: one.shape for one in net} for name, net in found.items()}
    assert shapes["bert"][_LAYER] == ("rows", "length", 16)
    assert shapes["student"]["embeddings"] == ("rows", "length", 8)
    assert "encoder.layer.1" in shapes["bert"].keys() - shapes["student"].keys()


def test_they_are_shown_where_the_features_name_wrong_ones(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    wrong = ["distill.features.0.from=nowhere"]
    assert modules_of(load_recipe(recipe, overrides=wrong)).nets
    with pytest.raises(RecipeError, match="layers do not fit one another"):
        modules_of(load_recipe(recipe, overrides=["student.model.config.hidden_size=7"]))


def test_the_command_prints_text_or_json(tmp_path: Path) -> None:
    recipe = str(write_text_project(tmp_path))
    said = kd2edge("check", recipe, "--modules")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == "bert"
    assert f"  {_LAYER}  Linear  rows x length x 16" in lines[: lines.index("student")]
    listed = kd2edge("check", recipe, "--modules", "--json").json["modules"]
    expected = {"path": "embeddings", "kind": "ElectraEmbeddings", "shape": ["rows", "length", 8]}
    assert expected in listed["student"]
