from __future__ import annotations

import numpy as np
import pytest

from kd2edge.data.draw import drawn, quotas

#: Rows of two sources, 900 and 100, mixed.
TWO = np.random.default_rng(0).permutation(np.repeat([4, 7], [900, 100]))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0, 100.0])
def test_shares_are_powers_of_the_sources_sizes(temperature: float) -> None:
    counts = np.array([90_000, 9_000, 1_000])
    powers = counts ** (1 / temperature)
    found = quotas(counts, temperature)
    assert np.abs(found - powers / powers.sum() * 100_000).max() < 1
    assert found.sum() == 100_000


def test_by_hand() -> None:
    assert quotas(np.array([900, 100]), 2.0).tolist() == [750, 250]  # 30 to 10
    assert quotas(np.array([900, 100]), 1.0).tolist() == [900, 100]


@pytest.mark.parametrize("counts", [[1, 1, 1], [1, 10**7], [1], [10**9, 3, 1]])
@pytest.mark.parametrize("temperature", [1.0, 1.5, 100.0])
def test_every_source_is_shown_and_an_epoch_keeps_its_rows(
    counts: list[int], temperature: float
) -> None:
    found = quotas(np.array(counts), temperature)
    assert found.min() >= 1
    assert found.sum() == sum(counts)


def test_at_one_each_row_is_shown_once_in_its_place() -> None:
    for epoch in range(3):
        assert drawn(TWO, 1.0, 5, epoch).tolist() == list(range(1000))


def test_an_epoch_has_the_quotas_of_each_source() -> None:
    for epoch in range(5):
        found = drawn(TWO, 2.0, 5, epoch)
        assert len(found) == 1000
        assert (TWO[found] == 4).sum() == 750


def test_no_row_is_shown_twice_more_than_another_of_its_source() -> None:
    shown = np.zeros(1000, np.int64)
    for epoch in range(7):
        shown += np.bincount(drawn(TWO, 2.0, 5, epoch), minlength=1000)
        for source in (4, 7):
            assert np.ptp(shown[source == TWO]) <= 1
    assert shown[TWO == 7].min() > shown[TWO == 4].max()


def test_it_is_a_function_of_seed_and_epoch() -> None:
    one = drawn(TWO, 2.0, 5, 1)
    assert np.array_equal(one, drawn(TWO, 2.0, 5, 1))
    assert not np.array_equal(one, drawn(TWO, 2.0, 5, 2))
    assert not np.array_equal(one, drawn(TWO, 2.0, 6, 1))


def test_of_one_source_all_rows_are_shown() -> None:
    assert drawn(np.zeros(9, np.int64), 3.0, 0, 4).tolist() == list(range(9))
