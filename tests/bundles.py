"""Tiny bundles for tests: an image model with two heads, a text model with a word-level head."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from kd2edge.bundle.manifest import Artefact, FileEntry, Gate, Manifest
from kd2edge.files import npz_bytes
from kd2edge.inputs.spec import ArraySpec, InputSpec
from kd2edge.runtime.static_plan import EncoderPlan, HeadPlan, StaticPlan
from kd2edge.tasks.spec import TaskName, TaskSpec

SIZE = 8
WORDS = ("book", "a", "flight", "to", "paris", "play", "music", "now", "##s", "un", "##known")
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
MAX_LENGTH = 12

IMAGE_TASKS = (
    TaskSpec(
        TaskName("digit"), "classification", ("0", "1", "2"), "accuracy", ("accuracy",), "digit"
    ),
    TaskSpec(TaskName("larger"), "binary", ("no", "yes"), "accuracy", ("accuracy",), "larger"),
)
TEXT_TASKS = (
    TaskSpec(
        TaskName("intent"),
        "classification",
        ("book", "play", "other"),
        "accuracy",
        ("accuracy",),
        "intent",
    ),
    TaskSpec(
        TaskName("ner"),
        "token_classification",
        ("O", "B-city", "I-city"),
        "accuracy",
        ("accuracy",),
        "ner",
        "text",
    ),
)
IMAGE_ARRAYS = (ArraySpec("pixel_values", "uint8", ("batch", 1, SIZE, SIZE)),)
TEXT_ARRAYS = (
    ArraySpec("input_ids", "int64", ("batch", "length")),
    ArraySpec("attention_mask", "int64", ("batch", "length")),
)
IMAGE_HEADS = (
    ArraySpec("digit", "float32", ("batch", 3)),
    ArraySpec("larger", "float32", ("batch", 1)),
)
TEXT_HEADS = (
    ArraySpec("intent", "float32", ("batch", 3)),
    ArraySpec("ner", "float32", ("batch", "length", 3)),
)
#: Settings of an image encoder and a text encoder, as a recipe would have them.
IMAGE_INPUT = InputSpec("image", "image", ("image",), {"size": [SIZE, SIZE], "channels": 1})
TEXT_INPUT = InputSpec(
    "text", "text", ("text",), {"max_length": MAX_LENGTH}, {"tokenizer": "tokenizer/text.json"}
)


def weights(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Reproducible float32 weights."""
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


