from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.tasks.spans import is_bio, spans_of

TAGS = ("O", "B-x", "I-x", "B-y", "I-y")


def words(count: int) -> list[tuple[int, int, str]]:
    return [(2 * at, 2 * at + 1, str(at % 10)) for at in range(count)]


@pytest.mark.parametrize(
    ("labels", "bio"),
    [
        (("O", "B-PER", "I-PER"), True),
        (("B-PER", "I-PER"), True),
        (("O",), False),
        (("O", "I-PER"), False),
        (("NOUN", "VERB"), False),
        (("O", "B-PER", "VERB"), False),
    ],
)
def test_is_bio(labels: tuple[str, ...], bio: bool) -> None:
    assert is_bio(labels) == bio


@given(st.lists(st.sampled_from(TAGS), max_size=12))
def test_spans_are_those_of_seqeval(labels: list[str]) -> None:
    sequence_labeling = pytest.importorskip("seqeval.metrics.sequence_labeling")
    found = spans_of(labels, [1.0] * len(labels), words(len(labels)))
    wanted = [
        (kind, 2 * first, 2 * last + 1)
        for kind, first, last in sequence_labeling.get_entities(labels)
    ]
    assert [(span["label"], span["start"], span["end"]) for span in found] == wanted


def test_a_span_has_the_mean_score_and_the_text_between() -> None:
    row = [(0, 4, "Coca"), (4, 5, "-"), (5, 9, "Cola"), (12, 16, "Corp")]
    span, *others = spans_of(["B-org", "I-org", "I-org", "I-org"], [0.9, 0.5, 0.7, 0.5], row)
    assert not others
    assert span["text"] == "Coca-Cola Corp"
    assert (span["start"], span["end"]) == (0, 16)
    assert span["score"] == pytest.approx(0.65)


def test_a_word_that_was_cut_off_ends_a_span() -> None:
    found = spans_of(["B-x", None, "I-x"], [1.0, 0.0, 1.0], words(3))
    assert [(span["start"], span["end"]) for span in found] == [(0, 1), (4, 5)]


def test_types_may_hold_hyphens() -> None:
    assert spans_of(["B-fac-old", "I-fac-old"], [1.0, 1.0], words(2))[0]["label"] == "fac-old"
