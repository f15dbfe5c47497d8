"""Texts with words left out, replaced and exchanged."""

from __future__ import annotations

from typing import Any

import pytest

from kd2edge.rows.made.maker import Making
from kd2edge.rows.made.rows import MadeRows
from kd2edge.rows.rows import Rows

_ROWS = [
    {"tokens": list("abcdefgh"), "slots": ["O"] * 8},
    {"tokens": list("ABCDEFGH")},
]


def perturbed(rows: Rows, copies: int, column: str = "tokens", **options: float) -> MadeRows:
    """Rows of which nothing is changed but what is asked for."""
    every: dict[str, Any] = {"drop": 0.0, "replace": 0.0, "swap": 0.0, "ngram": 0.0, "longest": 5}
    return MadeRows(rows, Making("perturb", copies, 1, every | options, words=(column, "nowhere")))


def test_nothing_asked_for_changes_nothing(list_rows):
    rows = perturbed(list_rows(_ROWS), 3)
    assert [rows[at] for at in range(6)] == _ROWS * 3


def test_words_are_left_out_at_their_rate_and_the_others_keep_their_order(list_rows):
    rows = perturbed(list_rows(_ROWS[:1]), 500, drop=0.3)
    kept = [rows[at]["tokens"] for at in range(500)]
    assert all(words == sorted(words) for words in kept)
    assert 0.66 < sum(map(len, kept)) / 4000 < 0.74
    assert {word for words in kept for word in words} == set("abcdefgh")


def test_one_word_stays_where_all_would_go_and_any_may_be_it(list_rows):
    rows = perturbed(list_rows(_ROWS[:1]), 200, drop=1.0)
    kept = [rows[at]["tokens"] for at in range(200)]
    assert all(len(words) == 1 for words in kept)
    assert {words[0] for words in kept} == set("abcdefgh")


def test_what_replaces_a_word_stands_there_in_another_row(list_rows):
    rows = perturbed(list_rows(_ROWS), 300, replace=0.5)
    made = [rows[at]["tokens"] for at in range(0, 600, 2)]
    assert all([word.lower() for word in words] == list("abcdefgh") for words in made)
    capitals = sum(word.isupper() for words in made for word in words)
    assert 0.2 < capitals / 2400 < 0.3  # half of them, and of these half from the row itself


def test_a_shorter_row_replaces_no_word_that_it_has_none_for(list_rows):
    rows = perturbed(list_rows([{"tokens": list("abc")}, {"tokens": ["X"]}]), 50, replace=1.0)
    assert {tuple(rows[at]["tokens"][1:]) for at in range(0, 100, 2)} == {("b", "c")}


def test_neighbours_change_places(list_rows):
    rows = perturbed(list_rows([{"tokens": ["a", "b"]}]), 1000, swap=0.25)
    swapped = sum(rows[at]["tokens"] == ["b", "a"] for at in range(1000))
    assert 210 < swapped < 290
    longer = perturbed(list_rows(_ROWS[:1]), 50, swap=0.5)
    assert all(sorted(longer[at]["tokens"]) == list("abcdefgh") for at in range(50))


def test_a_span_is_a_piece_of_the_text_of_at_most_so_many_words(list_rows):
    rows = perturbed(list_rows(_ROWS[:1]), 400, ngram=0.5, longest=3)
    made = ["".join(rows[at]["tokens"]) for at in range(400)]
    spans = [text for text in made if text != "abcdefgh"]
    assert 160 < len(spans) < 240
    assert all(text in "abcdefgh" for text in spans)
    assert {len(text) for text in spans} == {1, 2, 3}
    assert {text[0] for text in spans} == set("abcdefgh")


def test_a_text_stays_a_text_with_one_blank_between_words(list_rows):
    own = list_rows([{"text": "pay  20 now", "image": "x"}])
    rows = perturbed(own, 50, "text", drop=0.3, swap=0.3)
    texts = {rows[at]["text"] for at in range(50)}
    assert len(texts) > 5
    assert all(" ".join(text.split()) == text for text in texts)
    assert all(rows[at]["image"] == "x" for at in range(50))


@pytest.mark.parametrize("value", [None, "", [], 3, ["a", 4]])
def test_what_is_no_text_stays_for_the_walk_over_the_rows_to_name(list_rows, value):
    rows = perturbed(list_rows([{"text": value}]), 2, "text", drop=1.0, replace=1.0, ngram=1.0)
    assert rows[1]["text"] == value
