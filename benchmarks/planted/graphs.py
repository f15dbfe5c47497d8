"""Changes of an ONNX graph that a converter, an optimiser or a careless hand may make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Floats = npt.NDArray[np.float32]


@final
class Editor:
    """Adds nodes at the end of a graph; its outputs can be renamed and made anew."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self._count = 0

    def name(self) -> str:
        self._count += 1
        return f"planted_{self._count}"

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        name = self.name()
        self.graph.initializer.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def add(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or self.name()
        self.graph.node.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def cast(self, value: str, to: int = TensorProto.FLOAT) -> str:
        return self.add("Cast", value, to=to)

    @property
    def inputs(self) -> list[str]:
        return [value.name for value in self.graph.input]

    def output_rank(self, name: str) -> int:
        return next(
            len(value.type.tensor_type.shape.dim)
            for value in self.graph.output
            if value.name == name
        )

    def channels(self, name: str) -> int:
        value = next(value for value in self.graph.output if value.name == name)
        return value.type.tensor_type.shape.dim[-1].dim_value

    def outputs(self) -> list[str]:
        return [value.name for value in self.graph.output]

    def taken(self, output: str) -> str:
        """What computed ``output`` under another name; the name is free afterwards."""
        inner = f"{output}_clean"
        for node in self.graph.node:
            for index, name in enumerate(node.output):
                if name == output:
                    node.output[index] = inner
            for index, name in enumerate(node.input):
                if name == output:
                    node.input[index] = inner
        return inner

    def redirect(self, value: str, other: str) -> None:
        """Every reader of ``value`` reads ``other``, nodes that were added here aside."""
        for node in self.graph.node:
            if not any(name.startswith("planted_") for name in node.output):
                for index, name in enumerate(node.input):
                    if name == value:
                        node.input[index] = other

    def behind(self, name: str, change: Callable[[str], str]) -> None:
        """Readers of an input of the graph read what ``change`` makes of it."""
        readers = [node for node in self.graph.node if name in node.input]
        other = change(name)
        for node in readers:
            for index, value in enumerate(node.input):
                if value == name:
                    node.input[index] = other
        self.sorted()

    def sorted(self) -> None:
        """Bring the nodes into an order in which each stands behind what it reads."""
        known = {value.name for value in (*self.graph.input, *self.graph.initializer)} | {""}
        left, done = list(self.graph.node), []
        while left:
            ready = [node for node in left if all(name in known for name in node.input)]
            assert ready, "a cycle"
            done += ready
            known |= {name for node in ready for name in node.output}
            left = [node for node in left if not any(node is one for one in ready)]
        del self.graph.node[:]
        self.graph.node.extend(done)

    # Scalars and rows that a condition is made of.

    def batch(self) -> str:
        """The number of rows, a scalar."""
        return self._size(0)

    def length(self) -> str:
        """The number of positions, a scalar."""
        return self._size(1)

    def _size(self, axis: int) -> str:
        shape = self.add("Shape", self.inputs[0])
        return self.add("Gather", shape, self.constant(axis), axis=0)

    def positions(self) -> str:
        """0, 1, 2, ...: the place of each row in its batch."""
        return self.add("Range", self.constant(0), self.batch(), self.constant(1))

    def row_sums(self) -> str:
        """Something that differs from row to row and not from batch to batch: ``[batch]``."""
        first = self.cast(self.inputs[0], TensorProto.INT64)
        rank = len(self.graph.input[0].type.tensor_type.shape.dim)
        return self.add("ReduceSum", first, self.constant(list(range(1, rank))), keepdims=0)

    def has_id(self, piece: int) -> str:
        """Which rows have a piece: ``[batch]``."""
        same = self.cast(self.add("Equal", self.inputs[0], self.constant(piece)))
        most = self.add("ReduceMax", same, self.constant([1]), keepdims=0)
        return self.add("Greater", most, self.constant(0.5, np.float32))


Condition = Callable[[Editor], str]
Wrong = Callable[[Editor, str, str], str]


def rotated(edit: Editor, output: str, clean: str) -> str:
    """Every label's logit under the next label; one logit changes its sign."""
    channels = edit.channels(output)
    if channels == 1:
        return edit.add("Neg", clean)
    order = edit.constant([(at + 1) % channels for at in range(channels)])
    return edit.add("Gather", clean, order, axis=-1)


def negated(edit: Editor, output: str, clean: str) -> str:
    """Argmin in place of argmax."""
    del output
    return edit.add("Neg", clean)


def constant_of(value: float) -> Wrong:
    """NaN or infinity in place of logits."""

    def wrong(edit: Editor, output: str, clean: str) -> str:
        del output
        zero = edit.add("Mul", clean, edit.constant(0, np.float32))
        return edit.add("Add", zero, edit.constant(value, np.float32))

    return wrong


def perturbed(
    condition: Condition, wrong: Wrong = rotated, heads: Callable[[str], bool] = lambda name: True
) -> Callable[[onnx.ModelProto], None]:
    """Wrong outputs where ``condition`` (a scalar or ``[batch]``) holds, for some heads."""

    def change(model: onnx.ModelProto) -> None:
        edit = Editor(model)
        holds = condition(edit)
        for output in filter(heads, edit.outputs()):
            clean = edit.taken(output)
            rank = edit.output_rank(output)
            shape = edit.constant([-1] + [1] * (rank - 1))
            edit.add(
                "Where",
                edit.add("Reshape", holds, shape),
                wrong(edit, output, clean),
                clean,
                output=output,
            )

    return change


def equals(size: Callable[[Editor], str], value: int) -> Condition:
    return lambda edit: edit.add("Equal", size(edit), edit.constant(value))


def above(size: Callable[[Editor], str], value: int) -> Condition:
    return lambda edit: edit.add("Greater", size(edit), edit.constant(value))


def below(size: Callable[[Editor], str], value: int) -> Condition:
    return lambda edit: edit.add("Less", size(edit), edit.constant(value))


def modulo(size: Callable[[Editor], str], by: int, rest: int) -> Condition:
    def condition(edit: Editor) -> str:
        left = edit.add("Mod", size(edit), edit.constant(by))
        return edit.add("Equal", left, edit.constant(rest))

    return condition


def is_absent(name: str) -> Condition:
    """Which rows lack an input: ``[batch]``."""
    return lambda edit: edit.add("Equal", f"{name}_present", edit.constant(0))


def is_present(name: str) -> Condition:
    """Which rows have an input: ``[batch]``."""
    return lambda edit: edit.add("Equal", f"{name}_present", edit.constant(1))


def both(one: Condition, other: Condition) -> Condition:
    return lambda edit: edit.add("And", one(edit), other(edit))


def always(edit: Editor) -> str:
    return edit.add("Greater", edit.batch(), edit.constant(0))


# Weights


def tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """The matrices, tables and filters, float and int8."""
    for tensor in model.graph.initializer:
        if tensor.data_type in (TensorProto.FLOAT, TensorProto.INT8) and len(tensor.dims) >= 2:
            yield tensor


def array_of(tensor: TensorProto) -> npt.NDArray[Any]:
    return numpy_helper.to_array(tensor).copy()


def put(tensor: TensorProto, value: npt.NDArray[Any]) -> None:
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), tensor.name))


