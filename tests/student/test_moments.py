"""Means and covariances of what passes modules, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kd2edge.errors import UsageError
from kd2edge.student.largest import largest
from kd2edge.student.moments import moments_of
from nets.tiny import make_arrays, make_net

_GIVEN, _GAVE = "encoder.layer.0.attention.output.dense", "encoder.layer.1.output.LayerNorm"


def test_blocks_have_their_covariances_and_channels_their_variances() -> None:
    net = make_net("bert")
    batches = [make_arrays("bert", batch=3, length=5 + at) for at in range(3)]
    seen: dict[str, list[np.ndarray]] = {_GIVEN: [], _GAVE: []}
    for arrays in batches:
        with torch.no_grad(), net.capture([f"{_GIVEN}:input", _GAVE]) as features:
            net(arrays)
        shown = arrays["attention_mask"].bool()
        seen[_GIVEN].append(features[f"{_GIVEN}:input"][shown].double().numpy())
        seen[_GAVE].append(features[_GAVE][shown].double().numpy())
    given, gave = (np.concatenate(values) for values in seen.values())
    found = moments_of(net, {_GIVEN: 8}, [_GAVE], batches)
    np.testing.assert_allclose(found[_GIVEN].mean, given.mean(0), atol=1e-10)
    for block in range(2):
        wanted = np.cov(given[:, 8 * block : 8 * block + 8].T, bias=True)
        np.testing.assert_allclose(found[_GIVEN].covariance[block], wanted, atol=1e-10)
    np.testing.assert_allclose(found[_GAVE].covariance[:, 0, 0], gave.var(0), atol=1e-10)
    single = moments_of(net, {_GIVEN: 1}, [], batches)[_GIVEN]
    np.testing.assert_allclose(single.covariance[:, 0, 0], given.var(0), atol=1e-10)


def test_rows_without_a_visible_piece_are_refused() -> None:
    arrays = make_arrays("bert")
    arrays["attention_mask"] = torch.zeros_like(arrays["attention_mask"])
    with pytest.raises(UsageError, match="has a visible piece of the text"):
        moments_of(make_net("bert"), {_GIVEN: 8}, [_GAVE], [arrays])


def test_the_net_is_left_as_it_was() -> None:
    net = make_net("bert")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    moments_of(net, {_GIVEN: 8}, [_GAVE], [make_arrays("bert")])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not net.backbone.get_submodule(_GIVEN)._forward_hooks


def test_of_equal_values_the_first_are_kept_in_their_order() -> None:
    assert largest(torch.tensor([1.0, 3.0, 0.0, 3.0, 1.0]), 3).tolist() == [0, 1, 3]
    assert largest(torch.zeros(4), 2).tolist() == [0, 1]
