from __future__ import annotations

import pytest
import torch

from distill.logits.cases import TASKS
from kd2edge.distill.schedules.an_item import AnItem, between
from kd2edge.distill.schedules.confidence import Confidence
from kd2edge.distill.schedules.correct import Correct
from kd2edge.distill.schedules.labelled import Labelled
from kd2edge.errors import UsageError
from kd2edge.tasks.spec import Output

OF_LABELS = [Confidence(0.0, 1.0, "entropy"), Correct(0.0, 1.0)]


@pytest.mark.parametrize("one", OF_LABELS, ids=lambda one: one.kind)
def test_values_are_refused_where_the_teachers_labels_are_looked_at(one: AnItem) -> None:
    for kind, task in TASKS.items():
        if kind != "regression":
            one.require_fits(task)
    says = rf"t: {one.kind} is defined for tasks that choose labels, .* is regression"
    with pytest.raises(UsageError, match=says):
        one.require_fits(TASKS["regression"])
    Labelled(0.5, 1.0).require_fits(TASKS["regression"])


@pytest.mark.parametrize(
    "outputs",
    [{"t": Output(3, "softmax", per="word")}, {name: Output(3, "softmax") for name in "tu"}],
    ids=["other items", "two arrays"],
)
def test_outputs_whose_items_have_no_label_of_their_own_are_refused(
    outputs: dict[str, Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{AnItem.__module__}.outputs_of", lambda _: outputs)
    with pytest.raises(UsageError, match="needs one array of outputs with an item for each row"):
        Labelled(0.5, 1.0).require_fits(TASKS["classification"])


def test_both_ends_are_exact() -> None:
    share = torch.tensor([0.0, 0.5, 1.0])
    assert between(0.25, 0.75, share).tolist() == [0.25, 0.5, 0.75]
    whole = between(1.0, 1.0, torch.rand(1000, generator=torch.Generator().manual_seed(0)))
    assert whole.max() <= 1
