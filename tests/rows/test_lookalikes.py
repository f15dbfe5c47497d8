from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.rows.lookalikes import Lookalikes, lookalikes, says_nothing


@pytest.mark.parametrize(
    ("labels", "ways"),
    [
        (("food", "food "), ("blanks",)),
        (("ice cream", "ice  cream"), ("blanks",)),
        (("ice cream", "ice\u00a0cream"), ("blanks",)),
        (("food", "Food"), ("case",)),
        (("Straße", "STRASSE"), ("case",)),
        (("caf\u00e9", "cafe\u0301"), ("Unicode form",)),
        (("food", "fo\u200bod"), ("Unicode form",)),
        (("B\u2013PER", "B-PER"), ("Unicode form",)),
        (("7", "\uff17"), ("Unicode form",)),
        (("1", "1.00"), ("number form",)),
        (("007", "7"), ("number form",)),
        (("1.10", "1.1"), ("number form",)),
        (("1e5", "100000"), ("number form",)),
        (("1", "1,0"), ("number form",)),
        (("1", "1."), ("number form",)),
        (("0", "-0"), ("number form",)),
        (("-1", "\u22121"), ("Unicode form",)),
        (("don't", "don\u2019t"), ("Unicode form",)),
        (("\u2764", "\u2764\ufe0f"), ("Unicode form",)),
        (("food", "food\x00"), ("Unicode form",)),
        (("istanbul", "\u0130stanbul"), ("case",)),
        (("Food ", "food"), ("blanks", "case")),
        (("Caf\u00e9", "cafe\u0301"), ("Unicode form", "case")),
        (("food", "food ", "Food"), ("blanks", "case")),
        (("B-PER", "B-PER "), ("blanks",)),
        (("O", "o"), ("case",)),
    ],
)
def test_labels_that_differ_in_their_writing_alone_are_found(
    labels: tuple[str, ...], ways: tuple[str, ...]
) -> None:
    assert lookalikes(["other", *labels, "third"]) == [Lookalikes(labels, ways)]


def test_labels_that_mean_different_things_are_not() -> None:
    assert not lookalikes(["1", "2", "10", "1.5", "food", "foot", "C", "C++", "C#", "-1", "no", ""])
    assert not lookalikes(["O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "B", "I"])


def test_types_of_entities_are_compared_over_the_prefixes() -> None:
    assert lookalikes(["B-PER", "I-Per", "O"]) == [Lookalikes(("PER", "Per"), ("case",))]
    both = lookalikes(["B-PER", "B-per", "I-PER", "I-per"])
    assert [one.labels for one in both] == [("B-PER", "B-per"), ("I-PER", "I-per")]


@pytest.mark.parametrize("label", ["nan", "NaN", "NULL", "<NA>", "N/A", "NaT"])
def test_what_a_program_wrote_for_nothing_is_known(label: str) -> None:
    assert says_nothing(label)


@pytest.mark.parametrize("label", ["none", "None", "NA", "no", "0", "O", "null hypothesis"])
def test_names_that_may_be_meant_are_not(label: str) -> None:
    assert not says_nothing(label)


@given(st.lists(st.text(max_size=6), unique=True))
def test_no_label_stands_in_two_groups(labels: list[str]) -> None:
    groups = [one.labels for one in lookalikes(labels) if set(one.labels) <= set(labels)]
    assert all(one.differ_in for one in lookalikes(labels))
    assert len([label for group in groups for label in group]) == len(
        {label for group in groups for label in group}
    )
