"""Graphs of somebody else's, written node by node as converters write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

FLOAT, STRING, INT64 = TensorProto.FLOAT, TensorProto.STRING, TensorProto.INT64


def value(name: str, kind: int, *shape: int | str) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: dict[str, Any] | None = None
) -> ModelProto:
    held = [numpy_helper.from_array(one, name) for name, one in (weights or {}).items()]
    graph = helper.make_graph(nodes, "given", inputs, outputs, held)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def linear(weights: np.ndarray, bias: np.ndarray, *, softmax: bool = False) -> ModelProto:
    """``x`` ``[batch, column]`` to ``scores``: logits, or probabilities."""
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["raw" if softmax else "scores"])]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["raw"], ["scores"], axis=-1))
    inputs = [value("x", FLOAT, "n", len(weights))]
    outputs = [value("scores", FLOAT, "n", len(bias))]
    held = {"w": weights.astype(np.float32), "b": bias.astype(np.float32)}
    return model(nodes, inputs, outputs, held)


def classifier(*, zipmap: bool) -> ModelProto:
    """What skl2onnx makes of a logistic regression of two columns and three classes."""
    labels = ["bern", "oslo", "rome"]
    node = helper.make_node(
        "LinearClassifier",
        ["float_input"],
        ["label", "raw"],
        domain="ai.onnx.ml",
        coefficients=[0.5, -0.25, -1.0, 0.5, 0.25, 1.0],
        intercepts=[0.0, 0.5, -0.5],
        classlabels_strings=labels,
        post_transform="SOFTMAX",
    )
    if zipmap:
        maps = helper.make_node(
            "ZipMap", ["raw"], ["probabilities"], domain="ai.onnx.ml", classlabels_strings=labels
        )
        kind = helper.make_map_type_proto(
            TensorProto.STRING, helper.make_tensor_type_proto(FLOAT, None)
        )
        scores = helper.make_value_info("probabilities", helper.make_sequence_type_proto(kind))
    else:
        maps = helper.make_node("Identity", ["raw"], ["probabilities"])
        scores = value("probabilities", FLOAT, "n", 3)
    inputs = [value("float_input", FLOAT, None, 2)]
    return model([node, maps], inputs, [value("label", STRING, "n"), scores])


def saved(made: ModelProto, path: Path) -> Path:
    path.write_bytes(made.SerializeToString())
    return path
