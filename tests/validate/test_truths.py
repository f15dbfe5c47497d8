from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from kd2edge.ragged import Ragged
from kd2edge.tasks import TASK_KINDS, TaskName, TaskSpec, Truth
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.spec import Field
from kd2edge.validate.truths import labels_fingerprint, pack_truth, unpack_truth

SPEC = TaskSpec(TaskName("things"), "things", ("a", "b"), "accuracy")


class Things(TaskKind):
    """Its labels come first, and last by name."""

    name = "things"
    per = "object"
    default_metrics = ("accuracy",)

    def fields(self, spec: TaskSpec) -> tuple[Field, ...]:
        return (Field("labels"), Field("corners", "float32", (2,)))


Things.__abstractmethods__ = frozenset()


@pytest.fixture
def things(monkeypatch: pytest.MonkeyPatch) -> Truth:
    kinds = {**TASK_KINDS, "things": cast("Any", Things)()}
    monkeypatch.setattr("kd2edge.tasks.kinds.TASK_KINDS", kinds)
    offsets = np.array([0, 2, 3])
    corners = np.array([[0.5, 1], [0, 0], [np.nan, np.nan]], np.float32)
    return Truth(Ragged(np.array([1, 0, -100]), offsets), corners=Ragged(corners, offsets))


def test_columns_come_back_in_the_order_of_their_kind(things: Truth) -> None:
    packed = dict(sorted(pack_truth(things).items()))  # an archive has its own order
    found = unpack_truth(SPEC, packed)
    assert [name for name, _ in found.items()] == ["labels", "corners"]
    assert isinstance(found.first, Ragged)
    assert found.first.values.tolist() == [1, 0, -100]
    assert labels_fingerprint(found) == labels_fingerprint(things)


def test_columns_of_another_kind_are_refused(things: Truth) -> None:
    packed = pack_truth(things)
    del packed["corners"]
    with pytest.raises(ValueError, match="things: expected labels .*corners"):
        unpack_truth(SPEC, packed)
