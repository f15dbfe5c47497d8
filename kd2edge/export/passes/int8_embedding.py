"""Store embedding tables as int8: a quarter of the bytes, the same look-up."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
import numpy.typing as npt

from kd2edge.export.model_io import graphs
from kd2edge.export.passes.graph_pass import GraphPass

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

#: Tables with fewer numbers than this stay float: they weigh nothing.
_SMALLEST = 4096
#: Rows below this width gain nothing over their own 4-byte scale.
_NARROWEST = 8
#: What one scale for a whole table may cost a row, as a share of the row's own size, and how many
#: rows may lose more.
_LOSS, _OUTLIERS = 1 / 16, 0.01


@final
class Int8Embedding(GraphPass):
    """Quantizes float32 tables that only ``Gather`` reads: symmetric, one scale a row (a word).

    A scale a row fits each word's own size and costs 2 bytes and three operators a look-up.  A
    table whose rows are much of a size needs only one, if ``one_scale`` allows it.  Both forms give
    the same numbers:

    * ``dequantize="rows"``: only the rows that were looked up become float (Gather, Cast, times the
      gathered scales, stored as float16 if that loses nothing).  What a CPU wants: ONNX Runtime
      turns the whole table into float at every call otherwise, though it looks up a few rows.
    * ``dequantize="table"``: DequantizeLinear before the Gather.  What TensorRT wants: it takes a
      quantized constant before a DequantizeLinear only, and fuses the two.

    Args:
        dequantize: ``rows`` or ``table``.
        one_scale: one scale will do for a table whose rows it fits (``rows`` alone).
    """

    name = "int8_embedding"

    def __init__(self, dequantize: str, *, one_scale: bool = False) -> None:
        if dequantize not in {"rows", "table"}:
            raise ValueError(f"dequantize must be 'rows' or 'table', found {dequantize!r}")
        self._by_row = dequantize == "rows"
        self._one_scale = one_scale

    def before(self, model: ModelProto) -> str:
        versions = [
            opset.version for opset in model.opset_import if opset.domain in {"", "ai.onnx"}
        ]
        ok = bool(versions) and versions[0] >= 13
        return "" if ok else f"DequantizeLinear along an axis needs opset 13, found {versions}"

    def change(self, model: ModelProto) -> int:
        tables = self._tables(model.graph)
        for name, readers in tables.items():
            table = _pop_initializer(model.graph, name)
            if self._one_scale and self._by_row and is_even(table):
                quantized, scale = int8_table(table)
                _add_initializer(model.graph, f"{name}_int8", quantized)
                _add_initializer(model.graph, f"{name}_scale", scale)
                # Without it, ONNX Runtime (1.32) takes rows that are reshaped for unsigned ones.
                _add_initializer(model.graph, f"{name}_zero", np.zeros((), np.int8))
                _dequantize_looked_up(model.graph, name, readers)
                continue
            quantized, scales = int8_rows(table)
            _add_initializer(model.graph, f"{name}_int8", quantized)
            if self._by_row:
                _add_initializer(model.graph, f"{name}_scales", _halved(scales)[:, None])
                _dequantize_rows(model.graph, name, readers)
            else:
                _add_initializer(model.graph, f"{name}_scales", scales)
                _dequantize_table(model.graph, name, readers)
        return len(tables)

    def after(self, model: ModelProto) -> str:
        left = list(self._tables(model.graph))
        return f"{left} are still float" if left else ""

    def _tables(self, graph: GraphProto) -> dict[str, list[NodeProto]]:
        """Name of each float table [row, width] that only row Gathers read -> those Gathers."""
        readers: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for name in set(node.input):
                readers.setdefault(name, []).append(node)
        elsewhere = {value.name for value in graph.output} | _read_inside(graph)
        return {
            tensor.name: readers[tensor.name]
            for tensor in graph.initializer
            if tensor.data_type == tensor.FLOAT
            and len(tensor.dims) == 2
            and tensor.dims[0] * tensor.dims[1] >= _SMALLEST
            and tensor.dims[1] >= _NARROWEST  # also keeps out the scales that this pass adds
            and tensor.name not in elsewhere
            and tensor.name in readers
            and all(_looks_up(node, tensor.name) for node in readers[tensor.name])
        }


def int8_rows(
    table: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Symmetric int8 of ``table`` [row, width] and a scale a row.

    ``int8 * scale[:, None]`` gives the table back to half a step.  Values lie in
    [-127, 127]; a row of zeros has scale 1.  Scales are float16 numbers as far as its normal range
    goes (6.1e-5 to 65504): the table is rounded to the scale as it is stored, so nothing is lost.
    """
    largest = np.abs(table).max(axis=1)
    scales = np.where(largest > 0, largest / 127.0, 1.0).astype(np.float32)  # [row]
    half = np.finfo(np.float16)
    normal = (scales >= half.smallest_normal) & (scales <= half.max)
    scales[normal] = scales[normal].astype(np.float16)
    return np.clip(np.rint(table / scales[:, None]), -127, 127).astype(np.int8), scales


