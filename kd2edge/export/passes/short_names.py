"""Give the values inside a graph short names."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, final

from kd2edge.export.model_io import is_flat
from kd2edge.export.passes.graph_pass import GraphPass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import GraphProto, ModelProto

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@final
class ShortNames(GraphPass):
    """Numbers the weights and inner values of a graph in their order; nodes keep their names.

    Exporter and quantizer name a value after its module and all that was done to it, and every use
    says it again: a hundredth of the file of a small int8 student.  Which module a node comes from
    stands beside the bundle's graphs, by the node's name.
    """

    name = "short_names"

    def before(self, model: ModelProto) -> str:
        # A name of an inner graph may stand for a value of the outer one.
        return "" if is_flat(model) else "the graph has graphs inside of it"

    def change(self, model: ModelProto) -> int:
        graph = model.graph
        fixed = {value.name for value in (*graph.input, *graph.output)}
        free = (name for name in map(_numbered, count()) if name not in fixed)
        new = {old: next(free) for old in dict.fromkeys(_names(graph)) if old not in fixed}
        for tensor in (*graph.initializer, *graph.value_info):
            tensor.name = new.get(tensor.name, tensor.name)
        for node in graph.node:
            for side in (node.input, node.output):
                side[:] = [new.get(name, name) for name in side]
        return sum(old != short for old, short in new.items())


def _names(graph: GraphProto) -> Iterator[str]:
    """Names of weights and inner values, in the order in which they are made; "" is no value."""
    yield from (tensor.name for tensor in graph.initializer)
    yield from (name for node in graph.node for name in node.output if name)


def _numbered(number: int) -> str:
    text = ""
    while True:
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
        if not number:
            return f"v{text}"
