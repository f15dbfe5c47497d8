"""Pieces as a teacher reads them, and how often the training rows hold each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kd2edge.data import encode_split
from kd2edge.inputs.tokenizer_json import parsed, piece_ids
from kd2edge.pipeline.reading.model_inputs import ModelInputs, student_inputs, teacher_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.steps.piece_table import piece_batches, piece_ids_of, piece_shares
from kd2edge.recipe import load_recipe
from products import write_text_project, write_token_project


def pieces_of(inputs: ModelInputs, name: str) -> dict[str, int]:
    return piece_ids(parsed(inputs.files[inputs.specs[name].files["tokenizer"]]))


@pytest.mark.parametrize("write", [write_text_project, write_token_project])
def test_every_piece_stands_alone_between_the_control_tokens(tmp_path: Path, write) -> None:
    recipe = load_recipe(write(tmp_path)).recipe
    (name,) = recipe.inputs
    theirs = teacher_inputs(recipe, "bert")
    pieces = pieces_of(theirs, name)
    ids = np.array([pieces["##ing"], pieces["a"]])
    (arrays,) = piece_batches(theirs, name, ids)
    front, back = pieces["[CLS]"], pieces["[SEP]"]
    assert arrays["input_ids"].tolist() == [[front, one, back] for one in ids]
    assert (arrays["attention_mask"] == 1).all()
    assert set(arrays) == {one.name for one in theirs.encoders[name].arrays}
    if "casing_ids" in arrays:  # lower case between what is not written at all
        assert arrays["casing_ids"].tolist() == [[0, 1, 0], [0, 1, 0]]


def test_a_cut_vocabulary_names_the_teachers_ids(tmp_path: Path) -> None:
    loaded = load_recipe(write_text_project(tmp_path))
    rows = prepare_data(loaded).rows["train"]
    ours, theirs = student_inputs(loaded.recipe, rows), teacher_inputs(loaded.recipe, "bert")
    ids = piece_ids_of(ours, "text")
    assert len(ids) == ours.vocabulary["text"] < theirs.vocabulary["text"]
    known = {index: piece for piece, index in pieces_of(theirs, "text").items()}
    assert {known[ids[at]]: at for at in range(len(ids))} == pieces_of(ours, "text")
    assert piece_ids_of(theirs, "text").tolist() == list(range(theirs.vocabulary["text"]))


def test_batches_together_hold_every_piece_once(tmp_path: Path) -> None:
    recipe = load_recipe(write_text_project(tmp_path)).recipe
    theirs = teacher_inputs(recipe, "bert")
    ids = np.arange(600) % theirs.vocabulary["text"]
    found = np.concatenate([one["input_ids"][:, 1] for one in piece_batches(theirs, "text", ids)])
    np.testing.assert_array_equal(found, ids)


def test_shares_count_what_the_rows_hold_and_one_more(tmp_path: Path) -> None:
    loaded = load_recipe(write_text_project(tmp_path))
    data = prepare_data(loaded)
    inputs = student_inputs(loaded.recipe, data.rows["train"])
    split = encode_split(
        data.rows["train"],
        inputs=inputs.pairs,
        tasks=list(data.tasks.values()),
        directory=tmp_path / "encoded",
        file_hashes=inputs.hashes,
        on_event=lambda event: None,
    )
    counts: Counter[int] = Counter()
    for row in data.rows["train"]:
        arrays = inputs.encoders["text"].encode([row["text"]]).arrays
        counts.update(arrays["input_ids"][0].tolist())
    shares = piece_shares(split, inputs.specs["text"], inputs.vocabulary["text"])
    wanted = np.array([1 + counts[at] for at in range(len(shares))], dtype=float)
    np.testing.assert_allclose(shares, wanted / wanted.sum())
    assert shares.min() > 0
