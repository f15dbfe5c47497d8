from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kd2edge.inputs.longest import IN_ALL, PER_PIECE, AtMost


@given(st.text(max_size=200), st.integers(1, 8192))
def test_rows_of_a_usual_length_are_looked_at_whole(text: str, max_length: int) -> None:
    words = text.split()
    assert AtMost(max_length).of(text) is text
    assert AtMost(max_length).of(words) is words


def test_no_more_is_looked_at_than_stands_for_the_longest_row() -> None:
    assert AtMost(8).of("ab" * PER_PIECE * 50) == "ab" * (PER_PIECE * 4)
    assert len(AtMost(8192).of("a" * (IN_ALL + 5))) == IN_ALL
    assert len(AtMost(None).of("a" * (IN_ALL + 5))) == IN_ALL


def test_blanks_and_what_is_not_printed_do_not_count() -> None:
    for gone in (" ", "\n", "\u00a0", "\u200b", "\ufe0f", "\u0000", "\t \r\n"):
        text = gone * 50_000 + "Where is my card?"
        assert AtMost(8).of(text) == text
    assert len(AtMost(8).of(" " * (IN_ALL + 5))) == IN_ALL


def test_long_lists_of_words_end_alike() -> None:
    most = AtMost(8)
    assert most.of(["ab"] * PER_PIECE * 50) == ["ab"] * (PER_PIECE * 4)
    assert most.of(["x", "a" * PER_PIECE * 50, "y"]) == ["x", "a" * (8 * PER_PIECE)]
    kept = most.of([""] * (IN_ALL + 5))
    assert len(kept) == IN_ALL
    assert most.of(["\u200b"] * 50_000 + ["a"])[-1] == "a"
