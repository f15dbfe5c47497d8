"""ONNX models from bytes and back: the one door, so that no graph is read with files beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kd2edge.errors import IntegrityError
from kd2edge.inputs.spec import ArraySpec, Dim

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto

#: Protobuf's own limit.  Weights beside the graph are refused, so a graph must stay below it.
_LARGEST = 2**31 - 1


def model_from_bytes(data: bytes) -> ModelProto:
    """The model in ``data``.

    Raises:
        IntegrityError: bytes that are no ONNX model, or one that keeps weights in other files.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise IntegrityError(f"graph is no ONNX model: {error}") from error
    if not model.graph.node:
        raise IntegrityError("graph is no ONNX model: it has no nodes")
    outside = [tensor.name for tensor in tensors(model.graph) if tensor.external_data]
    if outside:
        raise IntegrityError(
            f"graph keeps {outside[0]!r} in another file; save it as one file, because nothing"
            " ties external data to the graph's checksum"
        )
    return model


def bytes_from_model(model: ModelProto) -> bytes:
    """Serialise ``model``; the same model always gives the same bytes.

    Raises:
        IntegrityError: a model of 2 GiB or more.
    """
    if model.ByteSize() > _LARGEST:
        raise IntegrityError(
            f"an ONNX graph must stay below 2 GiB, this one has {model.ByteSize():,}"
        )
    return model.SerializeToString(deterministic=True)


def graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """``graph`` and every graph inside its nodes (If, Loop, Scan)."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from graphs(inner)


def is_flat(model: ModelProto) -> bool:
    """Whether each name has one value: no graph inside a node, no function beside the graph."""
    return not model.functions and sum(1 for _ in graphs(model.graph)) == 1


def tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every constant: initialisers and the tensors that nodes carry."""
    for each in graphs(graph):
        yield from each.initializer
        for node in each.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors


def array_spec(value: ValueInfoProto) -> ArraySpec:
    """What a graph says of an input or output; ``?`` is a dimension without size or name."""
    from onnx import helper

    tensor = value.type.tensor_type
    dims: tuple[Dim, ...] = tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?"
        for dim in tensor.shape.dim
    )
    return ArraySpec(value.name, helper.tensor_dtype_to_np_dtype(tensor.elem_type).name, dims)


def interface(model: ModelProto) -> tuple[tuple[ArraySpec, ...], tuple[ArraySpec, ...]]:
    """Inputs and outputs of a model, in order."""
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(array_spec(value) for value in model.graph.input if value.name not in held)
    return inputs, tuple(array_spec(value) for value in model.graph.output)
