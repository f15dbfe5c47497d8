from __future__ import annotations

import pytest
import torch

from kd2edge.distill.feature_form import Form, common_grid, form_of, items_of
from kd2edge.errors import UsageError
from kd2edge.teacher.features import GRID

VECTOR, WORD, MAP = Form((6,), False), Form((6,), True), Form((6, 2, 3), False)


def test_the_form_of_an_output_is_its_shared_form() -> None:
    assert form_of("x", torch.ones(2, 6)) == VECTOR
    assert form_of("x", torch.ones(2, 5, 6)) == WORD
    assert form_of("x", torch.ones(2, 6, 2, 3)) == MAP
    assert form_of("x", torch.ones(2, 6, 32, 3)) == Form((6, GRID, 3), False)
    with pytest.raises(UsageError, match="x: 5 dimensions"):
        form_of("x", torch.ones(2, 1, 1, 1, 1))


@pytest.mark.parametrize(
    ("form", "per", "width", "items"),
    [
        (VECTOR, "item", 6, 1),
        (WORD, "item", 6, None),
        (MAP, "item", 6, 6),
        (WORD, "row", 6, 1),
        (MAP, "row", 6, 1),
        (WORD, "whole", 6, 1),
        (MAP, "whole", 36, 1),
    ],
)
def test_widths_and_items_of_a_row(form: Form, per, width: int, items: int | None) -> None:
    assert form.width(per) == width
    assert form.items(per) == items


def test_maps_meet_on_the_grid_that_all_can_be_averaged_down_to() -> None:
    assert common_grid([Form((5, 4, 2), False), Form((7, 3, 3), False)]) == (3, 2)
    assert common_grid([VECTOR, WORD]) is None


def test_items_of_a_map_are_its_places() -> None:
    feature = torch.arange(24.0).view(2, 2, 2, 3)
    found = items_of(feature, torch.tensor([True, False]), None, "item")
    assert torch.equal(found.values[4], feature[0, :, 1, 1])
    assert found.counts.tolist() == [6, 6]
    assert found.counted.tolist() == [True] * 6 + [False] * 6


def test_a_row_is_the_mean_of_its_places_or_all_of_them() -> None:
    feature, there = torch.randn(2, 2, 2, 3), torch.tensor([True, True])
    one, whole = (items_of(feature, there, None, per) for per in ("row", "whole"))
    torch.testing.assert_close(one.values, feature.mean((2, 3)))
    assert torch.equal(whole.values, feature.reshape(2, 12))
    assert one.counts.tolist() == whole.counts.tolist() == [1, 1]


def test_a_row_is_the_mean_of_the_words_that_were_seen() -> None:
    nothing = float("nan")
    words = torch.tensor([[1.0, 2.0], [3.0, 4.0], [nothing, nothing], [nothing, nothing]])
    seen, counts = torch.tensor([True, True, False, False]), torch.tensor([3, 0, 1])
    found = items_of(words, seen, counts, "row")
    assert found.values.tolist() == [[2.0, 3.0], [0.0, 0.0], [0.0, 0.0]]
    assert found.counted.tolist() == [True, False, False]


def test_words_that_were_not_seen_are_finite() -> None:
    words = torch.tensor([[1.0], [float("nan")]])
    found = items_of(words, torch.tensor([True, False]), torch.tensor([1, 1]), "item")
    assert found.values.isfinite().all()
    assert found.counts.tolist() == [1, 1]
