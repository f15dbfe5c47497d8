from __future__ import annotations

import pytest
import torch

from kd2edge.distill.loss import Given
from kd2edge.distill.tasks import HARD_LOSSES
from kd2edge.distill.tasks.ordinal import ranked_probability
from kd2edge.tasks.spec import MISSING, TaskName, TaskSpec

SPEC = TaskSpec(TaskName("t"), "ordinal", tuple("12345"), "level_mae")


def near(level: int, weight: float = 9.0) -> torch.Tensor:
    return weight * torch.eye(5)[[level]]


def test_it_is_the_mean_distance_to_the_outcome_less_half_that_within_the_distribution() -> None:
    # The kernel form of the score (Baringhaus and Franz 2004, Gneiting and Raftery 2007).
    logits = torch.randn(6, 5, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 4, 2])
    chances, levels = logits.softmax(-1), torch.arange(5.0, dtype=torch.float64)
    apart = (levels[:, None] - levels).abs()
    to_label = (chances * apart[labels]).sum(-1)
    within = torch.einsum("ni,ij,nj->n", chances, apart, chances)
    assert torch.allclose(ranked_probability(logits, labels), to_label - within / 2)


def test_a_level_further_off_costs_more() -> None:
    costs = [float(ranked_probability(near(level), torch.tensor([0]))) for level in range(5)]
    assert costs == sorted(costs)
    assert costs[0] == pytest.approx(0, abs=1e-3)


def test_rows_that_lack_a_label_count_for_nothing() -> None:
    loss = HARD_LOSSES["ordinal"](SPEC, 0.1)
    logits, labels = torch.randn(3, 5), torch.tensor([1, 4, MISSING])

    def value(count: int) -> torch.Tensor:
        weights = (labels[:count] != MISSING).float()
        return loss(
            Given(weights, student_logits=logits[:count], targets={"labels": labels[:count]})
        )

    assert torch.allclose(value(2), value(3))
    assert torch.isfinite(value(3))
