"""Convolutional nets of text: what they compute, against torch's own convolution and NumPy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kd2edge.errors import UsageError
from kd2edge.nets import Net, build_net
from kd2edge.nets.backbones.conv import ConvConfig, ConvLayer, Depthwise, Maxout, SideBySide
from nets.tiny import LEFT, MODELS, NER, TEXT, VOCABULARY, make_arrays

FORMS = (
    {},
    {"activation": "gelu", "kernel": 1, "norm": "none"},
    {"activation": "relu", "depthwise": True, "kernel": 5},
    {"width": None, "pieces": 2, "layers": 1},
)


def net_of(pooling: str = "mean", **config: Any) -> Net:
    model = MODELS["conv"]
    model = replace(model, config={**model.config, **config}, pooling=pooling)
    return build_net(model, [TEXT], [LEFT, NER], vocabulary=VOCABULARY, seed=3).eval()


def sequence_of(net: Net, arrays: dict[str, torch.Tensor]) -> torch.Tensor:
    return net.features(arrays).sequences["text"].detach()


def layer_of(**changes: Any) -> ConvLayer:
    shape = {**MODELS["conv"].config, "dropout": 0.0, "norm": "none", **changes}
    torch.manual_seed(0)
    return ConvLayer(ConvConfig(**shape), 4)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_layer_is_a_convolution_over_the_masked_sequence(kernel: int) -> None:
    layer = layer_of(kernel=kernel, activation="relu")
    sequence = torch.randn(2, 7, 4)
    shown = (torch.arange(7) < torch.tensor([[7], [3]])).float()[..., None]
    # [out, kernel * width] as Conv1d holds it, [out, width, kernel].
    weight = layer.linear.weight.view(4, kernel, 4).transpose(1, 2)
    drawn = F.conv1d((sequence * shown).mT, weight, layer.linear.bias, padding=kernel // 2).mT
    torch.testing.assert_close(layer(sequence, shown), sequence + drawn.relu())


def test_depthwise_is_torchs_convolution_in_groups() -> None:
    window, sequence = Depthwise(4, 3), torch.randn(2, 6, 4)
    wanted = F.conv1d(sequence.mT, window.weight.T[:, None], padding=1, groups=4).mT
    torch.testing.assert_close(window(sequence), wanted)


def test_maxout_takes_the_largest_of_a_channels_values() -> None:
    drawn = torch.randn(2, 3, 12)
    found = Maxout(3)(drawn).numpy()
    np.testing.assert_array_equal(found, drawn.numpy().reshape(2, 3, 3, 4).max(2))


def test_beyond_the_ends_there_are_zeros() -> None:
    found = SideBySide(2, 3)(torch.tensor([[[1.0, 2.0]]]))
    assert found.tolist() == [[[0.0, 0.0, 1.0, 2.0, 0.0, 0.0]]]


@pytest.mark.parametrize("config", FORMS, ids=str)
@pytest.mark.parametrize("pooling", ["mean", "max", "both"])
def test_a_row_has_the_same_logits_at_any_padding(config: dict[str, Any], pooling: str) -> None:
    net, arrays = net_of(pooling, **config), make_arrays("conv", batch=1, length=5)
    alone = net(arrays)
    for more in (1, 2, 9):
        padded = {name: F.pad(one, (0, more)) for name, one in arrays.items()}
        padded["input_ids"][:, 5:] = 7
        padded["casing_ids"][:, 5:] = 2
        found = net(padded)
        torch.testing.assert_close(found["left"], alone["left"], atol=1e-6, rtol=0)
        torch.testing.assert_close(found["ner"][:, :5], alone["ner"], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("layers", "kernel"), [(1, 3), (2, 3), (1, 5)])
def test_a_position_sees_as_far_as_its_layers_reach(layers: int, kernel: int) -> None:
    net, arrays = net_of(layers=layers, kernel=kernel), make_arrays("conv", 1, 13)
    reach = layers * (kernel // 2)
    other = {**arrays, "input_ids": arrays["input_ids"].clone()}
    other["input_ids"][0, 6] = 1 + (other["input_ids"][0, 6] + 1) % (VOCABULARY - 1)
    changed = (sequence_of(net, other) != sequence_of(net, arrays)).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == list(range(6 - reach, 7 + reach))


def test_pooling_reads_what_is_visible() -> None:
    mean, both = net_of("mean"), net_of("both")
    arrays = make_arrays("conv")
    rows = both.features(arrays).pooled.detach().numpy()
    for row, vectors, mask in zip(
        rows, sequence_of(both, arrays).numpy(), arrays["attention_mask"].numpy(), strict=True
    ):
        kept = vectors[mask == 1]
        np.testing.assert_allclose(row, [*kept.mean(0), *kept.max(0)], atol=1e-6)
    assert mean.adapter.width * 2 == both.adapter.width == 24


@pytest.mark.parametrize("config", FORMS, ids=str)
def test_every_form_learns_and_padding_alone_is_finite(config: dict[str, Any]) -> None:
    net, arrays = net_of("both", **config), make_arrays("conv")
    arrays["attention_mask"][2] = 0
    logits = net.train()(arrays)
    assert all(bool(one.isfinite().all()) for one in logits.values())
    sum(one.square().sum() for one in logits.values()).backward()
    for name, one in net.named_parameters():
        assert one.grad is not None, name
        assert bool(one.grad.isfinite().all()), name
        assert bool(one.grad.any()), name


def test_equal_widths_need_no_projection() -> None:
    assert not list(net_of(width=None).backbone.get_submodule("embeddings_project").parameters())
    assert not list(net_of(width=8).backbone.get_submodule("embeddings_project").parameters())
    assert net_of(width=12).adapter.positions == 12


@pytest.mark.parametrize(
    ("config", "pooling", "said"),
    [
        ({"kernel": 4}, "mean", "kernel must be odd, found 4"),
        ({"activation": "swish"}, "mean", "one of maxout, relu, gelu, found 'swish'"),
        ({"norm": "batch"}, "mean", "norm must be one of layer, none, found 'batch'"),
        ({"kernal": 3}, "mean", "did you mean 'kernel'"),
        ({}, "cls", "pooling must be one of mean, max, both"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(
    config: dict[str, Any], pooling: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        net_of(pooling, **config)
