"""A checkpoint is taken as a teacher only where it reads what the recipe gives it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kd2edge.errors import UsageError
from kd2edge.nets import save_net
from kd2edge.pipeline.reading.model_inputs import teacher_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.steps.teaching import checkpoint_of
from kd2edge.pipeline.steps.work import fresh_net
from kd2edge.recipe import load_recipe
from products import swap_pieces, write_jsonl, write_review_project, write_text_project


def test_a_checkpoint_of_another_tokenizer_of_the_same_size_is_refused(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    loaded = load_recipe(
        recipe, overrides=["teachers.0.train=null", f"teachers.0.checkpoint={tmp_path / 'net'}"]
    )
    teacher, tasks = loaded.recipe.teachers[0], list(prepare_data(loaded).tasks.values())
    inputs = teacher_inputs(loaded.recipe, "bert")
    net = fresh_net(teacher.model, inputs, tasks, 0)
    save_net(net, tmp_path / "net", tokenizers=inputs.tokenizers)
    assert checkpoint_of(teacher, inputs, tasks) == tmp_path / "net"
    swap_pieces(tmp_path / "tokenizer.json", "a", "b")
    other = teacher_inputs(loaded.recipe, "bert")
    assert other.vocabulary == inputs.vocabulary
    with pytest.raises(UsageError, match=r"text\.tokenizer '.{12}\.\.\.' \(recipe: '"):
        checkpoint_of(teacher, other, tasks)
    save_net(net, tmp_path / "net")  # as older versions wrote it
    assert checkpoint_of(teacher, other, tasks) == tmp_path / "net"


def test_a_checkpoint_whose_table_was_fitted_to_other_rows_is_refused(tmp_path: Path) -> None:
    """The same columns, other scales: its numbers would mean something else."""
    recipe, stem = write_review_project(tmp_path), tmp_path / "net"
    loaded = load_recipe(
        recipe, overrides=["teachers.both.train=null", f"teachers.both.checkpoint={stem}"]
    )
    teacher, data = loaded.recipe.teachers[0], prepare_data(loaded)
    tasks = [task for task in data.tasks.values() if task.name in teacher.tasks]
    inputs = teacher_inputs(loaded.recipe, "both", data.learned)
    assert inputs.fitted.keys() == {"details"}
    net = fresh_net(teacher.model, inputs, tasks, 0)
    save_net(net, stem, tokenizers=inputs.tokenizers, fitted=inputs.fitted)
    assert checkpoint_of(teacher, inputs, tasks) == stem
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    older = [row if row["age"] is None else {**row, "age": row["age"] + 1} for row in rows]
    write_jsonl(tmp_path / "train.jsonl", older)
    other = teacher_inputs(loaded.recipe, "both", prepare_data(loaded).learned)
    assert other.vocabulary == inputs.vocabulary
    with pytest.raises(
        UsageError, match=r"other inputs: details\.fitted '.{12}\.\.\.' \(recipe: '"
    ):
        checkpoint_of(teacher, other, tasks)
