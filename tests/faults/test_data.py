"""Rows that cannot be used: the message names file and line, or the recipe's place."""

from __future__ import annotations

from typing import Any

import pytest

from commands import kd2edge
from faulty import Project, assert_clean_failure


def test_a_task_that_the_data_lacks(project: Project) -> None:
    project.edit("intent: {kind: classification,", "intent: {kind: classification, column: intnt,")
    said = project.refused()
    assert f"{project.place('intnt')}: tasks.intent.column: " in said
    assert "no column 'intnt'" in said
    assert "did you mean 'intent'?" in said


def test_several_tasks_that_the_data_lacks(project: Project) -> None:
    project.edit("intent: {kind: classification,", "intent: {kind: classification, column: a,")
    project.edit("urgent: {kind: binary,", "urgent: {kind: binary, column: b,")
    said = project.refused()
    assert "tasks.intent.column" in said
    assert "tasks.urgent.column" in said


def test_a_task_that_no_source_labels(project: Project) -> None:
    project.edit("      train: train.jsonl", "      tasks: [urgent]\n      train: train.jsonl")
    said = project.refused()
    assert project.place("intent: {kind").rsplit(":", 1)[0] in said  # the task's line
    assert "no source lists it" in said


def test_a_split_without_a_label_of_a_task(project: Project) -> None:
    for line in range(1, len(project.lines("test")) + 1):
        project.change("test", line, urgent=None)
    said = project.refused()
    assert "tasks.urgent: column 'urgent' is empty in every row of split test" in said
    assert str(project.recipe) in said


def test_a_label_outside_the_declared_set(project: Project) -> None:
    project.edit("metric: macro_f1", "labels: [greet, order], metric: macro_f1")
    said = project.refused()
    line = next(at for at, row in enumerate(project.lines("train"), 1) if '"cancel"' in row)
    assert f"train.jsonl:{line}: task intent: " in said
    assert "'cancel'" in said
    assert "more rows" in said


def test_a_positive_label_that_does_not_occur(project: Project) -> None:
    project.edit('positive: "yes"', 'positive: "yess"')
    said = project.refused()
    assert project.place('"yess"') in said
    assert "'yess' does not occur; there are no, yes" in said


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_an_empty_split(project: Project, split: str) -> None:
    project.write(split, [])
    said = project.refused()
    assert f"split {split}" in said
    assert "no row" in said


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("text", float("nan"), "NaN"),
        ("text", 5, "expected text, found"),
        ("text", None, "'text' is empty"),
        ("text", ..., "no column 'text'"),
        ("intent", 1.5, "the fraction 1.5"),
        ("intent", ["greet"], "intent"),
        ("intent", {"a": 1}, "intent"),
        ("urgent", 0.5, "0.5"),
        ("urgent", ..., "no column 'urgent'"),
    ],
)
def test_a_value_that_does_not_fit(project: Project, column: str, value: Any, words: str) -> None:
    project.change("train", 7, **{column: value})
    said = project.refused()
    assert f"{project.folder / 'train.jsonl'}:7: " in said
    assert words in said


@pytest.mark.parametrize("split", ["train", "validation", "more"])
def test_a_line_that_is_cut_off(project: Project, split: str) -> None:
    lines = project.lines(split)
    project.write(split, [*lines[:4], lines[4][:-9], *lines[5:]])
    said = project.refused()
    assert f"{project.folder / split}.jsonl:5: " in said
    assert "cut off" in said


def test_what_is_wrong_in_several_splits_is_said_at_once(project: Project) -> None:
    project.change("train", 3, text=1)
    project.change("test", 2, text=2)
    said = project.refused()
    assert "train.jsonl:3" in said
    assert "test.jsonl:2" in said


def test_problems_reach_programs_with_their_places(project: Project) -> None:
    project.change("train", 3, text=1)
    error = kd2edge("check", project.recipe, "--json").json["error"]
    problem = error["problems"][0]
    assert (problem["file"], problem["line"]) == (str(project.folder / "train.jsonl"), 3)


def test_words_and_labels_that_do_not_match(project: Project) -> None:
    from products import write_token_project

    recipe = write_token_project(project.folder)
    project.change("train", 4, ner=["O"])
    result = kd2edge("check", recipe)
    assert_clean_failure(result, 2)
    assert "train.jsonl:4" in result.err
    assert "expected a label a word" in result.err


def test_every_unlabelled_line_that_is_broken_is_named(project: Project) -> None:
    lines = project.lines("more")
    lines[1], lines[4], lines[6] = '{"text": "cut', '{"text": 5}', '{"text" 1'
    project.write("more", lines)
    said = project.refused()
    for line in (2, 5, 7):
        assert f"more.jsonl:{line}: " in said
