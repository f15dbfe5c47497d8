"""Tensors outside the graph are found in the bytes, wherever a graph can have a tensor."""

from __future__ import annotations

import random

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

import bundles
from kd2edge.errors import IntegrityError
from kd2edge.runtime.external_data import assert_no_external_data, external_tensors


def outside(name: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    return tensor


def inside(name: str) -> TensorProto:
    return numpy_helper.from_array(np.ones(300, np.float32), name)


def model_with(place: str, tensor: TensorProto) -> bytes:
    """A model (not one that runs) that has a tensor in one of the places of onnx.proto."""
    model = ModelProto(ir_version=9)
    graph = model.graph
    node = graph.node.add(op_type="If")
    attribute = node.attribute.add(name="a")
    sparse = onnx.SparseTensorProto(values=inside("values"), indices=tensor)
    if place == "initializer":
        graph.initializer.append(tensor)
    elif place == "sparse initializer":
        graph.sparse_initializer.append(sparse)
    elif place == "attribute":
        attribute.CopyFrom(AttributeProto(name="a", t=tensor))
    elif place == "attribute of tensors":
        attribute.tensors.append(tensor)
    elif place == "sparse attribute":
        attribute.sparse_tensors.append(sparse)
    elif place == "subgraph":
        attribute.g.initializer.append(tensor)
    elif place == "subgraph of a list":
        attribute.graphs.add().node.add().attribute.add().g.initializer.append(tensor)
    elif place == "function":
        model.functions.add().node.add().attribute.add().t.CopyFrom(tensor)
    else:
        model.training_info.add().algorithm.initializer.append(tensor)
    return model.SerializeToString()


PLACES = (
    "initializer",
    "sparse initializer",
    "attribute",
    "attribute of tensors",
    "sparse attribute",
    "subgraph",
    "subgraph of a list",
    "function",
    "training",
)


@pytest.mark.parametrize("place", PLACES)
def test_a_tensor_outside_is_found_in_every_place(place: str) -> None:
    assert external_tensors(model_with(place, outside("stray")), "x") == ["stray"]
    assert external_tensors(model_with(place, inside("own")), "x") == []


def test_either_of_the_two_marks_is_enough() -> None:
    place_alone = outside("a")
    place_alone.ClearField("external_data")
    keys_alone = outside("b")
    keys_alone.ClearField("data_location")
    for tensor in (place_alone, keys_alone):
        with pytest.raises(IntegrityError, match="onnx-fp32: .*in another file") as caught:
            assert_no_external_data(model_with("initializer", tensor), "onnx-fp32")
        assert caught.value.exit_code == 5


def test_whole_graphs_pass() -> None:
    for graph in (bundles.image_graph(), bundles.text_graph()):
        assert_no_external_data(graph, "onnx-fp32")


def test_damaged_bytes_end_in_an_integrity_error_or_in_no_finding_but_never_otherwise() -> None:
    whole = bundles.image_graph()
    chance = random.Random(5)
    for _ in range(300):
        content = bytearray(whole[: chance.randrange(1, len(whole))])
        for _ in range(3):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            external_tensors(bytes(content), "x")
        except IntegrityError:
            continue


def test_depth_is_no_danger() -> None:
    graph = helper.make_graph([], "leaf", [], [])
    graph.initializer.append(outside("deep"))
    content = graph.SerializeToString()
    for _ in range(2000):  # deeper than Python's stack: attribute in a node in a graph
        for tag in (0x32, 0x2A, 0x0A):
            content = bytes([tag]) + _length(len(content)) + content
    model = bytes([0x3A]) + _length(len(content)) + content
    assert external_tensors(model, "x") == ["deep"]


def _length(size: int) -> bytes:
    out = bytearray()
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    return bytes([*out, size])