def image_graph(seed: int = 0) -> bytes:
    """ONNX: uint8 image -> conv -> ``digit`` ``[batch, 3]``, ``larger`` ``[batch, 1]``."""
    nodes = [
        helper.make_node("Cast", ["pixel_values"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "white"], ["unit"]),
        helper.make_node("Conv", ["unit", "filters"], ["conv"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Flatten", ["relu"], ["flat"]),
        helper.make_node("MatMul", ["flat", "digit_weight"], ["digit"]),
        helper.make_node("MatMul", ["flat", "larger_weight"], ["larger"]),
    ]
    hidden = 4 * (SIZE - 2) ** 2
    tensors = {
        "white": np.array(255.0, np.float32),
        "filters": weights(4, 1, 3, 3, seed=seed),
        "digit_weight": weights(hidden, 3, seed=seed + 1, scale=0.2),
        "larger_weight": weights(hidden, 1, seed=seed + 2, scale=0.2),
    }
    return onnx_bytes(nodes, IMAGE_ARRAYS, IMAGE_HEADS, tensors)


def outside(graph: bytes, folder: Path) -> bytes:
    """The same graph with its tensors in ``weights.bin`` of ``folder``."""
    model = onnx.ModelProto.FromString(graph)
    path = folder / "model.onnx"
    onnx.save_model(
        model, path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    assert (folder / "weights.bin").is_file()
    return path.read_bytes()


def wrong_at(graph: bytes, task: str, size: int, *, axis: int = 0, add: float = 30.0) -> bytes:
    """The graph whose head is off in its first channel where the first input's axis has a size."""
    model = onnx.load_from_string(graph)
    for node in model.graph.node:
        node.output[:] = [f"raw {name}" if name == task else name for name in node.output]
    first = model.graph.input[0].name
    model.graph.node.extend(
        [
            helper.make_node("Shape", [first], ["its size"], start=axis, end=axis + 1),
            helper.make_node("Equal", ["its size", "that size"], ["is so"]),
            helper.make_node("Cast", ["is so"], ["factor"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["factor", "off by"], ["added"]),
            helper.make_node("Add", [f"raw {task}", "added"], [task]),
        ]
    )
    channels = next(
        value.type.tensor_type.shape.dim[-1].dim_value
        for value in model.graph.output
        if value.name == task
    )
    off = np.eye(1, channels, dtype=np.float32)[0] * np.float32(add)
    tensors = {"that size": np.array([size], np.int64), "off by": off}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()
    )
    return model.SerializeToString(deterministic=True)


def text_graph(seed: int = 0) -> bytes:
    """ONNX: token ids -> embedding -> masked sum -> ``intent``; and per sub-word -> ``ner``."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["mask3"]),
        helper.make_node("Mul", ["embedded", "mask3"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "middle"], ["pooled"], keepdims=0),
        helper.make_node("MatMul", ["pooled", "intent_weight"], ["intent"]),
        helper.make_node("MatMul", ["masked", "ner_weight"], ["ner"]),
    ]
    tensors = {
        "table": weights(len(SPECIALS) + len(WORDS), 8, seed=seed),
        "last": np.array([2], np.int64),
        "middle": np.array([1], np.int64),
        "intent_weight": weights(8, 3, seed=seed + 1),
        "ner_weight": weights(8, 3, seed=seed + 2),
    }
    return onnx_bytes(nodes, TEXT_ARRAYS, TEXT_HEADS, tensors)


def static_layers(seed: int = 0) -> tuple[StaticPlan, dict[str, np.ndarray]]:
    """What :func:`text_graph` computes, as layers that NumPy alone runs.

    A mean whose sum of weights counts for ``MAX_LENGTH`` at least is that part of the sum.  Padding
    is shown to no reader: its row of zeros stands for the mask before ``ner``.
    """
    encoder = EncoderPlan(
        "text", "", "mean", weighted=False, least=MAX_LENGTH, casing=False, optional=False, norms=()
    )
    heads = (HeadPlan("intent", ""), HeadPlan("ner", "text"))
    table = weights(len(SPECIALS) + len(WORDS), 8, seed=seed)
    table[0] = 0
    return StaticPlan((encoder,), "single", hidden=False, heads=heads), {
        "encoder.0.words": table,
        "head.0.matrix": weights(8, 3, seed=seed + 1) * MAX_LENGTH,
        "head.0.bias": np.zeros(3, np.float32),
        "head.1.matrix": weights(8, 3, seed=seed + 2),
        "head.1.bias": np.zeros(3, np.float32),
    }


def static_artefact() -> tuple[Artefact, dict[str, bytes]]:
    """The artefact ``numpy-fp32`` of the text bundle, and its files."""
    plan, arrays = static_layers()
    files = {"numpy/fp32.json": plan.to_json(), "numpy/fp32.npz": npz_bytes(arrays)}
    ranges = {"batch": (1, 64), "length": (2, MAX_LENGTH)}
    made = artefact("numpy-fp32", "numpy/fp32.json", files, TEXT_ARRAYS, TEXT_HEADS, ranges=ranges)
    return made, files


def onnx_bytes(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[ArraySpec],
    outputs: Sequence[ArraySpec],
    tensors: Mapping[str, np.ndarray],
) -> bytes:
    """A checked ONNX model of opset 17."""
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [_value(array) for array in inputs],
        [_value(array) for array in outputs],
        [onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def tokenizer_json() -> bytes:
    """A WordPiece tokenizer of `WORDS`, lower-casing, ``[CLS] ... [SEP]``."""
    vocabulary = {word: index for index, word in enumerate((*SPECIALS, *WORDS))}
    special = [
        {"id": vocabulary[word], "content": word, "single_word": False, "lstrip": False,
         "rstrip": False, "normalized": False, "special": True}
        for word in SPECIALS
    ]  # fmt: skip
    ends = {
        word: {"id": word, "ids": [vocabulary[word]], "tokens": [word]}
        for word in ("[CLS]", "[SEP]")
    }
    pieces = [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
    ]
    return json.dumps({
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
            "strip_accents": None, "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing", "single": pieces, "pair": pieces, "special_tokens": ends,
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    }).encode()  # fmt: skip


def openvino_files(graph: bytes) -> tuple[bytes, bytes]:
    """The same graph as OpenVINO IR, fp32: ``.xml`` and ``.bin``."""
    import tempfile

    import openvino

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "model.xml")
        openvino.save_model(openvino.Core().read_model(graph), target, compress_to_fp16=False)
        return target.read_bytes(), target.with_suffix(".bin").read_bytes()


def golden(inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]) -> bytes:
    """A golden ``.npz``: ``in.<array>`` and ``out.<task>``."""
    buffer = io.BytesIO()
    named = {f"in.{name}": array for name, array in inputs.items()}
    named |= {f"out.{name}": array for name, array in outputs.items()}
    np.savez(buffer, allow_pickle=False, **named)
    return buffer.getvalue()


def run_onnx(graph: bytes, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs of a graph by ONNX Runtime itself, without kd2edge."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(arrays)), strict=True))


def images(rows: int, seed: int = 0) -> np.ndarray:
    """Random uint8 images ``[rows, 8, 8]``."""
    return np.random.default_rng(seed).integers(0, 256, (rows, SIZE, SIZE), dtype=np.uint8)


def artefact(
    identity: str, entry: str, files: Mapping[str, bytes], arrays: Any, heads: Any, **changes: Any
) -> Artefact:
    """An artefact of the manifest; ``changes`` replace fields."""
    target, precision, *variant = identity.split("-", 2)
    fields: dict[str, Any] = {
        "id": identity,
        "target": target,
        "precision": precision,
        "variant": "".join(variant),
        "status": "ready",
        "reason": "",
        "entry": entry,
        "files": tuple(file_entry(path, data) for path, data in files.items()),
        "inputs": arrays,
        "outputs": heads,
    }
    return Artefact(**(fields | changes))


def file_entry(path: str, data: bytes) -> FileEntry:
    """A file of the manifest."""
    return FileEntry(path, hashlib.sha256(data).hexdigest(), len(data))


def _value(array: ArraySpec) -> onnx.ValueInfoProto:
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(array.dtype))
    return helper.make_tensor_value_info(array.name, dtype, list(array.shape))


def image_bundle(folder: Path, *, openvino: bool = False, **changes: Any) -> Path:
    """Write the image bundle: ``onnx-fp32``, ``onnx-int8-qdq`` (the same graph), perhaps OpenVINO.

    ``changes`` replace fields of the manifest; ``artefacts`` and ``files`` are added to.
    """
    graph = image_graph()
    pixels = images(4)[:, None]
    return _write(
        folder,
        "tiny-image",
        graph,
        (IMAGE_ARRAYS, IMAGE_HEADS),
        (IMAGE_TASKS, (IMAGE_INPUT,)),
        {
            "golden/golden.npz": golden(
                {"pixel_values": pixels}, run_onnx(graph, {"pixel_values": pixels})
            )
        },
        openvino=openvino,
        **changes,
    )


def text_bundle(folder: Path, *, openvino: bool = False, **changes: Any) -> Path:
    """Write the text bundle; the same artefacts as :func:`image_bundle`."""
    graph = text_graph()
    ids = np.array([[2, 4, 5, 6, 3], [2, 9, 10, 3, 0]], np.int64)
    arrays = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)}
    return _write(
        folder,
        "tiny-text",
        graph,
        (TEXT_ARRAYS, TEXT_HEADS),
        (TEXT_TASKS, (TEXT_INPUT,)),
        {
            "golden/golden.npz": golden(arrays, run_onnx(graph, arrays)),
            "tokenizer/text.json": tokenizer_json(),
        },
        openvino=openvino,
        **changes,
    )


def _write(
    folder: Path,
    name: str,
    graph: bytes,
    graph_arrays: tuple[Any, Any],
    specs: tuple[tuple[TaskSpec, ...], tuple[InputSpec, ...]],
    files: Mapping[str, bytes],
    *,
    openvino: bool,
    artefacts: Mapping[str, tuple[Artefact, Mapping[str, bytes]]] | None = None,
    **changes: Any,
) -> Path:
    from kd2edge.bundle.store import write_bundle

    ranges = (
        {"batch": (1, 64), "length": (2, MAX_LENGTH)} if name == "tiny-text" else {"batch": (1, 64)}
    )
    made = {
        identity: _made(identity, entry, own, graph_arrays, ranges)
        for identity, entry, own in _forms(graph, openvino=openvino)
    } | dict(artefacts or {})
    fields: dict[str, Any] = {
        "name": name,
        "version": "1",
        "tasks": {task.name: task for task in specs[0]},
        "inputs": {spec.name: spec for spec in specs[1]},
        "artefacts": {identity: one for identity, (one, _) in made.items()},
        "preferred": tuple(one.id for one, _ in made.values() if one.status == "ready"),
        "files": tuple(file_entry(path, data) for path, data in sorted(files.items())),
        "references": {},
        "golden": "golden/golden.npz",
        "gate": Gate({str(task.name): 0.01 for task in specs[0]}),
        "licences": {"weights": ("Apache-2.0",), "data": ("CC0-1.0",)},
        "provenance": dict.fromkeys(("recipe", "data", "teacher", "run"), "0" * 64),
    }
    contents = dict(files) | {path: data for _, own in made.values() for path, data in own.items()}
    write_bundle(folder, Manifest(**(fields | changes)), contents)
    return folder


def _forms(graph: bytes, *, openvino: bool) -> list[tuple[str, str, dict[str, bytes]]]:
    forms = [
        ("onnx-fp32", "onnx/fp32.onnx", {"onnx/fp32.onnx": graph}),
        ("onnx-int8-qdq", "onnx/int8-qdq.onnx", {"onnx/int8-qdq.onnx": graph}),
    ]
    if openvino:
        xml, binary = openvino_files(graph)
        own = {"openvino/fp32.xml": xml, "openvino/fp32.bin": binary}
        forms.append(("openvino-fp32", "openvino/fp32.xml", own))
    return forms


def _made(
    identity: str, entry: str, own: dict[str, bytes], graph_arrays: tuple[Any, Any], ranges: Any
) -> tuple[Artefact, dict[str, bytes]]:
    return artefact(identity, entry, own, *graph_arrays, ranges=ranges), own


def validated(**words: str) -> dict[str, Any]:
    """The payload of a validation of the image bundle; ``words``: artefact -> its verdict."""
    return {
        "rows": 500,
        "references": {"pytorch": 500, "onnx-fp32": 0},
        "confidence": 0.95,
        "threads": [1, 2],
        "artefacts": {
            name.replace("_", "-"): {
                "verdict": word,
                "reason": "" if word == "pass" else f"because {word}",
                "tasks": {task.name: _judged(word) for task in IMAGE_TASKS},
            }
            for name, word in words.items()
        },
    }


def _judged(word: str) -> dict[str, Any]:
    low, high = {"pass": (-0.005, 0.005), "fail": (0.2, 0.4)}.get(word, (-0.1, 0.1))
    bounds = {"value": low, "low": low, "high": high, "confidence": 0.95, "rows": 500}
    metrics = {"accuracy": {"drop": bounds}}
    stated = {"metric": "accuracy", "verdict": word, "max_drop": 0.01}
    return {**stated, "metrics": metrics, "changed": 0, "ties": 0}
