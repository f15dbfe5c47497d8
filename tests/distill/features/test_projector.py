from __future__ import annotations

import pytest
import torch
from torch import nn

from distill.tiny import method_of
from kd2edge.distill.features import ON_MAPS, PROJECTORS


def made(kind: str, student: int, teacher: int, **options: object) -> nn.Module:
    return PROJECTORS[kind](student, teacher, **{**method_of(kind).options, **options})


def test_projector_none_needs_equal_widths() -> None:
    with pytest.raises(ValueError, match="2 and 3"):
        made("none", 2, 3)
    assert isinstance(made("none", 3, 3), nn.Identity)


@pytest.mark.parametrize("kind", sorted(set(PROJECTORS) - ON_MAPS - {"none"}))
def test_items_are_brought_to_the_teachers_width_one_by_one(kind: str) -> None:
    projector, items = made(kind, 2, 3), torch.randn(4, 2)
    found = projector(items)
    assert found.shape == (4, 3)
    torch.testing.assert_close(projector(items[1:2]), found[1:2])


def test_the_hidden_units_are_as_many_as_the_teacher_is_wide_unless_stated() -> None:
    assert made("mlp", 2, 3)[0].weight.shape == (3, 2)
    assert made("mlp", 2, 3, hidden=7)[0].weight.shape == (7, 2)
    assert made("mlp", 2, 3, hidden=7)[3].weight.shape == (3, 7)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_convolution_keeps_the_size_of_the_map(size: int) -> None:
    assert made("conv", 2, 3, size=size)(torch.randn(4, 2, 5, 6)).shape == (4, 3, 5, 6)


def test_a_convolution_of_one_place_and_its_norm_are_a_linear_layer() -> None:
    projector = made("conv", 2, 3, size=1).eval()
    feature = torch.randn(4, 2, 5, 6)
    expected = feature.movedim(1, -1) @ projector.conv.weight[:, :, 0, 0].T
    expected = expected / (1 + projector.norm.eps) ** 0.5  # fresh statistics: mean 0, variance 1
    torch.testing.assert_close(projector(feature), expected.movedim(-1, 1))


def test_one_number_a_channel_is_projected_by_what_the_norm_knows() -> None:
    projector = made("conv", 2, 3)
    before = projector.norm.running_mean.clone()
    alone = torch.randn(1, 2, 1, 1)
    torch.testing.assert_close(projector(alone), projector.eval()(alone))
    assert torch.equal(projector.norm.running_mean, before)
