"""Texts made of other texts."""

from __future__ import annotations

from typing import Any

import pytest

from kd2edge.rows.made.maker import Making
from kd2edge.rows.made.rows import MadeRows
from kd2edge.rows.rows import Rows

_ROWS = [
    {"id": 1, "tokens": ["call", "me", "at", "25", "past", "7"], "slots": ["O"] * 6},
    {"id": 2, "tokens": ["book", "a", "table", "for", "two"]},
    {"id": 3, "tokens": ["no", "thanks"]},
]


def remixed(rows: Rows, copies: int = 1, *columns: str, **options: float) -> MadeRows:
    """Rows of which nothing is changed but what is asked for."""
    every: dict[str, Any] = {"splice": 0.0, "swap": 0.0, "digits": 0.0, **options}
    return MadeRows(rows, Making("remix", copies, 1, every, words=columns or ("tokens",)))


def test_copies_of_nothing_changed_are_the_rows(list_rows):
    rows = remixed(list_rows(_ROWS, "own"), 3)
    assert [rows[at]["tokens"] for at in range(9)] == [row["tokens"] for row in _ROWS] * 3
    assert (len(rows), rows.root, rows.place(4)) == (9, "/own", "own:2 (remix)")
    assert rows.root_of(4) == "/own"
    assert rows.is_made(4)
    for outside in (-1, 9):
        with pytest.raises(IndexError):
            rows[outside]


def test_a_spliced_row_begins_as_its_own_and_ends_as_another(list_rows):
    rows = remixed(list_rows(_ROWS), 50, splice=1.0)
    ends = [tuple(row["tokens"][at:]) for row in _ROWS for at in range(len(row["tokens"]) + 1)]
    lengths = set()
    for at in range(len(rows)):
        made, own = rows[at]["tokens"], _ROWS[at % 3]["tokens"]
        lengths.add(len(made))
        cuts = [cut for cut in range(1, len(own) + 1) if made[:cut] == own[:cut]]
        assert any(tuple(made[cut:]) in ends for cut in cuts)
    assert len(lengths) > 5


def test_a_swapped_word_is_one_of_these_rows(list_rows):
    rows = remixed(list_rows(_ROWS), 40, swap=0.5)
    words = {word for row in _ROWS for word in row["tokens"]}
    kept = total = 0
    for at in range(len(rows)):
        made, own = rows[at]["tokens"], _ROWS[at % 3]["tokens"]
        assert len(made) == len(own)
        assert set(made) <= words
        kept += sum(a == b for a, b in zip(made, own, strict=True))
        total += len(own)
    assert 0.45 < kept / total < 0.65  # half, and those that are swapped for themselves


def test_numbers_become_other_numbers_of_the_same_length(list_rows):
    own = list_rows([{"tokens": ["25", "7", "07", "p.m.5", "x"]}])
    rows = remixed(own, 300, digits=1.0)
    seen = [set(words) for words in zip(*(rows[at]["tokens"] for at in range(300)), strict=True)]
    assert all(len(word) == 2 and word.isdigit() and word[0] != "0" for word in seen[0])
    assert seen[1] == set("0123456789")
    assert any(word.startswith("0") for word in seen[2])  # a clock's, as before
    assert seen[3] == {f"p.m.{digit}" for digit in range(10)}
    assert seen[4] == {"x"}
    assert len(seen[0]) > 50


def test_text_is_remixed_between_its_blanks_and_other_columns_stay(list_rows):
    own = list_rows([{"text": "pay 20 now", "image": "x"}, {"text": "please wait"}])
    rows = remixed(own, 20, "text", "nowhere", splice=1.0, swap=0.2, digits=1.0)
    assert all(rows[at]["image"] == "x" for at in range(0, 40, 2))
    assert all(rows[at].keys() == own[at % 2].keys() for at in range(40))
    assert any(rows[at]["text"].startswith("pay ") for at in range(0, 40, 2))
    assert all("  " not in rows[at]["text"] for at in range(40))


@pytest.mark.parametrize("value", [None, "", [], 3, ["a", 4]])
def test_what_is_no_text_stays_for_the_walk_over_the_rows_to_name(list_rows, value):
    rows = remixed(list_rows([{"text": value}]), 2, "text", splice=1.0, swap=1.0, digits=1.0)
    assert rows[1]["text"] == value


def test_rows_are_read_once_and_what_is_made_does_not_hang_on_what_is_held(
    list_rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = list_rows(_ROWS)
    reads: list[int] = []
    sound = type(own).__getitem__
    monkeypatch.setattr(
        type(own), "__getitem__", lambda self, at: (reads.append(at), sound(self, at))[1]
    )
    rows = remixed(own, 20, splice=0.5, swap=0.3)
    made = list(rows)
    assert len(reads) == len(made) + 3  # each row's own, and once what others are made of
    monkeypatch.setattr("kd2edge.rows.made.remix._HELD", 2)
    assert list(remixed(own, 20, splice=0.5, swap=0.3)) == made
    assert len(reads) > 2 * len(made) + 6
