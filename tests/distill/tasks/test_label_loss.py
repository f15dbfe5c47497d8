"""What hard losses of labels share."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kd2edge.distill.loss import Given
from kd2edge.distill.tasks.label_loss import LabelLoss
from kd2edge.tasks.spec import MISSING, TaskName, TaskSpec

SPEC = TaskSpec(TaskName("t"), "classification", ("a", "b"), "accuracy")


class Labels(LabelLoss):
    """The label itself, and what smoothing there is."""

    def values(self, student: Tensor, labels: Tensor) -> Tensor:
        return labels.to(student.dtype) + self.smoothing


def test_it_is_the_mean_over_the_items_that_count() -> None:
    labels = torch.tensor([3, MISSING, 5])
    given = Given(
        torch.tensor([1.0, 0.0, 1.0]), student_logits=torch.zeros(3, 2), targets={"labels": labels}
    )
    assert Labels(SPEC, 0.0)(given).item() == 4.0
    assert Labels(SPEC, 0.5)(given).item() == 4.5


def test_it_is_given_what_it_states_and_no_more() -> None:
    with pytest.raises(LookupError, match="student logits"):
        Labels(SPEC, 0.0)(Given(torch.ones(1), targets={"labels": torch.zeros(1)}))
    with pytest.raises(LookupError, match="targets"):
        Labels(SPEC, 0.0)(Given(torch.ones(1), student_logits=torch.zeros(1, 2)))
