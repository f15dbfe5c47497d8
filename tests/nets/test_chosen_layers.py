"""Which layers a word means."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kd2edge.errors import UsageError
from kd2edge.nets.chosen_layers import chosen_layers


@pytest.mark.parametrize(
    ("how", "ours", "theirs", "layers"),
    [
        # scripts/extract_distilbert.py of the authors: for teacher_idx in [0, 2, 4, 7, 9, 11].
        ("strided", 6, 12, [0, 2, 4, 7, 9, 11]),
        ("strided", 3, 6, [0, 3, 5]),
        ("strided", 2, 12, [0, 11]),
        ("strided", 1, 12, [0]),
        ("strided", 4, 4, [0, 1, 2, 3]),
        ("first", 3, 12, [0, 1, 2]),
        ("last", 3, 12, [9, 10, 11]),
        ("last", 1, 1, [0]),
    ],
)
def test_a_word_means_these_layers(how: str, ours: int, theirs: int, layers: list[int]) -> None:
    assert chosen_layers(how, ours, theirs) == layers


@pytest.mark.parametrize("theirs", range(1, 26))
def test_strides_keep_both_ends_and_are_even(theirs: int) -> None:
    for ours in range(2, theirs + 1):
        found = chosen_layers("strided", ours, theirs)
        assert (found[0], found[-1], len(found)) == (0, theirs - 1, ours)
        gaps = {later - one for one, later in pairwise(found)}
        assert min(gaps) >= 1
        assert max(gaps) - min(gaps) <= 1


def test_a_word_needs_as_many_layers_as_the_student_has() -> None:
    with pytest.raises(UsageError, match="3 layers, more than the 2 of its teacher"):
        chosen_layers("first", 3, 2)
    with pytest.raises(UsageError, match=r"first.*last.*strided.*'even'"):
        chosen_layers("even", 2, 2)
