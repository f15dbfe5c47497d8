"""Static nets of text: what they compute, written out in NumPy, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from kd2edge.errors import UsageError
from kd2edge.nets import ModelSpec, Net, build_net
from nets.tiny import IMAGE, LARGER, LEFT, MODELS, NER, TEXT, VOCABULARY, make_arrays, make_net


def net_of(pooling: str = "mean", **config: Any) -> Net:
    model = MODELS["static"]
    model = replace(model, config={**model.config, **config}, pooling=pooling)
    return build_net(model, [TEXT], [LEFT, NER], vocabulary=VOCABULARY, seed=3).eval()


def rows_of(net: Net, arrays: dict[str, torch.Tensor]) -> np.ndarray:
    return net.features(arrays).pooled.detach().numpy()


def table_of(net: Net, name: str = "word_embeddings") -> np.ndarray:
    return net.backbone.get_parameter(f"{name}.weight").detach().numpy()


def weighted_sums(net: Net, arrays: dict[str, torch.Tensor]) -> np.ndarray:
    """Row by row, piece by piece: sum of w e, over sum of w, with w = 1 / (1 + exp(-theta))."""
    table, theta = table_of(net), table_of(net, "word_weights")[:, 0]
    found = []
    for ids, mask in zip(
        arrays["input_ids"].numpy(), arrays["attention_mask"].numpy(), strict=True
    ):
        kept = ids[mask == 1]
        weights = 1.0 / (1.0 + np.exp(-theta[kept]))
        found.append((weights[:, None] * table[kept]).sum(0) / weights.sum())
    return np.stack(found)


def test_a_row_is_the_weighted_mean_of_its_pieces() -> None:
    net, arrays = net_of(hidden=[]), make_arrays("static")
    np.testing.assert_allclose(rows_of(net, arrays), weighted_sums(net, arrays), atol=1e-6)
    learned = net.backbone.get_parameter("word_weights.weight")
    torch.nn.init.normal_(learned.detach())
    np.testing.assert_allclose(rows_of(net, arrays), weighted_sums(net, arrays), atol=1e-6)


def test_mean_and_maximum_stand_side_by_side_and_only_the_mean_is_weighed() -> None:
    net, arrays = net_of("both", hidden=[]), make_arrays("static")
    rows, table = rows_of(net, arrays), table_of(net)
    np.testing.assert_allclose(rows[:, :8], weighted_sums(net, arrays), atol=1e-6)
    for row, ids, mask in zip(rows, arrays["input_ids"], arrays["attention_mask"], strict=True):
        np.testing.assert_array_equal(row[8:], table[ids[mask == 1]].max(0))
    assert not hasattr(net_of("max", hidden=[]).backbone.word_weights, "weight")


def test_without_weights_it_is_the_plain_mean() -> None:
    net, arrays = net_of(hidden=[], weighted=False), make_arrays("static")
    ids, mask = arrays["input_ids"].numpy(), arrays["attention_mask"].numpy()
    plain = (table_of(net)[ids] * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    np.testing.assert_allclose(rows_of(net, arrays), plain, atol=1e-6)


def test_fresh_weights_follow_zipf_in_the_order_of_the_vocabulary() -> None:
    theta = table_of(net_of(), "word_weights")[:, 0].astype(np.float64)
    shares = 1.0 / np.arange(1, VOCABULARY + 1)
    shares /= shares.sum()
    np.testing.assert_allclose(1 / (1 + np.exp(-theta)), 1e-3 / (1e-3 + shares), rtol=1e-5)


def test_words_read_their_own_embedding_and_no_neighbour() -> None:
    net, arrays = net_of(), make_arrays("static")
    torch.testing.assert_close(
        net.features(arrays).sequences["text"].detach().numpy()[0],
        table_of(net)[arrays["input_ids"][0]],
    )
    other = {**arrays, "input_ids": arrays["input_ids"].clone()}
    other["input_ids"][:, 0] = 1
    assert torch.equal(net(other)["ner"][:, 1:], net(arrays)["ner"][:, 1:])


@pytest.mark.parametrize("pooling", ["mean", "max", "both"])
def test_a_row_of_which_nothing_is_visible_is_zeros_with_finite_gradients(pooling: str) -> None:
    net, arrays = net_of(pooling, hidden=[]), make_arrays("static")
    arrays["attention_mask"][1] = 0
    rows = net.features(arrays).pooled
    assert not rows[1].any()
    assert rows[0].any()
    rows.sum().backward()
    gradients = [one.grad for one in net.parameters() if one.grad is not None]
    assert all(bool(one.isfinite().all()) for one in gradients)


@pytest.mark.parametrize("extreme", [-1.0e4, 1.0e4])
def test_extreme_weights_stay_finite_and_so_do_their_gradients(extreme: float) -> None:
    net, arrays = net_of(hidden=[]), make_arrays("static")
    torch.nn.init.constant_(net.backbone.get_parameter("word_weights.weight").detach(), extreme)
    rows = net.features(arrays).pooled
    rows.sum().backward()
    assert bool(rows.isfinite().all())
    assert all(bool(one.grad.isfinite().all()) for one in net.parameters() if one.grad is not None)


def test_large_values_under_padding_never_come_through_the_maximum() -> None:
    net, arrays = net_of("max", hidden=[]), make_arrays("static")
    before = rows_of(net, arrays)
    with torch.no_grad():
        net.backbone.get_parameter("word_embeddings.weight")[0] = 1.0e6  # what padding looks up
    arrays["input_ids"] *= arrays["attention_mask"]
    np.testing.assert_array_equal(rows_of(net, arrays), before)


def test_layers_stand_behind_the_pooled_vector() -> None:
    net, arrays = net_of(hidden=[6, 5]), make_arrays("static")
    with net.capture(["layers.0", "layers.1"]) as features:
        net(arrays)
    assert [tuple(one.shape) for one in features.values()] == [(3, 6), (3, 5)]
    assert net.adapter.width == 5
    assert list(net.embeddings()) == ["word", "casing"]
    one = {name: value[:1] for name, value in arrays.items()}
    assert bool(net.train()(one)["left"].isfinite().all())  # a batch norm of a single row


@pytest.mark.parametrize(
    ("config", "pooling", "said"),
    [
        ({"norm": "group"}, "mean", "norm must be one of batch, layer, none, found 'group'"),
        ({"hiden": [8]}, "mean", "did you mean 'hidden'"),
        ({}, "cls", "pooling must be one of mean, max, both, found 'cls'"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(
    config: dict[str, Any], pooling: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        net_of(pooling, **config)


def test_missing_keys_tokenizers_and_inputs_are_named() -> None:
    model = MODELS["static"]
    with pytest.raises(UsageError, match="expected embedding, weighted, hidden, norm, dropout"):
        build_net(replace(model, config={}), [TEXT], [LEFT], vocabulary=VOCABULARY)
    with pytest.raises(UsageError, match="input text needs a tokenizer"):
        build_net(model, [TEXT], [LEFT])
    with pytest.raises(UsageError, match="does not take input text of kind 'image'"):
        build_net(model, [replace(TEXT, kind="image")], [LARGER], vocabulary=VOCABULARY)


def test_it_reads_one_of_several_inputs() -> None:
    encoders = {"text": MODELS["static"], "image": MODELS["cnn"]}
    model = ModelSpec("joint", encoders=encoders, fusion={"kind": "concat", "hidden": 0})
    net = build_net(model, [TEXT, IMAGE], [LEFT, NER], vocabulary={"text": VOCABULARY}).eval()
    logits = net({**make_arrays("static"), **make_arrays("cnn")})
    assert logits["left"].shape == (3, 3)
    assert logits["ner"].shape == (3, 7, 3)
    assert "text.word" in net.embeddings()


def test_a_net_is_rebuilt_from_its_own_configuration() -> None:
    net, arrays = make_net("static"), make_arrays("static")
    again = build_net(net.model, net.inputs, net.tasks, vocabulary=VOCABULARY).eval()
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(arrays)["left"], net(arrays)["left"])
