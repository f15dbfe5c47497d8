"""Nets of several inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kd2edge.errors import UsageError
from kd2edge.export.student import onnx_from_student
from kd2edge.inputs.spec import InputSpec, dynamic_dimensions
from kd2edge.nets import ModelSpec, Net, build_net, load_net, save_net
from kd2edge.tasks.spec import TaskName, TaskSpec
from nets.tiny import IMAGE, LARGER, LEFT, MODELS, NER, TEXT, VOCABULARY
from random_arrays import random_arrays

#: Two inputs of one kind, whose arrays bear their names; one is called as a module dictionary is.
SAID, VALUES = (
    InputSpec(name, "text", (name,), {"max_length": 12, "prefix": f"{name}_"})
    for name in ("said", "values")
)
MOOD = TaskSpec(TaskName("mood"), "token_classification", ("x", "y"), "entity_f1", input="said")


def joint(fusion: dict[str, Any] | None = None) -> Net:
    model = ModelSpec(
        "joint",
        dropout=0.0,
        encoders={"text": MODELS["bert"], "image": MODELS["cnn"]},
        fusion=fusion or {"kind": "concat"},
    )
    sizes = {"text": VOCABULARY}
    return build_net(model, [TEXT, IMAGE], [LEFT, LARGER, NER], vocabulary=sizes, seed=3).eval()


def twins() -> Net:
    model = ModelSpec(
        "joint",
        encoders={"said": MODELS["electra"], "values": MODELS["bert"]},
        fusion={"kind": "gated", "width": 8},
    )
    sizes = {"said": 20, "values": 30}
    return build_net(model, [SAID, VALUES], [LEFT, MOOD], vocabulary=sizes, seed=3).eval()


def arrays_for(net: Net) -> dict[str, Any]:
    return random_arrays(net.array_specs(), sizes_of(net))


def sizes_of(net: Net) -> dict[str, int]:
    """A size for every dynamic dimension, which no other has."""
    names = dynamic_dimensions(net.array_specs())
    return {"batch": 2, **{name: size for size, name in enumerate(names, 9)}}


def outputs_of(net: Net, arrays: dict[str, Any]) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return net({name: torch.from_numpy(array) for name, array in arrays.items()})


@pytest.mark.parametrize(
    "fusion",
    [{"kind": "concat"}, {"kind": "concat", "hidden": 6}, {"kind": "gated", "width": 5}],
    ids=str,
)
def test_every_input_has_a_say(fusion: dict[str, Any]) -> None:
    net = joint(fusion)
    arrays = arrays_for(net)
    before = outputs_of(net, arrays)["left"]
    for name in ("input_ids", "pixel_values"):
        other = arrays | {name: np.zeros_like(arrays[name])}
        assert not torch.equal(outputs_of(net, other)["left"], before)


def test_two_inputs_of_one_kind_are_of_different_lengths() -> None:
    net = twins()
    arrays = arrays_for(net)
    assert arrays["said_input_ids"].shape[1] != arrays["values_input_ids"].shape[1]
    outputs = outputs_of(net, arrays)
    assert outputs["mood"].shape[:2] == arrays["said_input_ids"].shape
    assert [one.shape for one in net.output_specs()] == [("batch", 3), ("batch", "said.length", 2)]


def test_a_saved_net_of_several_inputs_is_the_same_net(tmp_path: Path) -> None:
    for net in (joint(), twins()):
        save_net(net, tmp_path / "net")
        again = load_net(tmp_path / "net")
        arrays = arrays_for(net)
        found, wanted = outputs_of(again, arrays), outputs_of(net, arrays)
        assert all(torch.equal(found[task], wanted[task]) for task in wanted)


def test_modules_are_named_with_their_input_in_front() -> None:
    net = joint()
    with net.capture(["text.encoder.layer.1", "image.stages.0"]) as features:
        outputs_of(net, arrays_for(net))
    assert features["text.encoder.layer.1"].dim() == 3
    assert features["image.stages.0"].dim() == 4
    near = pytest.raises(UsageError, match=r"text\.encoder\.layer\.1")
    with near, net.capture(["encoder.layer.1"]):
        pass


def test_all_but_the_heads_is_shared() -> None:
    net = joint({"kind": "concat", "hidden": 6})
    shared = sum(one.numel() for one in net.shared_parameters())
    heads = sum(one.numel() for one in net.heads.parameters())
    assert shared + heads == net.parameter_count()
    assert "text.word" in net.embeddings()


@pytest.mark.parametrize("make", [joint, twins])
def test_a_net_of_several_inputs_is_one_graph(make: Any) -> None:
    ort = pytest.importorskip("onnxruntime")
    net = make()
    arrays = arrays_for(net)
    inputs, outputs = net.array_specs(), net.output_specs()
    graph = onnx_from_student(net, inputs, outputs, sample=arrays, opset=20)
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    longer = random_arrays(inputs, {dim: size + 2 for dim, size in sizes_of(net).items()}, seed=5)
    found = session.run(None, longer)
    for array, spec in zip(found, outputs, strict=True):
        wanted = outputs_of(net, longer)[spec.name].numpy()
        np.testing.assert_allclose(array, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (MODELS["bert"], [TEXT, IMAGE]),
        (ModelSpec("joint", encoders={"text": MODELS["bert"]}), [TEXT, IMAGE]),
        (ModelSpec("joint", encoders={"text": MODELS["bert"]}), [TEXT]),
    ],
)
def test_every_input_needs_what_reads_it(model: ModelSpec, inputs: list[InputSpec]) -> None:
    with pytest.raises(UsageError, match="state `encoders`, one an input"):
        build_net(model, inputs, [LEFT], vocabulary={"text": VOCABULARY})


@pytest.mark.parametrize(
    ("fusion", "words"),
    [({"kind": "sum"}, "found 'sum'"), ({"kind": "gated", "heads": 2}, "heads")],
)
def test_an_unknown_fusion_is_refused(fusion: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        joint(fusion)
