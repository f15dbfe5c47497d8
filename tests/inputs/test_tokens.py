from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inputs.starts import rows_of
from kd2edge.errors import InputError
from kd2edge.inputs import Encoder, InputSpec, input_kind
from kd2edge.inputs.words import LOWER, OTHER, TITLE, UPPER

Opened = Callable[..., Encoder]


@pytest.fixture(scope="module")
def encoder(opened: Opened) -> Encoder:
    return opened("tokens", max_length=8)


def starts_of(encoder: Encoder, rows: list[Any]) -> list[list[int]]:
    return rows_of(encoder.encode(rows))


def test_words_are_never_joined(encoder: Encoder, id_of: dict[str, int]) -> None:
    encoded = encoder.encode([["play", "ing"]])
    ids = [id_of[piece] for piece in ("[CLS]", "play", "ing", "[SEP]")]
    assert encoded.arrays["input_ids"].tolist() == [ids]


def test_word_starts_point_at_the_first_piece(encoder: Encoder) -> None:
    rows = [["Playing", "music!", "in"], ["in"]]  # "music!" is two pieces of one word
    assert starts_of(encoder, rows) == [[1, 3, 5], [1]]


def test_words_beyond_the_limit_are_minus_one(encoder: Encoder) -> None:
    rows = [["the"] * 5 + ["unplayable", "in", "in"], ["the"] * 6, ["the"] * 7]
    assert starts_of(encoder, rows) == [
        [1, 2, 3, 4, 5, 6, -1, -1],
        [1, 2, 3, 4, 5, 6],
        [1, 2, 3, 4, 5, 6, -1],
    ]
    assert [encoder.truncated(row) for row in rows] == [True, False, True]


@pytest.mark.parametrize("gone", ["", " ", "\u200b", "\ufe0f"])
def test_a_word_without_pieces_moves_no_other(encoder: Encoder, gone: str) -> None:
    assert starts_of(encoder, [["the", gone, "in"]]) == [[1, -1, 2]]
    assert not encoder.truncated(["the", gone, "in"])


def test_an_empty_list_is_a_valid_row(encoder: Encoder, id_of: dict[str, int]) -> None:
    encoded = encoder.encode([[], ["in"]])
    assert encoded.arrays["input_ids"][0].tolist() == [
        id_of["[CLS]"],
        id_of["[SEP]"],
        id_of["[PAD]"],
    ]
    assert encoder.encode([[]]).arrays["input_ids"].shape == (1, 2)
    assert starts_of(encoder, [[], ["in"]]) == [[], [1]]


def test_a_control_token_as_a_word_is_a_word(encoder: Encoder, id_of: dict[str, int]) -> None:
    encoded = encoder.encode([["[SEP]", "in"]])
    assert (encoded.arrays["input_ids"] == id_of["[SEP]"]).sum() == 1
    assert starts_of(encoder, [["[SEP]", "in"]]) == [[1, 6]]


def test_words_are_kept_for_answers(encoder: Encoder) -> None:
    words = encoder.encode([["New", "York", "\u200b", *["x"] * 10]]).words
    assert words is not None
    assert list(words[0])[:3] == [(0, 3, "New"), (4, 8, "York"), (9, 10, "\u200b")]
    assert len(words[0]) == 13


def test_casing_goes_by_word(opened: Opened) -> None:
    encoded = opened("tokens", casing=True).encode([["Playing", "IN", "music", "!"], []])
    assert encoded.arrays["casing_ids"].tolist() == [
        [0, TITLE, TITLE, UPPER, LOWER, OTHER, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]


@given(
    rows=st.lists(st.lists(st.text(max_size=6), max_size=8), min_size=1, max_size=3),
    limit=st.integers(3, 10),
)
def test_starts_and_truncation_are_exact(opened: Opened, rows: list[list[str]], limit: int) -> None:
    encoder, unlimited = opened("tokens", max_length=limit), opened("tokens", max_length=999)
    cut, whole = encoder.encode(rows), unlimited.encode(rows)
    lengths = unlimited.length(whole)
    for row, words in enumerate(rows):
        starts = rows_of(whole)[row]
        assert len(starts) == len(words)
        assert rows_of(cut)[row] == [at if at < limit - 1 else -1 for at in starts]
        assert encoder.truncated(words) == (lengths[row] > limit)


@pytest.mark.parametrize("value", [("the", "in"), np.array(["the", "in"])])
def test_tuples_and_arrays_are_lists_of_words(encoder: Encoder, value: Any) -> None:
    assert starts_of(encoder, [value]) == [[1, 2]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("the music", "found the string 'the music'; cut it into words first"),
        (None, "expected a list of words, found None"),
        (float("nan"), "expected a list of words, found NaN"),
        (["a", None], "word 2: expected a string, found None"),
        ([["a"]], "word 1: expected a string, found a list"),
        (["a", float("nan")], "word 2: expected a string, found NaN"),
    ],
)
def test_other_values_are_refused_by_row(encoder: Encoder, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"input 'said', row 1: .*{message}"):
        encoder.encode([["fine"], value])


def test_half_a_surrogate_pair_is_refused_by_row(encoder: Encoder) -> None:
    with pytest.raises(InputError, match="row 1: the text is no valid Unicode"):
        encoder.encode([["fine"], ["a", "\udc00"]])


def test_every_edge_can_be_encoded(opened: Opened) -> None:
    encoder = opened("tokens", max_length=8, casing=True)
    edges = encoder.edge_values()
    assert encoder.encode(list(edges.values())).arrays["input_ids"].shape == (len(edges), 8)
    assert edges["empty"] == []
    assert encoder.truncated(edges["longest"])


def value_of(row: dict[str, Any]) -> Any:
    return input_kind("tokens").value(InputSpec("said", "tokens", ("said",)), row, "")


def test_value_is_a_list_of_words() -> None:
    assert value_of({"said": ["a", "b"]}) == ["a", "b"]
    assert value_of({"said": np.array(["a", "b"], dtype=object)}) == ["a", "b"]


@pytest.mark.parametrize("value", ["a b", None, 3.0, [1, 2], float("nan")])
def test_value_refuses_other_things(value: Any) -> None:
    with pytest.raises(ValueError, match=r"expected|empty"):
        value_of({"said": value})


def test_ids_and_words_are_those_of_transformers(minilm: Path) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(minilm)
    spec = InputSpec("said", "tokens", ("said",), {"max_length": 12})
    ours = input_kind("tokens").open(spec, {"tokenizer": (minilm / "tokenizer.json").read_bytes()})
    rows = [
        ["Coca", "-", "Cola", "corporation"],
        ["antidisestablishmentarianism"] * 4,
        ["na\u00efve", "\u2603"],
    ]
    wanted = theirs(
        rows,
        is_split_into_words=True,
        truncation=True,
        max_length=12,
        padding=True,
        return_tensors="np",
    )
    found = ours.encode(rows)
    assert found.arrays["input_ids"].tolist() == wanted["input_ids"].tolist()
    for row in range(len(rows)):
        word_ids = wanted.word_ids(row)
        for word, start in enumerate(rows_of(found)[row]):
            assert start == (word_ids.index(word) if word in word_ids else -1)
