"""Rows that a model cannot take."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundles
from commands import kd2edge, succeed
from faulty import assert_clean_failure
from kd2edge.errors import InputError
from kd2edge.runtime import load
from products import Product


def predict(bundle: Path, tmp_path: Path, *lines: str) -> Any:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return kd2edge("predict", bundle, rows, "--artefact", "onnx-fp32")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"text": 5}', "expected text, found"),
        ('{"text": null}', "'text' is empty"),
        ('{"text": ["a"]}', "expected text, found"),
        ('{"txet": "hello"}', "did you mean 'txet'"),
        ('{"text": "hel', "the line is cut off"),
        ('["hello"]', "expected a JSON object"),
        ("hello", "not JSON"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(
    text_product: Product, tmp_path: Path, line: str, words: str
) -> None:
    result = predict(text_product.bundle, tmp_path, '{"text": "hello"}', "", line)
    assert_clean_failure(result, 2)
    assert f"{tmp_path / 'rows.jsonl'}:3: " in result.err
    assert words in result.err


@pytest.mark.parametrize("lines", [(), ("", "  ")])
def test_no_rows(text_product: Product, tmp_path: Path, lines: tuple[str, ...]) -> None:
    result = predict(text_product.bundle, tmp_path, *lines)
    assert_clean_failure(result, 2)
    assert "at least one row" in result.err


def test_a_file_that_is_not_there_or_no_text(text_product: Product, tmp_path: Path) -> None:
    missing = kd2edge("predict", text_product.bundle, tmp_path / "none.jsonl")
    assert_clean_failure(missing, 2)
    assert "no such file" in missing.err
    assert_clean_failure(kd2edge("predict", text_product.bundle, tmp_path), 4)
    (tmp_path / "image.jsonl").write_bytes(b"\x89PNG\xff\xfe\x00")
    result = kd2edge("predict", text_product.bundle, tmp_path / "image.jsonl")
    assert_clean_failure(result, 2)
    assert "not UTF-8" in result.err


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((10, 10), int).tolist(), "28"),
        ([[0] * 48] * 27 + [[0] * 47], ""),
        (np.full((28, 48), 0.5).tolist(), ""),
        (np.full((28, 48), 256, int).tolist(), ""),
        ([], ""),
        (7, ""),
    ],
)
def test_an_image_of_another_shape_or_type(
    image_product: Product, tmp_path: Path, image: Any, words: str
) -> None:
    result = predict(image_product.bundle, tmp_path, json.dumps({"image": image}))
    assert_clean_failure(result, 2)
    assert "image" in result.err
    assert words in result.err


@pytest.mark.parametrize("bad", [0, 255, 256, 299])
def test_a_row_that_the_model_refuses_is_named_by_its_line(bad: int, tmp_path: Path) -> None:
    """Also beyond the first chunk, and beyond the rows that the artefact takes at once."""
    bundle = bundles.image_bundle(tmp_path / "tiny")
    good, small = (np.zeros((size, size), int).tolist() for size in (8, 4))
    rows = [json.dumps({"image": small if at == bad else good}) for at in range(300)]
    result = predict(bundle, tmp_path, "", *rows)  # an empty line counts
    assert result.code == 2
    assert f"{tmp_path / 'rows.jsonl'}:{bad + 2}: input image: expected 8 x 8 pixels" in result.err
    assert ", row " not in result.err


def test_a_file_and_a_text_are_refused_before_a_model_is_loaded(tmp_path: Path) -> None:
    result = kd2edge("predict", tmp_path / "no-bundle", "rows.jsonl", "--text", "hello")
    assert_clean_failure(result, 2)
    assert "expected FILE or --text, found both" in result.err


def test_an_unknown_task_is_refused_before_a_row_is_read(tmp_path: Path) -> None:
    bundle = bundles.image_bundle(tmp_path / "tiny")
    (tmp_path / "rows.jsonl").write_text("no row\n", encoding="utf-8")
    result = kd2edge("predict", bundle, tmp_path / "rows.jsonl", "--task", "nope")
    assert result.code == 2
    assert "expected tasks among" in result.err
    assert "'nope'" in result.err


def test_words_that_are_no_list(token_product: Product, tmp_path: Path) -> None:
    result = predict(token_product.bundle, tmp_path, '{"tokens": "Anna sees Rome"}')
    assert_clean_failure(result, 2)
    assert "list" in result.err


def test_tasks_and_texts_that_the_model_does_not_have(
    text_product: Product, image_product: Product
) -> None:
    result = kd2edge("predict", text_product.bundle, "--text", "hello", "--task", "intnet")
    assert_clean_failure(result, 2)
    assert "'intent'" in result.err
    result = kd2edge("predict", image_product.bundle, "--text", "hello")
    assert_clean_failure(result, 2)
    assert "--text needs" in result.err


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "missing"),
        ({"text": []}, "empty list"),
        ({"text": {"hello": 1}}, "list"),
        ({"text": [1]}, "expected a string"),
        ({"txt": ["hello"]}, "did you mean 'text'"),
        ({"text": ["a"], "more": ["b"]}, "unknown input 'more'"),
        (
            {
                "input_ids": np.zeros((1, 4), np.float32),
                "attention_mask": np.ones((1, 4), np.int64),
            },
            "int64",
        ),
        (
            {"input_ids": np.zeros(4, np.int64), "attention_mask": np.ones(4, np.int64)},
            "input_ids",
        ),
    ],
)
def test_what_a_service_may_hand_over(
    text_product: Product, inputs: dict[str, Any], words: str
) -> None:
    with load(text_product.bundle, artefact="onnx-fp32", threads=1) as model:
        with pytest.raises(InputError, match=words):
            model.predict(inputs)
        with pytest.raises(InputError, match=words):
            model.logits(inputs)


def test_rows_come_from_stdin_too(text_product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    fed = io.BytesIO(b'{"text": "hello"}\n{"text": ""}\n')
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(fed))
    result = succeed("predict", text_product.bundle, "-", "--top-k", "2")
    answers = [json.loads(line) for line in result.out.splitlines()]
    assert [len(one["intent"]) for one in answers] == [2, 2]
    assert answers[0].keys() == {"intent", "urgent"}


def test_a_typed_text_is_cut_as_recipes_cut_texts(token_product: Product) -> None:
    result = kd2edge("predict", token_product.bundle, "--text", "Anna sees Paris.", "--json")
    (row,) = json.loads(result.out)["rows"]
    assert [word["text"] for word in row["pos"]] == ["Anna", "sees", "Paris", "."]
    given = json.dumps({"tokens": ["Anna", "sees", "Paris", "."]})
    lines = token_product.folder / "typed.jsonl"
    lines.write_text(f"{given}\n", encoding="utf-8")
    (same,) = json.loads(kd2edge("predict", token_product.bundle, lines, "--json").out)["rows"]
    assert row == same
