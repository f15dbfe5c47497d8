"""Float32 ONNX to int8 ONNX: static (Q/DQ, calibrated) and dynamic (measured at each run)."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kd2edge.errors import UsageError
from kd2edge.quantize.calibrate import Arrays, Ranges, calibration_batches, tensor_ranges
from kd2edge.runtime.telemetry import quietly_imported
from kd2edge.tasks.reject import MATRIX

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

#: Operators whose products int8 makes faster.  Everything else stays float.
OPERATORS = ("Conv", "Gemm", "MatMul")

_ACTIVATIONS = ("Clip", "Relu")
#: A matrix product with fewer rows or columns than this stays float: nothing to gain, and the heads
#: of tasks (a binary one has one column) are where an error shows most.
_NARROWEST = 16
#: Tells ONNX Runtime's quantizer that shapes were inferred, or it logs advice to the root logger.
_PREPROCESSED = ("onnx.quant.pre_process", "onnxruntime.quant")


def int8_static(
    onnx: bytes,
    calibration: Iterable[Arrays],
    *,
    symmetric: bool = False,
    per_channel: bool = True,
    reduce_range: bool = True,
    exclude: Sequence[str] = (),
    method: str = "minmax",
) -> bytes:
    """Quantize weights and activations of Conv, Gemm and MatMul to int8, as Q/DQ pairs.

    Only products with a constant weight are quantized.  Two profiles make sense:

    * for CPUs (the default): unsigned activations with a zero point, signed 7-bit weights.  The
      products of 8-bit weights overflow 16 bits where the CPU has no VNNI, and the same file then
      gives other answers there; with 7 bits it is the same model everywhere.
    * for TensorRT (``symmetric=True, reduce_range=False``): signed activations and weights, all
      zero points 0, biases in float, nothing quantized between a product and what follows it.

    Args:
        onnx: the float32 graph.
        calibration: batches of the graph's inputs; lengths may differ.
        symmetric: signed activations around zero.
        per_channel: one scale an output channel of each weight.
        reduce_range: 7-bit weights.
        exclude: names of nodes to keep in float.
        method: how ranges are made; see :func:`~kd2edge.quantize.calibrate.tensor_ranges`.

    Raises:
        DataError: an empty calibration sample.
        UsageError: an unknown method, a name in ``exclude`` that the graph lacks, or nothing to
            quantize.
        InputError: calibration batches that the graph does not take.
    """
    quietly_imported("onnxruntime")
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    batches = calibration_batches(calibration)
    model = _with_shapes(onnx)
    nodes = _quantizable(model.graph, OPERATORS, exclude)
    _unshare_constants(model.graph, nodes)
    held = {tensor.name for tensor in model.graph.initializer}
    activations = [] if symmetric else _activations_behind(model.graph, nodes)
    tensors = {name for node in (*nodes, *activations) for name in (node.input[0], node.output[0])}
    ranges = tensor_ranges(model, batches, tensors - held, method)
    quantizer = QDQQuantizer(
        model,
        per_channel,
        reduce_range,
        QuantType.QInt8,
        QuantType.QInt8 if symmetric else QuantType.QUInt8,
        _as_ort_ranges(ranges),
        [node.name for node in (*nodes, *activations)],
        [],
        [*OPERATORS, *_ACTIVATIONS],
        _static_options(symmetric),
    )
    with _quiet():
        quantizer.quantize_model()
    # It adds nodes at the end; ONNX wants every node behind those that it reads from.
    quantizer.model.topological_sort()
    made = quantizer.model.model
    _spare_float_readers(made.graph, {node.name for node in nodes})
    if _cut_off_float_readers(made.graph, {node.output[0] for node in activations}):
        quantizer.model.topological_sort()
    return _bytes(made)


def int8_dynamic(
    onnx: bytes,
    *,
    per_channel: bool = True,
    reduce_range: bool = True,
    exclude: Sequence[str] = (),
) -> bytes:
    """Quantize the weights of Gemm and MatMul to int8; activations are measured at each run.

    Needs no calibration.  Convolutions stay float: their dynamic form is many times slower.
    ``reduce_range`` (7-bit weights) keeps the file the same model on CPUs without VNNI.

    Args:
        onnx: the float32 graph.
        per_channel: a scale a channel of the weights, else one a table.
        reduce_range: 7-bit weights: the same model on CPUs without VNNI.
        exclude: names of nodes to keep in float.

    Raises:
        UsageError: a name in ``exclude`` that the graph lacks, or nothing to quantize.
    """
    quietly_imported("onnxruntime")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = _with_shapes(onnx)
    nodes = _quantizable(model.graph, ("Gemm", "MatMul"), exclude)
    _unshare_constants(model.graph, nodes)
    key, value = _PREPROCESSED
    model.metadata_props.add(key=key, value=value)
    with tempfile.TemporaryDirectory(prefix="kd2edge-") as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=["MatMul"],  # a Gemm is split into MatMul and Add first
            per_channel=per_channel,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=[name for node in nodes for name in _names_when_split(node)],
        )
        made = type(model).FromString(path.read_bytes())
    del made.graph.value_info[:]  # the shapes that the quantizer needed; an engine infers its own
    _name_after_float(made.graph, model.graph)
    return _bytes(made)


def _name_after_float(graph: GraphProto, float_graph: GraphProto) -> None:
    """Give an int8 product the name of the float one that it stands for, and its helpers none.

    By that name its module is found; what scales and casts around it is found beside it.
    """
    known = {node.name for node in float_graph.node}
    named = {
        f"{split}_quant": node.name
        for node in float_graph.node
        for split in _names_when_split(node)
    }
    for node in graph.node:
        if node.name not in known:
            node.name = named.get(node.name, "")


def _with_shapes(data: bytes) -> ModelProto:
    """The model with the types and shapes of all tensors, which the quantizers need."""
    from onnx import ModelProto, shape_inference

    model = shape_inference.infer_shapes(ModelProto.FromString(data))
    # A constant has its own shape.  Stated twice, the second is stale once ONNX Runtime (to 1.30)
    # has turned a Gemm's weight round, and its own shape inference then refuses the graph.
    held = {tensor.name for tensor in model.graph.initializer}
    kept = [info for info in model.graph.value_info if info.name not in held]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)
    return model


def _quantizable(
    graph: GraphProto, operators: Sequence[str], exclude: Sequence[str]
) -> list[NodeProto]:
    unknown = set(exclude) - {node.name for node in graph.node}
    if unknown:
        raise UsageError(f"the graph has no nodes {sorted(unknown)} to keep in float")
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    nodes = [
        node
        for node in graph.node
        if node.op_type in operators and node.name not in exclude and node.input[1] in shapes
        if not node.input[1].endswith(MATRIX)  # a threshold on a cosine shows every rounding
    ]
    if not nodes:
        raise UsageError(
            f"nothing to quantize: the graph has no {', '.join(operators)} with a constant weight"
        )
    # A convolution inside a chain of int8 ones must be int8 too, however narrow.  Where only narrow
    # heads are left (a CNN in dynamic mode), they are better than nothing.
    worth = [
        node for node in nodes if node.op_type == "Conv" or min(shapes[node.input[1]]) >= _NARROWEST
    ]
    return worth or nodes


def _activations_behind(graph: GraphProto, nodes: Sequence[NodeProto]) -> list[NodeProto]:
    """Relus (and Clips, from ReLU6) right behind a quantized convolution.

    With an unsigned range from 0, cutting off is what the rounding does anyway: the quantizer drops
    them, and ONNX Runtime then goes from convolution to convolution in int8.
    """
    convolved = {node.output[0] for node in nodes if node.op_type == "Conv"}
    return [
        node for node in graph.node if node.op_type in _ACTIVATIONS and node.input[0] in convolved
    ]


def _unshare_constants(graph: GraphProto, nodes: Sequence[NodeProto]) -> None:
    """Give each node its own weight and bias.

    The exporter merges equal constants (all biases that are still zero).  The quantizer would give
    such a bias the scale of one node only, and TensorRT refuses a constant that is int8 and float.
    """
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    held = {tensor.name: tensor for tensor in graph.initializer}
    for node in nodes:
        for index, name in enumerate(node.input[1:], start=1):
            if name in held and readers[name] > 1:
                readers[name] -= 1
                own = graph.initializer.add()
                own.CopyFrom(held[name])
                own.name = node.input[index] = f"{name}_of_{node.name}"


def _as_ort_ranges(ranges: Ranges) -> object:
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import TensorData, TensorsData

    data: dict[str, TensorData | tuple[Any, ...]] = {
        name: TensorData(lowest=np.array(low), highest=np.array(high))
        for name, (low, high) in ranges.items()
    }
    return TensorsData(CalibrationMethod.MinMax, data)


def _static_options(symmetric: bool) -> dict[str, object]:
    # ONNX Runtime needs a convolution's output quantized to run it in int8; a matrix product's it
    # gives in float at no cost, which is more exact.  TensorRT fuses best with none.
    float_outputs = list(OPERATORS) if symmetric else ["Gemm", "MatMul"]
    return {
        "ActivationSymmetric": symmetric,
        "WeightSymmetric": True,
        "QuantizeBias": not symmetric,
        "OpTypesToExcludeOutputQuantization": float_outputs,
        "DedicatedQDQPair": True,
    }


def _spare_float_readers(graph: GraphProto, quantized: set[str]) -> None:
    """Nodes that compute in float read the float tensor, not its rounded copy.

    The quantizer gives the copy to every reader, residual sums included.  What an int8 convolution
    gives exists in int8 only (its Relu is gone), so that stays.
    """
    producers = {name: node for node in graph.node for name in node.output}
    rounded: dict[str, str] = {}  # output of a Q/DQ pair -> what went in
    for node in graph.node:
        source = producers.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if source is None or source.op_type != "QuantizeLinear":
            continue
        origin = producers.get(source.input[0])
        if origin is None or origin.op_type != "Conv" or origin.name not in quantized:
            rounded[node.output[0]] = source.input[0]
    for node in graph.node:
        if node.name in quantized or node.op_type == "QuantizeLinear":
            continue
        for index, name in enumerate(node.input):
            node.input[index] = rounded.get(name, name)


def _cut_off_float_readers(graph: GraphProto, activated: set[str]) -> bool:
    """Nodes that compute in float read what a Relu cut off, though the Relu itself is gone.

    Where two quantized nodes read a tensor, the quantizer gives each its own rounded copy, and
    passes over a third reader that is not quantized: it would read what was never cut off.

    Args:
        graph: that was quantized.
        activated: what Relus gave that may be gone.

    Returns:
        Whether any node reads another tensor than before: its place may be in front of it.
    """
    producers = {name: node for node in graph.node for name in node.output}
    bare = {name for name in activated & set(producers) if producers[name].op_type == "Conv"}
    copies: dict[str, str] = {}
    for node in graph.node:
        source = producers.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if source is not None and source.input[0] in bare:
            copies.setdefault(source.input[0], node.output[0])
    changed = False
    for node in graph.node:
        for index, name in enumerate(node.input):
            if node.op_type != "QuantizeLinear" and name in copies:
                node.input[index] = copies[name]
                changed = True
    return changed


def _names_when_split(node: NodeProto) -> tuple[str, ...]:
    """ONNX Runtime's quantizer renames the MatMul that it makes of a Gemm."""
    return (node.name, f"{node.name}_MatMul") if node.op_type == "Gemm" else (node.name,)


def _bytes(model: ModelProto) -> bytes:
    del model.metadata_props[:]  # the quantizer's own marks
    return model.SerializeToString(deterministic=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's quantizer logs to the root logger; only what is an error may pass."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
