"""What importing and running the runtime brings into a process, and what it must not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import bundles

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "torch", "transformers", "datasets", "pydantic", "onnx", "yaml", "scipy", "sklearn", "pyarrow",
    "PIL", "openvino", "tensorrt", "tensorrt_rtx", "importlib.metadata", "rich", "click",
)  # fmt: skip


def modules_after(code: str) -> set[str]:
    code += "\nimport sys; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(found.stdout.split())


def test_importing_brings_no_engine_and_nothing_heavy():
    found = modules_after("import kd2edge.runtime")
    assert not found & {*HEAVY, "onnxruntime", "tokenizers"}


def test_numpy_alone_answers_and_brings_no_engine(tmp_path: Path):
    folder = bundles.text_bundle(
        tmp_path / "bundle", artefacts={"numpy-fp32": bundles.static_artefact()}
    )
    found = modules_after(
        f"from kd2edge.runtime import load\n"
        f"model = load({str(folder)!r}, artefact='numpy-fp32', self_test=True)\n"
        "model.predict({'text': ['book a flight']})"
    )
    assert not found & {*HEAVY, "onnxruntime"}


@pytest.mark.parametrize("name", ["image", "text"])
def test_answering_brings_the_engine_and_nothing_heavy(name: str, request):
    folder = request.getfixturevalue(f"{name}_bundle")
    value = "['book a flight']" if name == "text" else "[__import__('numpy').zeros((8, 8), 'u1')]"
    found = modules_after(
        f"from kd2edge.runtime import load\n"
        f"load({str(folder)!r}, self_test=True).predict({{{name!r}: {value}}})"
    )
    assert "onnxruntime" in found
    assert not found & set(HEAVY)
    assert ("tokenizers" in found) == (name == "text")
