from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.tasks.spans import OUTSIDE, Tag, are_tags, read_tag, spans_of

TAGS = ("O", "B-x", "I-x", "E-x", "S-x", "B-y", "I-y", "B", "I", "E", "S")


def words(count: int) -> list[tuple[int, int, str]]:
    return [(2 * at, 2 * at + 1, str(at % 10)) for at in range(count)]


@pytest.mark.parametrize(
    ("labels", "tags"),
    [
        (("O", "B-PER", "I-PER"), True),
        (("B-PER", "I-PER", "E-PER", "S-PER"), True),
        (("O", "I-PER"), True),
        (("O", "B", "I"), True),
        (("NOUN", "VERB"), False),
        (("O", "B-PER", "VERB"), False),
        (("O", "b-PER"), False),
        (("O-PER", "B-PER"), False),
        (("O", "B_PER"), False),
    ],
)
def test_which_labels_are_tags(labels: tuple[str, ...], tags: bool) -> None:
    assert are_tags(labels) == tags


def test_a_tag_is_its_prefix_and_its_type() -> None:
    assert read_tag("E-fac-old") == Tag("E", "fac-old")
    assert read_tag("B") == read_tag("B-") == Tag("B", "")
    assert read_tag("O") == OUTSIDE
    assert read_tag("Only") is None


@given(st.lists(st.sampled_from(TAGS), max_size=12))
def test_spans_are_those_of_seqeval(labels: list[str]) -> None:
    sequence_labeling = pytest.importorskip("seqeval.metrics.sequence_labeling")
    found = spans_of(labels, [1.0] * len(labels), words(len(labels)))
    wanted = [
        ("" if kind == "_" else kind, 2 * first, 2 * last + 1)  # "_": seqeval's name for no type
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
