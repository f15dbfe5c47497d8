"""A small bundle of texts, and its manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kd2edge.bundle import Artefact, Bundle, Gate, Manifest, file_entry, write_bundle
from kd2edge.inputs.spec import ArraySpec, InputSpec
from kd2edge.tasks.spec import TaskName, TaskSpec

FILES: dict[str, bytes] = {
    "MODEL_CARD.md": b"# tiny\n",
    "golden/golden.npz": b"golden",
    "onnx/onnx-fp32.onnx": b"graph",
    "reference/test.npz": b"reference",
    "tokenizer/text.json": b"{}",
}


@pytest.fixture
def files() -> dict[str, bytes]:
    return dict(FILES)


@pytest.fixture
def manifest() -> Manifest:
    ids = ArraySpec("input_ids", "int64", ("batch", "length"))
    logits = ArraySpec("intent", "float32", ("batch", 3))
    graph = file_entry("onnx/onnx-fp32.onnx", FILES["onnx/onnx-fp32.onnx"])
    ready = Artefact(
        id="onnx-fp32",
        target="onnx",
        precision="fp32",
        variant="",
        status="ready",
        reason="",
        entry=graph.path,
        files=(graph,),
        inputs=(ids,),
        outputs=(logits,),
        ranges={"batch": (1, 64), "length": (1, 32)},
        tools={"onnx": "1.23.2"},
        settings={"opset": 20},
    )
    failed = replace(
        ready, id="tensorrt-int8-qdq", target="tensorrt", precision="int8", variant="qdq"
    )
    failed = replace(failed, status="failed", reason="no builder here", entry="", files=())
    return Manifest(
        name="tiny",
        version="0.1.0",
        tasks={
            TaskName("intent"): TaskSpec(
                name=TaskName("intent"),
                kind="classification",
                labels=("buchen", "stornieren", "größer"),
                metric="accuracy",
                metrics=("accuracy", "macro_f1"),
                column="intent",
                decode={"temperature": 1.0},
            )
        },
        inputs={
            "text": InputSpec(
                "text", "text", ("text",), {"max_length": 32}, {"tokenizer": "tokenizer/text.json"}
            )
        },
        artefacts={"tensorrt-int8-qdq": failed, "onnx-fp32": ready},
        preferred=("onnx-fp32",),
        files=tuple(file_entry(path, FILES[path]) for path in FILES if "onnx" not in path),
        references={"test": "reference/test.npz"},
        golden="golden/golden.npz",
        gate=Gate({"intent": 0.005}),
        licences={"weights": ("MIT",), "data": ()},
        provenance={"recipe": "0" * 64},
    )


@pytest.fixture
def bundle(tmp_path: Path, manifest: Manifest, files: dict[str, bytes]) -> Bundle:
    return write_bundle(tmp_path / "models" / "tiny", manifest, files)
