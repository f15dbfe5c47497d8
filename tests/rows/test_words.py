"""Text that is cut into words on the way."""

from __future__ import annotations

import pytest

from kd2edge.errors import DataError
from kd2edge.rows.words import cut_rows


def test_words_stand_beside_the_text_they_were_cut_from(list_rows):
    own = list_rows([{"text": "Don't  panic, EU!", "id": 1}, {"text": "", "id": 2}], "own")
    rows = cut_rows(own, {"tokens": "text"})
    assert rows[0] == {
        "text": "Don't  panic, EU!",
        "id": 1,
        "tokens": ["Don", "'", "t", "panic", ",", "EU", "!"],
    }
    assert rows[1]["tokens"] == []
    assert list(rows) == [rows[0], rows[1]]
    assert (len(rows), rows.root, rows.place(1)) == (2, "/own", "own:2")


def test_another_cut_is_another_fingerprint(list_rows):
    own = list_rows([{"text": "a"}])
    prints = {
        own.fingerprint,
        cut_rows(own, {"tokens": "text"}).fingerprint,
        cut_rows(own, {"words": "text"}).fingerprint,
    }
    assert len(prints) == 3
    assert cut_rows(own, {"tokens": "text"}).fingerprint in prints


def test_a_missing_text_stays_missing_and_anything_else_is_named(list_rows):
    rows = cut_rows(list_rows([{"text": None}, {}, {"text": 3}], "x.jsonl"), {"tokens": "text"})
    assert rows[0]["tokens"] is None
    assert rows[1] == {}
    with pytest.raises(DataError, match=r"x.jsonl:3: column 'text': expected text .* a int \(3\)"):
        rows[2]