def _halved(scales: npt.NDArray[np.float32]) -> npt.NDArray[np.floating]:
    """The same numbers in 2 bytes each, if every one of them is a float16."""
    with np.errstate(over="ignore"):
        half = scales.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), scales) else scales


def int8_table(
    table: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Symmetric int8 of ``table`` [row, width] and one scale, a scalar; as :func:`int8_rows`."""
    largest = float(np.abs(table).max(initial=0.0))
    scale = np.array(largest / 127.0 if largest > 0 else 1.0, np.float32)
    scale = scale if scale > 0 else np.array(1.0, np.float32)
    return np.clip(np.rint(table / scale), -127, 127).astype(np.int8), scale


def is_even(table: npt.NDArray[np.float32]) -> bool:
    """Whether rows are so much of a size that one scale rounds (almost) none of them away."""
    quantized, scale = int8_table(table)
    errors = np.linalg.norm(quantized * scale.astype(np.float64) - table, axis=1)
    sizes = np.linalg.norm(table.astype(np.float64), axis=1)
    return float(np.mean(errors > _LOSS * sizes)) <= _OUTLIERS


def _looks_up(node: NodeProto, table: str) -> bool:
    along_rows = all(attribute.i == 0 for attribute in node.attribute if attribute.name == "axis")
    return node.op_type == "Gather" and node.input[0] == table != node.input[1] and along_rows


def _read_inside(graph: GraphProto) -> set[str]:
    """Names that graphs inside nodes (If, Loop) read: those readers are not followed."""
    inner = (each for each in graphs(graph) if each is not graph)
    return {name for each in inner for node in each.node for name in node.input}


def _pop_initializer(graph: GraphProto, name: str) -> npt.NDArray[np.float32]:
    from onnx import numpy_helper

    index = next(i for i, tensor in enumerate(graph.initializer) if tensor.name == name)
    array = numpy_helper.to_array(graph.initializer[index])
    del graph.initializer[index]
    stale = [i for i, value in enumerate(graph.value_info) if value.name == name]
    for i in reversed(stale):
        del graph.value_info[i]
    return array


def _add_initializer(graph: GraphProto, name: str, array: npt.NDArray[np.generic]) -> None:
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(array, name))


def _dequantize_table(graph: GraphProto, name: str, readers: list[NodeProto]) -> None:
    """DequantizeLinear (no zero point: symmetric) gives the table under its old name."""
    from onnx import helper

    node = helper.make_node(
        "DequantizeLinear", [f"{name}_int8", f"{name}_scales"], [name], f"{name}_dequantize", axis=0
    )
    graph.node.insert(_position(graph, readers[0]), node)


def _dequantize_rows(graph: GraphProto, name: str, readers: list[NodeProto]) -> None:
    """Each Gather looks up int8 rows and scales; their product takes the Gather's old output."""
    from onnx import TensorProto, helper

    to_float = TensorProto.FLOAT
    for reader in readers:
        ids, output, stem = reader.input[1], reader.output[0], reader.name or reader.output[0]
        nodes: list[NodeProto] = []
        factors: list[str] = []
        for part in ("int8", "scales"):
            looked_up, cast = f"{output}_{part}", f"{output}_{part}_cast"
            nodes += [
                helper.make_node("Gather", [f"{name}_{part}", ids], [looked_up], f"{stem}_{part}"),
                helper.make_node("Cast", [looked_up], [cast], f"{stem}_{part}_cast", to=to_float),
            ]
            factors.append(cast)
        nodes.append(helper.make_node("Mul", factors, [output], stem))
        position = _position(graph, reader)
        del graph.node[position]
        for offset, node in enumerate(nodes):
            graph.node.insert(position + offset, node)


def _dequantize_looked_up(graph: GraphProto, name: str, readers: list[NodeProto]) -> None:
    """Each Gather looks up int8 rows, which take the Gather's old output in float."""
    from onnx import helper

    for reader in readers:
        output, stem = reader.output[0], reader.name or reader.output[0]
        looked_up, numbers = [f"{output}_int8"], [f"{name}_scale", f"{name}_zero"]
        nodes = [
            helper.make_node(
                "Gather", [f"{name}_int8", reader.input[1]], looked_up, f"{stem}_int8"
            ),
            helper.make_node("DequantizeLinear", [*looked_up, *numbers], [output], stem),
        ]
        position = _position(graph, reader)
        del graph.node[position]
        for offset, node in enumerate(nodes):
            graph.node.insert(position + offset, node)


def _position(graph: GraphProto, node: NodeProto) -> int:
    return next(i for i, each in enumerate(graph.node) if each.output[0] == node.output[0])
