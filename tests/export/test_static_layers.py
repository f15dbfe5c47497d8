"""What NumPy makes of a student's layers is what torch makes of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from kd2edge.errors import UsageError
from kd2edge.export.static_layers import layers_from_student
from kd2edge.inputs.spec import InputSpec, dynamic_dimensions
from kd2edge.nets import ModelSpec, Net, build_net
from kd2edge.runtime.static_net import StaticNet
from kd2edge.runtime.static_plan import StaticPlan
from kd2edge.tasks.spec import TaskName, TaskSpec
from nets.tiny import IMAGE, LARGER, LEFT, MODELS, NER, TEXT, VOCABULARY
from random_arrays import random_arrays

MANY = TaskSpec(TaskName("many"), "multi_label", ("p", "q", "r", "s"), "micro_f1")
PLAIN = replace(TEXT, options={"max_length": 16})
SAID, NOTE = (
    InputSpec(name, "text", (name,), {"max_length": 12, "prefix": f"{name}_", "absent": True})
    for name in ("said", "note")
)


def far_from_its_start(net: Net) -> Net:
    """Statistics, norms and biases count."""
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for tensor in (*net.parameters(), *net.buffers()):
            if tensor.dtype.is_floating_point:
                tensor += 0.3 * torch.rand(tensor.shape, generator=generator)
    return net.eval()


def one_input(pooling: str = "mean", spec: InputSpec = TEXT, **config: Any) -> Net:
    model = MODELS["static"]
    model = replace(model, config={**model.config, **config}, pooling=pooling)
    tasks = [LEFT, LARGER, NER, MANY]
    return far_from_its_start(build_net(model, [spec], tasks, vocabulary=VOCABULARY, seed=3))


def two_inputs(fusion: dict[str, Any]) -> Net:
    encoders = {"said": MODELS["static"], "note": MODELS["static-both"]}
    model = ModelSpec("joint", encoders=encoders, fusion=fusion)
    sizes = {"said": VOCABULARY, "note": VOCABULARY}
    return far_from_its_start(build_net(model, [SAID, NOTE], [LEFT], vocabulary=sizes, seed=3))


def in_numpy(net: Net) -> StaticNet:
    layers = layers_from_student(net)
    return StaticNet(StaticPlan.from_json(layers.plan.to_json(), "plan"), layers.arrays, "net")


def require_same(net: Net, arrays: dict[str, Any], found: dict[str, Any]) -> None:
    with torch.no_grad():
        expected = net({name: torch.from_numpy(array) for name, array in arrays.items()})
    assert list(found) == list(expected)
    for name, logits in expected.items():
        assert found[name].dtype == np.float32
        assert np.isfinite(found[name]).all()
        np.testing.assert_allclose(found[name], logits.numpy(), rtol=1e-5, atol=1e-5)


def arrays_of(net: Net, batch: int, length: int) -> dict[str, Any]:
    sizes = dict.fromkeys(dynamic_dimensions(net.array_specs()), length)
    specs = net.array_specs()
    return random_arrays(specs, {"batch": batch, **sizes}, vocabulary=VOCABULARY, seed=batch)


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize(
    ("pooling", "weighted"), [*product(("mean", "both"), (True, False)), ("max", True)]
)
def test_every_pooling_and_norm_gives_what_torch_gives(pooling, weighted, norm) -> None:
    net = one_input(pooling, weighted=weighted, norm=norm, hidden=[6, 5])
    fast = in_numpy(net)
    for batch, length in ((1, 2), (5, 9)):
        arrays = arrays_of(net, batch, length)
        require_same(net, arrays, fast.run(arrays))


def test_prototypes_give_what_torch_gives() -> None:
    asking = replace(LEFT, decode={"reject": 0, "least_cosine": 0.5, "prototypes": 5})
    net = far_from_its_start(
        build_net(MODELS["static"], [TEXT], [LARGER, asking, NER], vocabulary=VOCABULARY, seed=3)
    )
    arrays = arrays_of(net, 4, 6)
    require_same(net, arrays, in_numpy(net).run(arrays))


def test_heads_may_read_the_pooled_vector_as_it_is_and_words_without_casing() -> None:
    net = one_input(spec=PLAIN, hidden=[])
    arrays = arrays_of(net, 3, 4)
    assert set(arrays) == {"input_ids", "attention_mask"}
    require_same(net, arrays, in_numpy(net).run(arrays))


@pytest.mark.parametrize("pooling", ["mean", "max", "both"])
@pytest.mark.parametrize("weighted", [True, False])
def test_rows_of_padding_alone_are_answered_alike(pooling: str, weighted: bool) -> None:
    net = one_input(pooling, weighted=weighted)
    fast = in_numpy(net)
    arrays = arrays_of(net, 3, 4)
    arrays["attention_mask"][1] = 0
    require_same(net, arrays, fast.run(arrays))
    alone = {name: array[1:2] for name, array in arrays.items()}
    require_same(net, alone, fast.run(alone))


def test_padding_changes_no_answer() -> None:
    net = one_input("both")
    fast = in_numpy(net)
    arrays = arrays_of(net, 1, 5)
    arrays["attention_mask"][:] = 1
    longer = {name: np.pad(array, ((0, 0), (0, 4))) for name, array in arrays.items()}
    short, long = fast.run(arrays), fast.run(longer)
    for name in ("left", "larger", "many"):
        np.testing.assert_allclose(long[name], short[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "fusion",
    [{"kind": "concat"}, {"kind": "concat", "hidden": 6}, {"kind": "gated", "width": 5}],
    ids=str,
)
def test_several_inputs_any_of_them_absent(fusion: dict[str, Any]) -> None:
    net = two_inputs(fusion)
    fast, arrays = in_numpy(net), arrays_of(net, 4, 6)
    arrays["said_present"] = np.array([1, 0, 1, 0])
    arrays["note_present"] = np.array([1, 1, 0, 0])
    for row in (1, 3):
        arrays["said_attention_mask"][row] = 0
    require_same(net, arrays, fast.run(arrays))


def test_it_takes_and_gives_what_the_net_does() -> None:
    for net in (one_input(), one_input(spec=PLAIN), two_inputs({"kind": "concat"})):
        spec = in_numpy(net).spec
        assert set(spec.inputs) == set(net.array_specs())
        assert spec.outputs == net.output_specs()


def test_a_net_is_left_as_it_was() -> None:
    net = one_input().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    layers_from_student(net)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("name", ["bert", "conv", "cnn"])
def test_another_family_is_refused(name: str) -> None:
    spec = IMAGE if name == "cnn" else TEXT
    net = build_net(MODELS[name], [spec], [LEFT], vocabulary=None if name == "cnn" else VOCABULARY)
    with pytest.raises(UsageError, match=f"family static alone, and input {spec.name}"):
        layers_from_student(net)


def test_a_joint_net_is_refused_by_the_input_that_is_no_static_one() -> None:
    encoders = {"text": MODELS["static"], "image": MODELS["cnn"]}
    model = ModelSpec("joint", encoders=encoders, fusion={"kind": "concat"})
    net = build_net(model, [TEXT, IMAGE], [LEFT], vocabulary={"text": VOCABULARY})
    with pytest.raises(UsageError, match="input image of this one"):
        layers_from_student(net)
