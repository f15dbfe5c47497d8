from __future__ import annotations

import torch
from torch import nn

from distill.tiny import IMAGES, TOKENS
from kd2edge.nets.net import first_tensor
from kd2edge.nets.shapes import ModuleShape, module_shapes


def shapes(world) -> dict[str, ModuleShape]:
    found = module_shapes(world.net())
    assert len({one.path for one in found}) == len(found)
    return {one.path: one for one in found}


def test_words_and_rows_are_told_apart_from_widths() -> None:
    found = shapes(TOKENS)
    assert found["encoder.layer.0"].shape == ("rows", "length", 8)
    query = found["encoder.layer.0.attention.self.query"]
    assert (query.kind, query.shape) == ("Linear", ("rows", "length", 8))
    assert query.text() == "encoder.layer.0.attention.self.query  Linear  rows x length x 8"
    assert found["heads.topic"].shape == ("rows", 2)


def test_maps_have_their_places() -> None:
    found = shapes(IMAGES)
    assert found["stages.0"].shape == ("rows", 4, 3, 3)
    assert found["heads.dark"].shape == ("rows", 1)


def test_every_path_with_a_shape_can_be_captured() -> None:
    for world in (IMAGES, TOKENS):
        net = world.net().eval()
        known = {one.path: one.shape for one in module_shapes(net) if one.shape is not None}
        assert len(known) > 10
        with torch.no_grad(), net.capture([*known]) as features:
            net(net.ones(5, 3))
        assert features.keys() == known.keys()
        for path, shape in known.items():
            sizes = [{"rows": 5, "length": 3, "rows*length": 15}.get(size, size) for size in shape]
            assert list(features[path].shape) == sizes, path


def test_what_a_forward_pass_does_not_call_has_no_shape() -> None:
    found = shapes(TOKENS)["encoder.layer"]
    assert (found.kind, found.shape) == ("ModuleList", None)
    assert found.text() == "encoder.layer  ModuleList  -"


def test_the_net_keeps_no_hook() -> None:
    net = IMAGES.net()
    module_shapes(net)
    assert not any(module._forward_hooks for module in net.modules())


def test_of_several_values_the_first_tensor_counts() -> None:
    one, two = torch.ones(1), torch.ones(2)
    assert first_tensor(one) is one
    assert first_tensor((None, two, one)) is two
    assert first_tensor({"a": 1, "b": one}) is one
    assert first_tensor(nn.Identity()) is None
    assert first_tensor("text") is None
