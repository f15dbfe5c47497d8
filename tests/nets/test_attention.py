"""Attention computed plainly says what torch's fused one says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kd2edge.nets.backbones import attention
from nets.tiny import make_arrays, make_net


def heads(dtype: torch.dtype, length: int = 7) -> list[Tensor]:
    torch.manual_seed(3)
    return [
        torch.randn(2, 3, length, 8).to(dtype).requires_grad_() for _ in ("query", "key", "value")
    ]


def bias(length: int = 7) -> Tensor:
    visible = torch.ones(2, 1, 1, length)
    visible[1, ..., 4:] = 0
    return (1 - visible) * -1e4


def attended(given: list[Tensor], mask: Tensor) -> list[Tensor]:
    """What comes out, and the gradients of a sum of its squares."""
    query, key, value = given
    found, weights = attention.attention(nn.Identity(), query, key, value, mask, scaling=0.3)
    assert weights is None
    return [found, *torch.autograd.grad(found.float().square().sum(), given)]


def in_numbers(given: list[Tensor], mask: Tensor) -> list[Tensor]:
    """Equation 1 of Vaswani et al. 2017 in float64."""
    wide = [one.detach().double().requires_grad_() for one in given]
    query, key, value = wide
    scores = torch.einsum("bhqw,bhkw->bhqk", query, key) * 0.3
    scores = scores + mask.double()
    weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
    found = torch.einsum("bhqk,bhkw->bqhw", weights, value)
    return [found, *torch.autograd.grad(found.square().sum(), wide)]


@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
@pytest.mark.parametrize("most", [0, 1 << 25])
def test_it_is_the_equation(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, near: float, most: int
) -> None:
    monkeypatch.setattr(attention, "_MOST_SCORES", most)
    given, mask = heads(dtype), bias()
    for found, wanted in zip(attended(given, mask), in_numbers(given, mask), strict=True):
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), wanted, rtol=near, atol=near)


def test_only_bf16_of_a_cpu_is_computed_plainly_and_not_many_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fused: list[torch.dtype] = []

    def counted(module: nn.Module, query: Tensor, *rest: Tensor, **options: object) -> object:
        fused.append(query.dtype)
        return query, None

    monkeypatch.setattr(attention, "sdpa_attention_forward", counted)
    monkeypatch.setattr(attention, "_MOST_SCORES", 2 * 3 * 7 * 7)
    for dtype, length in ((torch.float32, 7), (torch.bfloat16, 7), (torch.bfloat16, 8)):
        query, key, value = heads(dtype, length)
        attention.attention(nn.Identity(), query, key, value, bias(length), scaling=1.0)
    assert fused == [torch.float32, torch.bfloat16]


def test_weights_are_dropped_in_training_alone() -> None:
    module = nn.Identity()
    query, key, value = heads(torch.bfloat16)

    def found(dropout: float, *, is_training: bool) -> Tensor:
        layer = module.train(is_training)
        return attention.attention(layer, query, key, value, bias(), scaling=1.0, dropout=dropout)[
            0
        ]

    whole = found(0.0, is_training=True)
    assert torch.equal(found(0.9, is_training=False), whole)
    assert not torch.equal(found(0.9, is_training=True), whole)


@pytest.mark.parametrize("family", ["bert", "electra", "distilbert"])
def test_every_text_encoder_attends_like_this(monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    asked: list[str] = []
    net, arrays = make_net(family).eval(), make_arrays(family)
    wanted = net(arrays)

    def told(module: nn.Module, query: Tensor, *rest: Tensor, **options: Any) -> object:
        asked.append(str(query.dtype))
        return attention.attention(module, query, *rest, **options)

    monkeypatch.setitem(attention.AttentionInterface._global_mapping, attention.NAME, told)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(arrays)
    assert set(asked) == {"torch.bfloat16"}
    for name, logits in wanted.items():
        torch.testing.assert_close(found[name].float(), logits, rtol=0.1, atol=0.1)