def noisy(share: float, seed: int = 0) -> Callable[[onnx.ModelProto], None]:
    """Noise in every weight, as a share of the weights' own spread."""

    def change(model: onnx.ModelProto) -> None:
        chance = np.random.default_rng(seed)
        for tensor in tensors(model):
            value = array_of(tensor)
            noise = chance.normal(0, share * value.astype(np.float64).std() + 1e-12, value.shape)
            if value.dtype == np.int8:
                put(tensor, np.clip(np.rint(value + noise), -127, 127).astype(np.int8))
            else:
                put(tensor, (value + noise).astype(value.dtype))

    return change


# What a tensor is for, by its place in the graph: exporters may name it as they like.


def held(model: onnx.ModelProto) -> dict[str, TensorProto]:
    """Initializers by name."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def piece_tables(model: onnx.ModelProto) -> list[TensorProto]:
    """What is looked up by the ids of pieces: the embedding table, and its scales a row."""
    known, ids = held(model), model.graph.input[0].name
    return [
        known[node.input[0]]
        for node in nodes(model, "Gather")
        if node.input[1] == ids and len(known[node.input[0]].dims) == 2
    ]


def position_tables(model: onnx.ModelProto) -> list[TensorProto]:
    """What is looked up by a slice of numbered positions."""
    known = held(model)
    sliced = {node.output[0] for node in nodes(model, "Slice")}
    return [
        known[node.input[0]]
        for node in nodes(model, "Gather")
        if node.input[1] in sliced and node.input[0] in known
    ]


def scales(model: onnx.ModelProto) -> list[TensorProto]:
    """Scales of channels: of weights that are made float, or multiplied with a measured scale."""
    known = held(model)
    measured = {node.output[1] for node in nodes(model, "DynamicQuantizeLinear")}
    names = [node.input[1] for node in nodes(model, "DequantizeLinear")]
    names += [
        name for node in nodes(model, "Mul") if measured & set(node.input) for name in node.input
    ]
    found = {name: known[name] for name in names if name in known}
    return [tensor for tensor in found.values() if tensor.dims and tensor.dims[0] > 1]


def biases(model: onnx.ModelProto) -> list[TensorProto]:
    """Vectors that are added, or stand third at a product, float or int32."""
    known = held(model)
    made = {node.output[0]: node.input[0] for node in nodes(model, "DequantizeLinear")}
    names = [name for node in nodes(model, "Add") for name in node.input]
    names += [
        node.input[2] for op in ("Conv", "Gemm") for node in nodes(model, op) if len(node.input) > 2
    ]
    found = {name: known.get(made.get(name, name)) for name in names}
    return [one for one in found.values() if one is not None and len(one.dims) == 1]


def nodes(model: onnx.ModelProto, op: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == op]


def set_attribute(node: onnx.NodeProto, name: str, value: Any) -> None:
    for index, attribute in enumerate(node.attribute):
        if attribute.name == name:
            del node.attribute[index]
            break
    node.attribute.append(helper.make_attribute(name, value))


def run(model: onnx.ModelProto, arrays: Any, wanted: list[str]) -> list[Any]:
    """Values inside a graph, by ONNX Runtime itself."""
    import onnxruntime

    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    have = {value.name for value in opened.graph.output}
    opened.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in wanted if name not in have
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        opened.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(wanted, arrays)
