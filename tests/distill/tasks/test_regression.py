from __future__ import annotations

import pytest
import torch

from kd2edge.distill.loss import Given
from kd2edge.distill.tasks import HARD_LOSSES
from kd2edge.tasks.spec import TaskName, TaskSpec

SPEC = TaskSpec(TaskName("t"), "regression", (), "mae", decode={"mean": 100.0, "spread": 20.0})


def test_labels_are_standardised() -> None:
    loss = HARD_LOSSES["regression"](SPEC, 0.3)
    values, logits = torch.tensor([100.0, 120.0, 200.0]), torch.tensor([[0.0], [1.0], [0.0]])
    weights = torch.tensor([1.0, 1.0, 0.0])
    assert float(loss(Given(weights, student_logits=logits, targets={"values": values}))) == 0
    far = loss(Given(torch.tensor([0.0, 0, 1]), student_logits=logits, targets={"values": values}))
    assert float(far) == pytest.approx(5 - 0.5)  # absolute beyond one spread


def test_rows_without_a_value_count_for_nothing_and_give_finite_gradients() -> None:
    loss = HARD_LOSSES["regression"](SPEC, 0.0)
    logits = torch.zeros(2, 1, requires_grad=True)
    values = torch.tensor([140.0, float("nan")])
    found = loss(Given(torch.tensor([1.0, 0.0]), student_logits=logits, targets={"values": values}))
    found.backward()
    assert float(found.detach()) == pytest.approx(1.5)
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == [-1.0, 0.0]
