from __future__ import annotations

import torch

from kd2edge.distill.loss import weighted_mean


def test_mean_is_over_the_items_that_count() -> None:
    values = torch.tensor([1.0, 100.0, 3.0])
    assert weighted_mean(values, torch.tensor([1.0, 0.0, 1.0])).item() == 2.0
    assert weighted_mean(values, torch.tensor([3.0, 0.0, 1.0])).item() == 1.5
    assert weighted_mean(values, torch.zeros(3)).item() == 0.0
