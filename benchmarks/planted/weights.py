"""Another net than the student: noise, lost scales, dropped parts, other weights, lost classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from planted.draft import Draft
from planted.graphs import (
    Editor,
    always,
    array_of,
    biases,
    nodes,
    noisy,
    perturbed,
    piece_tables,
    position_tables,
    put,
    scales,
    set_attribute,
    tensors,
)
from planted.kind import ALL, WORDS, Change, Plant, Site, changed, kind
from planted.measure import Look


def _dose(share: float) -> None:
    @kind("weights", f"noise of {share:g} of the weights' spread")
    def noise(site: Site) -> Plant:
        return changed(site, noisy(share))


for _share in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8):
    _dose(_share)


@kind("weights", "noise of 0.2 in the float artefact", ALL, "onnx-fp32")
def noise_float(site: Site) -> Plant:
    return changed(site, noisy(0.2))


@kind("weights", "one scale for all channels")
def one_scale(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        for tensor in scales(model):
            value = array_of(tensor)
            put(tensor, np.full_like(value, value.mean()))

    return changed(site, change)


@kind("weights", "each scale beside its channel")
def scales_rolled(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        for tensor in scales(model):
            put(tensor, np.roll(array_of(tensor), 1, axis=0))

    return changed(site, change)


@kind("weights", "static int8 calibrated on noise", ALL, "onnx-int8-qdq")
def uncalibrated(site: Site) -> Plant:
    """What a tool does that was given no rows."""
    from kd2edge.quantize import QUANTIZERS

    artefact = site.draft.artefact("onnx-fp32")
    chance = np.random.default_rng(0)

    def batch() -> dict[str, Any]:
        sizes = dict.fromkeys(artefact.ranges, 8) | {"batch": 4}
        arrays: dict[str, Any] = {}
        for spec in artefact.inputs:
            shape = [sizes[size] if isinstance(size, str) else size for size in spec.shape]
            most = 256 if spec.dtype == "uint8" else 2
            arrays[spec.name] = chance.integers(0, most, shape).astype(spec.dtype)
        return arrays

    float_graph = site.draft.files[artefact.entry]
    made = QUANTIZERS["static"](float_graph, [batch() for _ in range(4)])
    site.draft.files[site.draft.artefact(site.artefact).entry] = made
    return Plant()


@kind("weights", "weights saturate")
def saturated(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        for tensor in tensors(model):
            value = array_of(tensor)
            limit = 24 if value.dtype == np.int8 else 0.6 * value.std()
            put(tensor, np.clip(value, -limit, limit).astype(value.dtype))

    return changed(site, change)


def _between(op: str, change: Callable[[Editor, str], str], every: int = 1) -> Change:
    """Put something behind the nodes of a kind."""

    def edited(model: onnx.ModelProto) -> None:
        edit = Editor(model)
        outputs = {value.name for value in model.graph.output}
        for node in nodes(model, op)[::every]:
            if node.output[0] not in outputs:
                edit.redirect(node.output[0], change(edit, node.output[0]))
        edit.sorted()

    return edited


@kind("weights", "activations are clipped")
def clipped(site: Site) -> Plant:
    def clip(edit: Editor, value: str) -> str:
        low, high = (edit.constant(limit, np.float32) for limit in (-0.7, 0.7))
        return edit.add("Clip", value, low, high)

    op = "LayerNormalization" if site.product.name != "pictures" else "Relu"
    return changed(site, _between(op, clip))


@kind("weights", "residuals are dropped", WORDS)
def residuals(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        held = {tensor.name for tensor in model.graph.initializer}
        readers = [node.input[0] for node in nodes(model, "LayerNormalization")]
        for node in nodes(model, "Add"):
            if node.output[0] in readers and not set(node.input) & held:
                node.input[1] = node.input[0]
                node.op_type = "Max"  # of a value and itself

    return changed(site, change)


@kind("weights", "another epsilon of layer norm", WORDS)
def epsilon(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        for node in nodes(model, "LayerNormalization"):
            set_attribute(node, "epsilon", 1.0)

    return changed(site, change)


@kind("weights", "the attention mask is ignored", WORDS)
def mask(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        edit = Editor(model)
        name = next(name for name in edit.inputs if name.endswith("attention_mask"))
        ones = edit.add("Max", name, edit.constant(1))
        for node in model.graph.node[:]:
            if node.output[0] != ones:
                for index, value in enumerate(node.input):
                    if value == name:
                        node.input[index] = ones
        edit.sorted()

    return changed(site, change)


@kind("weights", "positions are shifted by one", WORDS)
def positions(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        for tensor in position_tables(model):
            put(tensor, np.roll(array_of(tensor), -1, axis=0))

    return changed(site, change)


@kind("weights", "pieces are shifted by one", WORDS)
def pieces(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        for tensor in piece_tables(model):
            put(tensor, np.roll(array_of(tensor), 1, axis=0))

    return changed(site, change)


@kind("weights", "every fourth channel is dead")
def dead(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        for tensor in tensors(model):
            value = array_of(tensor)
            value[..., ::4] = 0
            put(tensor, value)

    return changed(site, change)


@kind("weights", "half of the biases are lost")
def half_biases(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        for tensor in biases(model):
            value = array_of(tensor)
            value[: len(value) // 2] = 0
            put(tensor, value)

    return changed(site, change)


@kind("weights", "square matrices are transposed", WORDS)
def transposed(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        for tensor in tensors(model):
            if len(tensor.dims) == 2 and tensor.dims[0] == tensor.dims[1]:
                put(tensor, array_of(tensor).T)

    return changed(site, change)


@kind("weights", "the tanh form of GELU", WORDS, "onnx-fp32")
def gelu(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        for node in nodes(model, "Gelu"):
            set_attribute(node, "approximate", "tanh")

    return changed(site, change)


@kind("weights", "pooling counts the padding", ("texts",))
def pooling(site: Site) -> Plant:
    """The mean over all positions: harmless alone, wrong beside a longer row."""

    def change(model: onnx.ModelProto) -> None:
        edit = Editor(model)
        for node in nodes(model, "Clip"):
            length = edit.cast(edit.length())
            edit.redirect(node.output[0], edit.add("Max", node.output[0], length))
        edit.sorted()

    return changed(site, change)


# Whole artefacts of something else


def _weak(site: Site) -> Draft:
    return Draft(site.product.weak)


@kind("A4", "int8 of an earlier, weaker student")
def stale(site: Site) -> Plant:
    site.draft.take_artefact(site.artefact, _weak(site))
    return Plant()


@kind("A4", "float of an earlier, weaker student", ALL, "onnx-fp32")
def stale_float(site: Site) -> Plant:
    site.draft.take_artefact(site.artefact, _weak(site))
    return Plant()


@kind("A4", "OpenVINO int8 of an earlier, weaker student", ALL, "openvino-int8")
def stale_openvino(site: Site) -> Plant:
    site.draft.take_artefact(site.artefact, _weak(site))
    return Plant()


@kind("A4", "OpenVINO float of an earlier, weaker student", ALL, "openvino-fp32")
def stale_openvino_float(site: Site) -> Plant:
    site.draft.take_artefact(site.artefact, _weak(site))
    return Plant()


@kind("weights", "OpenVINO reads every third number of its weights as half", ALL, "openvino-fp32")
def halved(site: Site) -> Plant:
    path = next(f.path for f in site.draft.artefact(site.artefact).files if f.path.endswith(".bin"))
    content = bytearray(site.draft.files[path])
    numbers = np.frombuffer(content, np.float32, len(content) // 4)
    chosen = (np.abs(numbers) > 1e-6) & (np.abs(numbers) < 1e6) & (np.arange(len(numbers)) % 3 == 0)
    numbers[chosen] *= 0.5
    site.draft.files[path] = bytes(content)
    return Plant()


@kind("A4", "two heads changed places", ("pictures",))
def heads(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        edit = Editor(model)
        left, right = (edit.taken(name) for name in ("left", "right"))
        edit.add("Identity", right, output="left")
        edit.add("Identity", left, output="right")

    return changed(site, change)


@kind("A4", "the labels of one head are permuted", ("texts", "sentences"), "onnx-fp32")
def permuted_head(site: Site) -> Plant:
    task = site.product.tasks[0]

    def permuted(edit: Editor, output: str, clean: str) -> str:
        order = np.random.default_rng(1).permutation(edit.channels(output))
        return edit.add("Gather", clean, edit.constant(order), axis=-1)

    return changed(site, perturbed(always, permuted, heads=task.__eq__))


# A11: what the leading metric does not see


def _biased(task: str, by: Callable[[Site], Any]) -> Callable[[Site], Change]:
    def made(site: Site) -> Change:
        shift = np.asarray(by(site), np.float32)

        def moved(edit: Editor, output: str, clean: str) -> str:
            del output
            return edit.add("Add", clean, edit.constant(shift, np.float32))

        return perturbed(always, moved, heads=task.__eq__)

    return made


def _bias_dose(shift: float) -> None:
    @kind("A11", f"a shift of {shift:+g} under AUC", ("pictures",))
    def bias(site: Site) -> Plant:
        return changed(site, _biased("larger", lambda site: shift)(site))


for _shift in (0.5, -1.0, 2.0):
    _bias_dose(_shift)


def _never(task: str, label: Callable[[Site], str]) -> Callable[[Site], Plant]:
    def plant(site: Site) -> Plant:
        tasks = {str(name): spec for name, spec in site.draft.manifest.tasks.items()}
        labels = tasks[task].labels
        shift = np.zeros(len(labels), np.float32)
        shift[labels.index(label(site))] = -50.0
        change = _biased(task, lambda site: shift)(site)
        return changed(site, change, Look("classes", classes=True))

    return plant


def _rarest(task: str) -> Callable[[Site], str]:
    """The rarest class that is found in half of its rows and has rows enough."""

    def label(site: Site) -> str:
        from planted.measure import measured
        from planted.scores import CLASS_ROWS

        look = Look("classes", classes=True)
        found = measured(site.product, site.product.bundle, site.artefact, look)
        values = [row[task] for row in site.product.rows()]
        flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
        counts = {one: flat.count(one) for one in set(flat)}
        good = [
            one
            for one, count in counts.items()
            if count >= CLASS_ROWS and found.get(f"recall of {one}", 0) >= 0.5
        ]
        return min(good, key=lambda one: (counts[one], str(one)))

    return label


kind("A11", "a rare class is never said any more", ("sentences",))(_never("upos", _rarest("upos")))
kind("A11", "a class is never said any more", ("texts",))(_never("domain", _rarest("domain")))
kind("A11", "a digit is never said any more", ("pictures",))(_never("left", lambda site: "4"))


@kind("A11", "entities of one type are never said any more", ("sentences",))
def no_type(site: Site) -> Plant:
    tasks = {str(name): spec for name, spec in site.draft.manifest.tasks.items()}
    labels = tasks["ner"].labels
    shift = [-50.0 if label.endswith("-ORG") else 0.0 for label in labels]
    return changed(site, _biased("ner", lambda site: shift)(site))


@kind("weights", "one layer of two is left out", WORDS)
def layer(site: Site) -> Plant:
    """The second layer's readers read its input."""

    def change(model: onnx.ModelProto) -> None:
        norms = [node.output[0] for node in nodes(model, "LayerNormalization")]
        last, before = norms[-1], norms[-3]
        for node in model.graph.node:
            for index, name in enumerate(node.input):
                if name == last:
                    node.input[index] = before

    return changed(site, change)


@kind("weights", "the embedding table is read in another type's bytes", WORDS, "onnx-fp32")
def bytes_wrong(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        (tensor,) = piece_tables(model)
        value = array_of(tensor)
        half = value.astype(np.float16).astype(np.float32)
        half[::7] *= -1
        tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))

    return changed(site, change)
