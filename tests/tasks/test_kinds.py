from __future__ import annotations

from collections.abc import Callable

import pytest

from kd2edge.errors import UsageError
from kd2edge.tasks import TASK_KINDS, TaskSpec, task_kind


def test_the_table_is_keyed_by_name() -> None:
    assert list(TASK_KINDS) == [
        "binary",
        "classification",
        "multi_label",
        "ordinal",
        "regression",
        "token_classification",
    ]
    assert all(kind.name == name for name, kind in TASK_KINDS.items())


def test_an_unknown_kind_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="found 'clasification'; did you mean 'classification'"):
        task_kind("clasification")


def test_channels(spec: Callable[..., TaskSpec]) -> None:
    labels = ("a", "b")
    channels = {
        name: sum(one.channels for one in kind.outputs(spec(name, labels)))
        for name, kind in TASK_KINDS.items()
    }
    assert (channels.pop("binary"), channels.pop("regression")) == (1, 1)
    assert set(channels.values()) == {2}


def test_only_token_kinds_are_per_word() -> None:
    assert [name for name, kind in TASK_KINDS.items() if kind.per_word] == ["token_classification"]
