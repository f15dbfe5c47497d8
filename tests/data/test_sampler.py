from __future__ import annotations

import numpy as np
import pytest

from kd2edge.data import epoch_order, steps_an_epoch


@pytest.mark.parametrize(("rows", "batch_size"), [(1, 4), (4, 4), (50, 8), (1000, 7)])
def test_every_row_comes_exactly_once(rows: int, batch_size: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 30, rows)
    batches = epoch_order(lengths, batch_size, seed=3, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(rows))
    assert len(batches) == steps_an_epoch(rows, batch_size)
    assert sum(len(batch) < batch_size for batch in batches) == (rows % batch_size > 0)


@pytest.mark.parametrize(
    ("rows", "batch_size"), [(5, 4), (9, 2), (64 * 4 + 1, 4), (3 * 64 * 2 + 1, 2)]
)
def test_no_row_is_left_alone(rows: int, batch_size: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 30, rows)
    batches = epoch_order(lengths, batch_size, seed=3, epoch=1)
    assert sorted(np.concatenate(batches)) == list(range(rows))
    assert len(batches) == steps_an_epoch(rows, batch_size) == rows // batch_size
    sizes = sorted(len(batch) for batch in batches)
    assert sizes == [batch_size] * (len(batches) - 1) + [batch_size + 1]


def test_batches_of_one_row_are_left_as_they_were_asked_for() -> None:
    assert [len(batch) for batch in epoch_order(np.ones(3), 1, seed=0, epoch=0)] == [1, 1, 1]
    assert steps_an_epoch(3, 1) == 3


def test_same_seed_and_epoch_same_order() -> None:
    lengths = np.arange(100)
    first, second = (epoch_order(lengths, 8, seed=3, epoch=5) for _ in range(2))
    assert all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))


def test_order_is_pinned_across_machines() -> None:
    first = epoch_order(np.ones(10), 4, seed=17, epoch=2)
    assert [batch.tolist() for batch in first] == [[6, 7, 3, 5], [9, 0], [4, 8, 1, 2]]


def test_epochs_and_seeds_differ() -> None:
    lengths = np.ones(100)
    orders = [
        np.concatenate(epoch_order(lengths, 8, seed, epoch))
        for seed, epoch in [(0, 0), (0, 1), (1, 0)]
    ]
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])


def test_a_batch_holds_rows_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 640)
    batches = epoch_order(lengths, 10, seed=0, epoch=0)
    padding = sum(int(lengths[batch].max()) * len(batch) for batch in batches) / lengths.sum()
    assert padding < 1.1
    # Short and long batches come mixed.
    means = [lengths[batch].mean() for batch in batches]
    assert not np.all(np.diff(means) >= 0)
