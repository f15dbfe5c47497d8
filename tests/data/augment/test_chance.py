"""Random bits are a function of seed, row, view and purpose, and spread evenly."""

from __future__ import annotations

import numpy as np

from kd2edge.data.augment import chance

POSITIONS = np.arange(20)


def test_bits_depend_on_seed_row_and_view_alone() -> None:
    base = chance(7, POSITIONS, 1).bits(4)
    assert np.array_equal(base[[3, 9]], chance(7, np.array([3, 9]), 1).bits(4))
    assert not np.array_equal(base, chance(8, POSITIONS, 1).bits(4))
    assert not np.array_equal(base, chance(7, POSITIONS, 2).bits(4))
    assert len(np.unique(base)) == base.size


def test_more_bits_begin_with_the_same_ones() -> None:
    assert np.array_equal(chance(7, POSITIONS, 1).bits(9)[:, :4], chance(7, POSITIONS, 1).bits(4))


def test_another_purpose_has_other_bits() -> None:
    base = chance(7, POSITIONS, 1)
    every = [base.bits(4), *(base.of(purpose).bits(4) for purpose in (0, 1, 2**60 - 1))]
    assert len(np.unique(np.stack(every))) == 4 * 80
    assert np.array_equal(base.of(1).bits(4), chance(7, POSITIONS, 1).of(1).bits(4))


def test_numbers_are_even_from_0_to_1() -> None:
    drawn = chance(0, np.arange(5000), 1).uniform(2)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    for column in drawn.T:
        assert np.histogram(column, bins=5, range=(0, 1))[0].min() > 900
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.05
