"""A recipe that cannot be run."""

from __future__ import annotations

from pathlib import Path

from commands import kd2edge
from faulty import Project, assert_clean_failure


def test_a_misspelt_key(project: Project) -> None:
    project.edit("max_length: 12", "max_lenght: 12")
    said = project.refused()
    assert f"{project.place('max_lenght')}: inputs.text.max_lenght: unknown key" in said
    assert "did you mean 'max_length'" in said


def test_a_missing_key(project: Project) -> None:
    project.edit("name: tiny-text\n", "")
    assert "the key 'name' is missing" in project.refused()


def test_all_problems_are_reported_at_once(project: Project) -> None:
    project.edit("max_length: 12", "max_length: twelve")
    project.edit("metric: macro_f1", "metric: macro_f2")
    project.edit("balance: uncertainty", "balance: uncertain")
    project.edit("train: train.jsonl", "train: trian.jsonl")
    said = project.refused()
    assert "expected a whole number, found 'twelve'" in said
    assert "macro_f1" in said
    assert "did you mean 'uncertainty'" in said
    assert len(said.splitlines()) >= 3


def test_files_that_are_not_there(project: Project) -> None:
    project.edit("train: more.jsonl", "train: moore.jsonl")
    project.edit("path: tokenizer.json", "path: tokeniser.json")
    said = project.refused()
    assert project.place("moore.jsonl") in said
    assert project.place("tokeniser.json") in said


def test_an_override_is_checked_like_the_file(project: Project) -> None:
    result = kd2edge("check", project.recipe, "--set", "train.epoch=3")
    assert_clean_failure(result, 2)
    assert "--set: train.epoch: unknown key; did you mean 'epochs'" in result.err


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    result = kd2edge("check", tmp_path / "none.yaml")
    assert_clean_failure(result, 2)
    assert str(tmp_path / "none.yaml") in result.err


def test_a_recipe_of_a_newer_schema(project: Project) -> None:
    project.edit("version: 1", "version: 2")
    assert "newer kd2edge" in project.refused()


def test_a_layer_that_the_teacher_does_not_have(project: Project) -> None:
    project.edit("from: encoder.layer.1", "from: encoder.layer.7")
    result = kd2edge("distill", project.recipe, "--run-dir", project.folder / "run")
    assert_clean_failure(result, 2)
    assert "encoder.layer.7" in result.err


def test_a_teacher_with_the_name_of_the_student(project: Project) -> None:
    text = project.recipe.read_text(encoding="utf-8")
    renamed = text.replace("name: bert", "name: student").replace(
        "teacher: bert", "teacher: student"
    )
    project.recipe.write_text(renamed.replace("from: bert", "from: student"), encoding="utf-8")
    assert "'student' is taken" in project.refused()
