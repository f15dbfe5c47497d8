from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.inputs.words import (
    DIGIT,
    LOWER,
    MIXED,
    OTHER,
    TITLE,
    UPPER,
    ListWords,
    casing,
    first_pieces,
    words_of,
)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("card", LOWER), ("3rd", LOWER), ("don't", LOWER), ("stra\u00dfe", LOWER),
        ("NATO", UPPER), ("I", UPPER), ("F-16", UPPER),
        ("Paris", TITLE), ("O'neil", TITLE),
        ("iPhone", MIXED), ("McDonald", MIXED), ("Coca-Cola", MIXED), ("#Hash", MIXED),
        ("2001", DIGIT), ("3.5", DIGIT), ("12:30", DIGIT), ("\u0663", DIGIT),
        (" NATO", UPPER), ("\u2581Anna", TITLE), (" Anna\u00a0", TITLE), ("\ufeffit", LOWER),
        (".", OTHER), ("", OTHER), ("\u6771\u4eac", OTHER), ("\u2603", OTHER), ("-", OTHER),
    ],
)  # fmt: skip
def test_casing(word: str, kind: int) -> None:
    assert casing(word) == kind


@given(st.text(max_size=12))
def test_every_word_has_one_of_six_casings(word: str) -> None:
    assert casing(word) in range(1, 7)


@given(st.lists(st.text(max_size=5), max_size=8))
def test_words_of_a_list_stand_in_its_joined_text(row: list[str]) -> None:
    joined = " ".join(row)
    words = ListWords([row])[0]
    assert [text for _, _, text in words] == row
    assert [joined[start:end] for start, end, _ in words] == row


def test_words_can_be_sliced() -> None:
    rows = [["a"], ["b", "c"], []]
    assert [list(row) for row in ListWords(rows)[1:]] == [[(0, 1, "b"), (2, 3, "c")], []]


def test_first_pieces_of_words_with_and_without_pieces() -> None:
    assert first_pieces([None, 0, 0, 2, None], 4) == [1, -1, 3, -1]
    assert first_pieces([None, None], 0) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Anna sees Paris.", ["Anna", "sees", "Paris", "."]),
        ("Don't  panic, EU!", ["Don", "'", "t", "panic", ",", "EU", "!"]),
        ("10\u00a0000 in\u00a0Oslo", ["10\u00a0000", "in\u00a0Oslo"]),
        ("Paris\u00a0! \u3000 \u2003Oslo", ["Paris", "!", "Oslo"]),
        ("\u6771\u4eac\t\U0001f642\r\nCaf\u00e9", ["\u6771\u4eac", "\U0001f642", "Caf\u00e9"]),
        ("", []),
        (" \t\u00a0\n", []),
        ("half \ud800 of it", ["half", "\ud800", "of", "it"]),
    ],
)
def test_a_typed_text_ends_its_words_at_blanks_and_around_punctuation(
    text: str, words: list[str]
) -> None:
    assert words_of(text) == words


@given(st.text(alphabet="ab.,\u00a0 \n\u3000\ud800", max_size=20))
def test_nothing_but_blanks_is_lost_of_a_typed_text(text: str) -> None:
    words = words_of(text)
    assert "".join("".join(word.split()) for word in words) == "".join(text.split())
    assert all(word == word.strip() != "" for word in words)


def test_a_long_typed_text_is_cut_in_portions() -> None:
    assert words_of("ab, " * 40_000) == ["ab", ","] * 40_000
    assert words_of("a" * 200_000) == ["a" * 200_000]
