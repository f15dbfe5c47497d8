from __future__ import annotations

import torch

from kd2edge.distill.features.grouped import mask_of, padded


def test_rows_of_unequal_length_are_filled_up_with_zeros() -> None:
    items = torch.arange(1.0, 9.0).view(4, 2)
    found = padded(items, torch.tensor([1, 0, 3]))
    assert found.tolist() == [
        [[1, 2], [0, 0], [0, 0]],
        [[0, 0], [0, 0], [0, 0]],
        [[3, 4], [5, 6], [7, 8]],
    ]


def test_weights_are_zero_behind_the_last_item() -> None:
    found = mask_of(torch.tensor([1.0, 0.0, 1.0]), torch.tensor([2, 1]))
    assert found.tolist() == [[1, 0], [1, 0]]
