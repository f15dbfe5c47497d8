from __future__ import annotations

import math

import pytest

from kd2edge.verdict import ORDER, as_word, verdict, worst


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (-0.01, 0.005, "pass"),
        (-0.01, 0.00501, "undecided"),
        (0.005, 0.02, "undecided"),
        (0.00501, 0.02, "fail"),
        (math.nan, 0.0, "undecided"),
        (0.0, math.nan, "undecided"),
        (0.02, 0.0, "undecided"),  # no interval
    ],
)
def test_the_bounds_decide(low: float, high: float, wanted: str):
    assert verdict(low, high, 0.005) == wanted


def test_the_gravest_wins():
    assert [worst(ORDER[: end + 1]) for end in range(len(ORDER))] == list(ORDER)
    assert worst([]) == "not_run"


def test_a_word_of_a_file_is_one_that_there_is() -> None:
    assert [as_word(word) for word in ORDER] == list(ORDER)
    with pytest.raises(ValueError, match="no verdict: 'passed'"):
        as_word("passed")
