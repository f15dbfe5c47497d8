"""How far parameters are from the heads, as the net shows when it runs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kd2edge.nets import Net, distances
from nets.test_joint import joint
from nets.tiny import MODELS, make_net


def _levels(net: Net) -> dict[str, set[int]]:
    """Module that stands next to the root of a backbone, or in its list -> distances."""
    found: dict[str, set[int]] = {}
    for name, distance in distances(net).items():
        parts = name.split(".")
        at = next((at for at, part in enumerate(parts) if part.isdigit()), 1)
        found.setdefault(".".join(parts[: at + 1]), set()).add(distance)
    return found


@pytest.mark.parametrize("model", ["bert", "distilbert", "electra"])
def test_layers_lie_between_embeddings_and_heads(model: str) -> None:
    net = make_net(model)
    found = distances(net)
    assert found.keys() == {name for name, _ in net.named_parameters()}
    path = "transformer.layer" if model == "distilbert" else "encoder.layer"
    for name, distance in found.items():
        wanted = 3
        if name.startswith("heads."):
            wanted = 0
        elif path in name:
            wanted = 2 - int(name.split(f"{path}.")[1].split(".")[0])
        assert distance == wanted, name


def test_stages_of_images_are_levels() -> None:
    found = _levels(make_net("cnn"))
    assert found["backbone.stages.0"] == {2}
    assert found["backbone.stages.1"] == {1}


def test_a_norm_behind_the_last_layer_is_above_it_and_tables_are_below_the_first() -> None:
    found = distances(make_net("static"))
    tables = {one for name, one in found.items() if "word" in name}
    assert tables == {2}
    assert {one for name, one in found.items() if "layers.0" in name} == {1}

    class Behind(nn.Module):
        def __init__(self, backbone: nn.Module) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(8)  # made first, called last
            self.inner = backbone

        def forward(self, pixels: Tensor) -> Tensor:
            seen: Tensor = self.inner(pixels)
            return self.norm(seen.transpose(1, -1)).transpose(1, -1)

    net = make_net("cnn")
    net.backbone = Behind(net.backbone)
    found = distances(net)
    assert {one for name, one in found.items() if ".norm." in name} == {1}
    assert {one for name, one in found.items() if "stages.1" in name} == {2}


def test_a_net_without_layers_has_one_level_below_its_heads() -> None:
    found = distances(make_net("static-both"))
    assert set(found.values()) == {0, 1}
    assert {one for name, one in found.items() if name.startswith("heads.")} == {0}


def test_encoders_meet_below_a_fusion_that_learns() -> None:
    plain, hidden = distances(joint()), distances(joint({"kind": "concat", "hidden": 5}))
    for found, fused in ((plain, 0), (hidden, 1)):
        assert {one for name, one in found.items() if "image.backbone.stages.1" in name} == {
            1 + fused
        }
        assert {one for name, one in found.items() if "encoder.layer.1" in name} == {1 + fused}
    assert {one for name, one in hidden.items() if name.startswith("fusion.")} == {1}


@pytest.mark.parametrize("model", MODELS)
def test_looking_leaves_weights_statistics_generators_and_hooks_alone(model: str) -> None:
    net = make_net(model).train()
    before = {name: one.clone() for name, one in net.state_dict().items()}
    drawn = torch.random.get_rng_state()
    assert distances(net).keys() == {name for name, _ in net.named_parameters()}
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert all(torch.equal(one, before[name]) for name, one in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
