"""Take out of a graph what tells of the machine that made it: stack traces, paths, doc strings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from kd2edge.export.model_io import graphs
from kd2edge.export.passes.graph_pass import GraphPass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import ModelProto


@final
class StripMetadata(GraphPass):
    """Clears ``metadata_props`` and ``doc_string`` everywhere; the producer's name stays.

    The exporter writes a stack trace with this machine's paths into every node, and ONNX Runtime's
    quantizer would keep them.
    """

    name = "strip_metadata"

    def change(self, model: ModelProto) -> int:
        return sum(_clear(part) for part in _parts(model))

    def after(self, model: ModelProto) -> str:
        left = [part for part in _parts(model) if part.doc_string or len(_properties(part))]
        return f"{len(left)} parts still carry metadata" if left else ""


def _parts(model: ModelProto) -> Iterator[Any]:
    """Everything in a model that can carry metadata."""
    yield model
    for function in model.functions:
        yield function
        yield from function.node
    for graph in graphs(model.graph):
        yield graph
        yield from graph.node
        yield from graph.initializer
        yield from (*graph.input, *graph.output, *graph.value_info)


def _properties(part: Any) -> Any:
    return getattr(part, "metadata_props", ())  # older onnx has none on values and tensors


def _clear(part: Any) -> int:
    if not part.doc_string and not len(_properties(part)):
        return 0
    part.doc_string = ""
    del _properties(part)[:]
    return 1
