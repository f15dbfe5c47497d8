"""Recipes whose tokenizer is learned from their rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import succeed
from docs.documents import ROOT, blocks
from kd2edge.errors import RecipeError
from kd2edge.inputs import vocabulary_size
from kd2edge.pipeline.reading.learned import learned_tokenizers
from kd2edge.pipeline.reading.model_inputs import student_inputs, teacher_inputs
from kd2edge.pipeline.reading.prepare import prepare_data, require_sound
from kd2edge.recipe import load_recipe
from kd2edge.runtime import load
from products import write_jsonl, write_text_project, write_token_project

TRAIN = "inputs.{}.tokenizer={{train: {{kind: {}, size: 400}}}}"


def test_models_that_ask_for_the_same_share_it(tmp_path: Path) -> None:
    loaded = load_recipe(write_text_project(tmp_path), overrides=[TRAIN.format("text", "unigram")])
    data = prepare_data(loaded)
    student = student_inputs(loaded.recipe, data.rows["train"], data.learned)
    teacher = teacher_inputs(loaded.recipe, "bert", data.learned)
    assert student.files == teacher.files
    assert student.whole == teacher.whole
    assert student.vocabulary["text"] == vocabulary_size(student.files["tokenizer/text.json"])


def test_a_teacher_keeps_a_tokenizer_of_its_own(tmp_path: Path) -> None:
    own = (
        "teachers.0.inputs={text: {kind: text, columns: [text], tokenizer: {path: tokenizer.json}}}"
    )
    changes = [TRAIN.format("text", "bpe"), own, "student.init=null"]
    loaded = load_recipe(write_text_project(tmp_path), overrides=changes)
    data = prepare_data(loaded)
    student = student_inputs(loaded.recipe, data.rows["train"], data.learned)
    teacher = teacher_inputs(loaded.recipe, "bert", data.learned)
    assert teacher.files["tokenizer/text.json"] == (tmp_path / "tokenizer.json").read_bytes()
    assert student.whole != teacher.whole


def test_unlabelled_rows_teach_too_and_other_splits_do_not(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    write_jsonl(tmp_path / "more.jsonl", [{"text": "quux quux quux"}] * 9)
    loaded = load_recipe(recipe, overrides=[TRAIN.format("text", "wordpiece")])
    data = prepare_data(loaded)
    (content,) = data.learned.values()
    assert "quux" in json.loads(content)["model"]["vocab"]
    (first,) = learned_tokenizers(loaded.recipe, data.rows["train"]).values()
    assert first == content


def test_rows_that_nobody_can_read_are_told_by_the_check(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    for split in ("train", "more"):
        write_jsonl(tmp_path / f"{split}.jsonl", [{"text": 3, "intent": "greet", "urgent": "yes"}])
    loaded = load_recipe(recipe, overrides=[TRAIN.format("text", "unigram")])
    with pytest.raises(RecipeError, match="expected text, found"):
        require_sound(loaded, prepare_data(loaded))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("inputs.text.tokenizer={train: {kind: unigrm}}", "unigram"),
        ("inputs.text.tokenizer={train: {kind: unigram, size: 20}}", "300"),
        ("inputs.text.tokenizer={train: {kind: unigram, min_frequency: 3}}", "min_frequency"),
        ("inputs.text.tokenizer={train: unigram, vocab: cut}", "vocab"),
        (
            "teachers.0.model={family: transformers, source: {path: .}}",
            "bert starts from pretrained weights",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, change: str, message: str) -> None:
    changes = [TRAIN.format("text", "unigram"), change]
    with pytest.raises(RecipeError, match=message):
        load_recipe(write_text_project(tmp_path), overrides=changes)


def test_a_word_stands_for_its_mapping(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    short = load_recipe(recipe, overrides=["inputs.text.tokenizer={train: unigram}"])
    assert short.recipe.inputs["text"].tokenizer.train.size == 8000


def test_word_tasks_go_all_the_way_and_a_run_says_what_was_learned(tmp_path: Path) -> None:
    recipe = write_token_project(tmp_path)
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    learn = ("--set", TRAIN.format("tokens", "unigram"), "--set", "baseline=false")
    succeed("distill", recipe, "--run-dir", run, *learn)
    kept = (run / "tokenizer" / "tokens.json").read_bytes()
    said = json.loads((run / "report.json").read_text(encoding="utf-8"))["tokenizers"]["tokens"]
    assert (said["kind"], said["size"]) == ("unigram", 400)
    assert said["pieces"] == vocabulary_size(kept)
    again = succeed("distill", recipe, "--run-dir", run, "--resume", *learn)
    assert (run / "tokenizer" / "tokens.json").read_bytes() == kept
    assert "report:" in again.out + again.err
    succeed("export", run, "--onnx", "--out", bundle)
    assert (bundle / "tokenizer" / "tokens.json").read_bytes() == kept
    with load(bundle, self_test=True) as model:
        (row,) = model.predict({"tokens": [["Anna", "sees", "Paris", "."]]})["pos"]
    assert [word["text"] for word in row] == ["Anna", "sees", "Paris", "."]


def test_the_recipe_in_another_script_that_is_shown_can_be_checked(tmp_path: Path) -> None:
    (shown,) = [block for block in blocks("yaml") if block.file == "docs/how-to/script.md"]
    assert (ROOT / shown.file).is_file()
    rows = [
        {"text": f"{start} {rest}{number}", "topic": topic}
        for number in range(6)
        for start, topic in (("今天天气很好", "天气"), ("我的银行卡", "银行"))
        for rest in ("，谢谢", "在哪里？", "可以吗？")
    ]
    (tmp_path / "data").mkdir()
    for at, split in enumerate(("train", "validation", "test")):
        write_jsonl(tmp_path / "data" / f"{split}.jsonl", rows[at::3])
    (tmp_path / "mine.yaml").write_text(shown.text, encoding="utf-8")
    said = succeed("check", tmp_path / "mine.yaml").out
    assert "topic: classification, 2 labels" in said
