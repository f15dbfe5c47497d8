"""Nets for tables: every form of them, what it exports to, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from kd2edge.errors import UsageError
from kd2edge.export.student import onnx_from_student
from kd2edge.inputs import InputSpec
from kd2edge.nets import ModelSpec, Net, build_net
from nets.tiny import LARGER

SPEC = InputSpec(
    "person",
    "tabular",
    ("age", "hours", "town"),
    {"numeric": ["age", "hours"], "categorical": ["town"], "scaling": "quantile"},
)
FORMS = (
    {},
    {"norm": "layer", "residual": True, "dropout": 0.1},
    {"norm": "none", "numbers": "periodic"},
    {"numbers": "quantile", "bins": 4, "embedding": 3},
)


def net_of(seed: int = 0, **config: Any) -> Net:
    model = ModelSpec("mlp", {"hidden": [8, 8], **config})
    return build_net(model, [SPEC], [LARGER], vocabulary={"person": 6}, seed=seed)


def arrays_of(rows: int) -> dict[str, torch.Tensor]:
    draw = np.random.default_rng(0)
    return {
        "numbers": torch.from_numpy(draw.uniform(-1, 1, (rows, 2)).astype(np.float32)),
        "missing": torch.from_numpy(draw.integers(0, 2, (rows, 2)).astype(np.float32)),
        "categories": torch.from_numpy(draw.integers(0, 6, (rows, 1))),
    }


@pytest.mark.parametrize("config", FORMS, ids=str)
def test_every_form_learns_is_rebuilt_from_its_configuration_and_exports(
    config: dict[str, Any],
) -> None:
    net = net_of(**config)
    arrays = arrays_of(7)
    for rows in (1, 7):  # a batch of one row has no spread
        some = {name: one[:rows] for name, one in arrays.items()}
        net.train()(some)[LARGER.name].sum().backward()
    grown = {name: one.grad for name, one in net.named_parameters()}
    assert all(grad is not None and torch.isfinite(grad).all() for grad in grown.values())
    again = build_net(net.model, [SPEC], [LARGER], vocabulary={"person": 6})
    again.load_state_dict(net.state_dict())
    wanted = net.eval()(arrays)[LARGER.name].detach().numpy()
    np.testing.assert_array_equal(again.eval()(arrays)[LARGER.name].detach().numpy(), wanted)
    sample = {name: one.numpy()[:2] for name, one in arrays.items()}
    made = onnx_from_student(net, net.array_specs(), net.output_specs(), sample=sample, opset=18)
    session = onnxruntime.InferenceSession(made)
    (found,) = session.run(None, {name: one.numpy() for name, one in arrays.items()})
    np.testing.assert_allclose(np.asarray(found), wanted, atol=1e-5)
    assert b"BatchNormalization" not in made


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_a_table_of_categories_alone_learns(norm: str) -> None:
    spec = InputSpec("person", "tabular", ("town",), {"numeric": [], "categorical": ["town"]})
    model = ModelSpec("mlp", {"hidden": [8, 8], "norm": norm})
    net = build_net(model, [spec], [LARGER], vocabulary={"person": 6}, seed=0).train()
    towns = {"categories": torch.tensor([[2], [3], [4], [5]])}
    wanted = torch.tensor([[1.0], [0.0], [1.0], [0.0]])
    steps = torch.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(100):
        steps.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(towns)[LARGER.name], wanted)
        loss.backward()
        steps.step()
    found = net.eval()(towns)[LARGER.name] > 0
    assert found.tolist() == [[True], [False], [True], [False]]
    never = net({"categories": torch.tensor([[0], [1]])})[LARGER.name]
    assert never[0] == never[1]


def test_what_training_never_shows_says_nothing() -> None:
    """A flag that is never up and a category that no row has must not mean something by chance."""
    net = net_of().eval()
    arrays = arrays_of(4)
    wanted = net(arrays)[LARGER.name]
    other = {**arrays, "missing": 1 - arrays["missing"], "categories": arrays["categories"] * 0 + 1}
    torch.testing.assert_close(net(other)[LARGER.name], wanted)


def test_layers_can_be_followed() -> None:
    net = net_of()
    with net.capture(["layers.0", "heads.larger.dropout:input"]) as features:
        net(arrays_of(3))
    assert {name: tuple(one.shape) for name, one in features.items()} == dict.fromkeys(
        ("layers.0", "heads.larger.dropout:input"), (3, 8)
    )
    assert list(net.embeddings()) == ["category"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"hidden": []}, "hidden must be a list"),
        ({"hidden": [8, 0]}, "hidden must be a list"),
        ({"hidden": 8}, "hidden must be a list"),
        ({"norm": "group"}, "norm must be one of batch, layer, none"),
        ({"norm": ["batch"]}, "norm must be one of"),
        ({"residual": "no"}, "residual must be true or false"),
        ({"dropout": 1.0}, "dropout must be a number"),
        ({"numbers": "fourier"}, "numbers must be one of plain, periodic, quantile"),
        ({"bins": 0}, "bins must be"),
        ({"width": True}, "width must be"),
        ({"sigma": float("nan")}, "sigma must be"),
        ({"embedding": -1}, "embedding must be"),
        ({"categories": 2}, "6 ids of categories"),
        ({"hiden": [8]}, "did you mean 'hidden'"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        net_of(**config)


def test_bins_of_quantiles_need_numbers_scaled_by_quantiles() -> None:
    spec = InputSpec("person", "tabular", ("age",), {"numeric": ["age"]})
    model = ModelSpec("mlp", {"hidden": [8], "numbers": "quantile"})
    with pytest.raises(UsageError, match="needs scaling: quantile for the input person"):
        build_net(model, [spec], [LARGER])
