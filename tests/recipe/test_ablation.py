from __future__ import annotations

from typing import Any

import pytest

from kd2edge.errors import UsageError
from kd2edge.recipe.ablation import override, without
from kd2edge.recipe.schema.balance import Static
from kd2edge.recipe.schema.distill import Distill
from recipe.conftest import Load

_DISTILL = """\
distill:
  alpha: 0.7
  features: [{teacher: big, from: a, to: b}]
  balance: uncertainty
"""
_MORE = """\
  unlabelled:
    - {name: one, kind: jsonl, train: a.jsonl}
    - {name: two, kind: jsonl, train: b.jsonl}
"""


@pytest.fixture
def rich(small: str) -> str:
    return small.replace("inputs:\n", f"{_MORE}inputs:\n", 1) + _DISTILL


def changed(load: Load, text: str, part: str) -> Any:
    """The recipe without a part, which must be like the other in all else."""
    return load(text, without(load(text), part)).recipe


def test_a_part_is_put_back_to_its_default_and_nothing_else_changes(load: Load, rich: str) -> None:
    whole = load(rich).recipe
    found = changed(load, rich, "distill.features")
    assert found.distill.features == ()
    expected = whole.distill.model_copy(update={"features": ()})
    assert found == whole.model_copy(update={"distill": expected})
    assert changed(load, rich, "distill.balance").distill.balance == Static()
    assert changed(load, rich, "distill").distill == Distill()


def test_an_item_of_a_list_is_left_out_by_its_name_or_its_place(load: Load, rich: str) -> None:
    for part in ("data.unlabelled.one", "data.unlabelled.0"):
        assert [one.name for one in changed(load, rich, part).data.unlabelled] == ["two"]
    assert changed(load, rich, "data.unlabelled").data.unlabelled == ()


def test_an_item_of_a_map_is_left_out(load: Load, rich: str) -> None:
    text = rich.replace("alpha: 0.7", "alpha: {intent: 0.2, urgent: 0.3}")
    assert without(load(text), "distill.alpha.urgent") == 'distill.alpha={"intent": 0.2}'


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("distill.temperature", "at its default"),
        ("student.model", "cannot be without it"),
        ("distill.feature", "did you mean 'features'"),
        ("distill.features.7", "has no item '7'"),
        ("seed.x", "it has no 'x' to set"),
    ],
)
def test_what_cannot_be_left_out_is_refused(load: Load, rich: str, part: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        without(load(rich), part)


def test_values_stay_what_they_are_in_an_override(load: Load, rich: str) -> None:
    licence = 'a ${HOME} "quoted" ü: # no'
    assert load(rich, override("licences.data", [licence])).recipe.licences.data == (licence,)
