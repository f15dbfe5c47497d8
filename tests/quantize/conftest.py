"""Small float32 graphs with clear answers, made without torch, and a way to run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

Arrays = dict[str, npt.NDArray[Any]]

WORDS, WIDTH, CLASSES = 300, 32, 20


def model_bytes(nodes, inputs, outputs, weights) -> bytes:
    held = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, held)
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def text_graph() -> bytes:
    """A bag of words and a residual layer: logits [batch, 20], a score [batch, length, 1]."""
    random = np.random.default_rng(3)
    topics = random.normal(size=(CLASSES, WIDTH))
    weights = {
        # Word w belongs to topic w % 20, so that rows about one topic have a clear answer.
        "table": topics[np.arange(WORDS) % CLASSES] + 0.6 * random.normal(size=(WORDS, WIDTH)),
        "up": random.normal(size=(WIDTH, 64)) / 5,
        "up_bias": random.normal(size=64) / 5,
        "down": random.normal(size=(64, WIDTH)) / 8,
        "head": topics / 4,
        "head_bias": random.normal(size=CLASSES) / 4,
        "score": random.normal(size=(WIDTH, 1)),
    }
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    weights["axis"] = np.array([1])
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["x"], "look_up"),
        helper.make_node("MatMul", ["x", "up"], ["u"], "up_product"),
        helper.make_node("Add", ["u", "up_bias"], ["v"], "up_sum"),
        helper.make_node("Gelu", ["v"], ["h"], "gelu"),
        helper.make_node("MatMul", ["h", "down"], ["d"], "down_product"),
        helper.make_node("Add", ["d", "x"], ["r"], "residual"),
        helper.make_node("ReduceMean", ["r", "axis"], ["m"], "pool", keepdims=0),
        helper.make_node("Gemm", ["m", "head", "head_bias"], ["topic"], "head_product", transB=1),
        helper.make_node("MatMul", ["r", "score"], ["keep"], "score_product"),
    ]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])
    outputs = [
        helper.make_tensor_value_info("topic", TensorProto.FLOAT, ["batch", CLASSES]),
        helper.make_tensor_value_info("keep", TensorProto.FLOAT, ["batch", "length", 1]),
    ]
    return model_bytes(nodes, [ids], outputs, weights)


@pytest.fixture(scope="session")
def near(text: bytes) -> bytes:
    """The text graph, one of its products that with prototypes."""
    model = ModelProto.FromString(text)
    (weight,) = (one for one in model.graph.initializer if one.name == "down")
    (product,) = (one for one in model.graph.node if one.name == "down_product")
    weight.name = product.input[1] = "net.heads.topic.scope.matrix"
    return model.SerializeToString()


def image_graph() -> bytes:
    """Two convolutions and a narrow head, as the small CNNs have: logits [batch, 10]."""
    random = np.random.default_rng(4)
    weights = {
        "scale": np.array(1 / 64),
        "middle": np.array(-2.0),
        "first": random.normal(size=(8, 1, 3, 3)) / 3,
        "first_bias": random.normal(size=8) / 9,
        "second": random.normal(size=(16, 8, 3, 3)) / 8,
        "second_bias": random.normal(size=16) / 9,
        "head": random.normal(size=(10, 64)),
        "head_bias": random.normal(size=10),
    }
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    weights["flat"] = np.array([0, 64])
    nodes = [
        helper.make_node("Cast", ["image"], ["c"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["c", "scale"], ["s"], "scaled"),
        helper.make_node("Add", ["s", "middle"], ["x"], "centred"),
        helper.make_node("Conv", ["x", "first", "first_bias"], ["a"], "conv1", strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"], "relu1"),
        helper.make_node("Conv", ["b", "second", "second_bias"], ["d"], "conv2", strides=[2, 2]),
        helper.make_node("Relu", ["d"], ["e"], "relu2"),
        helper.make_node("Reshape", ["e", "flat"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "head", "head_bias"], ["digit"], "head_product", transB=1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 1, 12, 12])
    digit = helper.make_tensor_value_info("digit", TensorProto.FLOAT, ["batch", 10])
    return model_bytes(nodes, [image], [digit], weights)


def text_rows(rows: int, length: int, seed: int) -> Arrays:
    """Rows of words, six in ten of them from the row's own topic."""
    random = np.random.default_rng(seed)
    topic = random.integers(0, CLASSES, (rows, 1))
    about = topic + CLASSES * random.integers(0, WORDS // CLASSES, (rows, length))
    other = random.integers(0, WORDS, (rows, length))
    return {"ids": np.where(random.random((rows, length)) < 0.6, about, other)}


def image_rows(rows: int, seed: int) -> Arrays:
    """Smooth images: noise alone would give every row the same answer."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (rows, 1, 3, 3))
    return {"image": np.kron(coarse, np.ones((1, 1, 4, 4))).astype(np.uint8)}


@pytest.fixture(scope="session")
def text() -> bytes:
    return text_graph()


@pytest.fixture(scope="session")
def image() -> bytes:
    return image_graph()


@pytest.fixture(scope="session")
def text_batches() -> list[Arrays]:
    """Calibration batches of different sizes in every dynamic dimension."""
    return [
        text_rows(rows, length, seed)
        for seed, (rows, length) in enumerate([(8, 5), (3, 17), (1, 1)])
    ]


@pytest.fixture(scope="session")
def image_batches() -> list[Arrays]:
    return [image_rows(16, 0), image_rows(5, 1)]


@pytest.fixture(scope="session")
def fresh_rows() -> dict[str, Arrays]:
    """Rows that no calibration batch holds."""
    return {"text": text_rows(300, 12, 99), "image": image_rows(300, 98)}


@pytest.fixture(scope="session")
def run() -> Callable[[bytes, Arrays], Arrays]:
    """Run ONNX bytes as they stand: Q/DQ pairs round, products are float.

    What a device with exact int8 arithmetic gives; ONNX Runtime's own kernels saturate where the
    CPU has no VNNI.
    """
    import onnxruntime

    def infer(graph: bytes, arrays: Arrays) -> Arrays:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, map(np.asarray, session.run(names, arrays)), strict=True))

    return infer


@pytest.fixture(scope="session")
def run_fast() -> Callable[[bytes, Arrays], Arrays]:
    """Run ONNX bytes with every fusion of ONNX Runtime, as the runtime does."""
    import onnxruntime

    def infer(graph: bytes, arrays: Arrays) -> Arrays:
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, map(np.asarray, session.run(names, arrays)), strict=True))

    return infer
