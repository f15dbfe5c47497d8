from __future__ import annotations

import numpy as np
import pytest

from kd2edge.data.draw import drawn, quotas, rarest

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


def test_a_row_counts_for_the_rarest_task_that_it_has_a_label_of() -> None:
    """Of 5, 2 and 2 rows; of two as rare the first."""
    labelled = np.array(
        [
            [True, True, True, True, True, False],
            [False, True, True, False, False, False],
            [False, False, True, True, False, False],
        ]
    )
    assert rarest(labelled).tolist() == [0, 1, 1, 2, 0, -1]
    assert rarest(labelled[[0, 2, 1]]).tolist() == [0, 2, 1, 1, 0, -1]
    assert rarest(labelled[:1]).tolist() == [0, 0, 0, 0, 0, -1]


def test_a_task_with_a_hundredth_of_the_rows_is_seen_as_often_as_t5_says() -> None:
    """Raffel et al. 2020, section 3.5.2: in proportion to n ** (1 / T); here 99.50 to 10 at T = 2.

    Of 10,000 rows an epoch 913 are of it, each of its 100 nine times or ten.
    """
    few = np.random.default_rng(3).permutation(10_000) < 100  # [row]
    tasks = rarest(np.stack([~few, few]))
    share = 100**0.5 / (9_900**0.5 + 100**0.5)
    shown = np.zeros(10_000, np.int64)
    for epoch in range(4):
        found = drawn(tasks, 2.0, 7, epoch)
        assert len(found) == 10_000
        assert abs(few[found].sum() - share * 10_000) < 1
        shown += np.bincount(found, minlength=10_000)
    assert set(shown[few]) == {36, 37}
    assert set(shown[~few]) == {3, 4}
    assert np.array_equal(drawn(tasks, 2.0, 7, 3), found)  # of seed and epoch alone
    assert drawn(tasks, 1.0, 7, 0).tolist() == list(range(10_000))


def test_labels_of_several_tasks_in_a_row_are_all_seen() -> None:
    """Every row has a label of the first task, one in a hundred of the second, too."""
    few = np.arange(10_000) % 100 == 0
    found = drawn(rarest(np.stack([np.ones(10_000, np.bool_), few])), 2.0, 0, 0)
    assert few[found].sum() == 913


def test_rows_of_no_group_are_shown_once_an_epoch() -> None:
    groups = np.repeat([-1, 0, 1], [50, 90, 10])
    for epoch in range(3):
        found = drawn(groups, 2.0, 5, epoch)
        assert found[:50].tolist() == list(range(50))
        assert (groups[found] == 1).sum() == 25  # of 100: 9.49 to 3.16
    assert drawn(np.full(4, -1), 3.0, 0, 1).tolist() == [0, 1, 2, 3]
