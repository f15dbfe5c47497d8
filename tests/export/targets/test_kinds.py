from __future__ import annotations

import sys
from pathlib import Path

import pytest

import kd2edge.export.targets as package
from kd2edge.errors import UsageError
from kd2edge.export.targets import TARGETS, target

IDS = {
    "numpy-fp32",
    "numpy-int8",
    "onnx-fp32",
    "onnx-int8-qdq",
    "onnx-int8-dynamic",
    "openvino-fp32",
    "openvino-int8",
    "tensorrt-fp32",
    "tensorrt-fp16",
    "tensorrt-int8",
}


def test_every_target_is_a_file_of_its_name():
    folder = Path(package.__file__).parent
    assert all((folder / f"{name}.py").is_file() for name in TARGETS)
    assert all(name == one.name for name, one in TARGETS.items())


def test_ids_of_artefacts():
    made = {v.id for one in TARGETS.values() for p in one.precisions for v in one.variants(p)}
    assert made == IDS


def test_unknown_target_and_precision_say_what_there_is():
    with pytest.raises(UsageError, match="numpy, onnx, openvino, tensorrt"):
        target("tensorflow")
    with pytest.raises(UsageError, match=r"no precision 'int4'; it makes fp32, int8"):
        target("onnx").variants("int4")


def test_every_artefact_lies_in_the_folder_of_its_target(made, assert_anonymous):
    for identity in IDS:
        folder = identity.split("-")[0]
        one = made("static" if TARGETS[folder].made_from == "layers" else "cnn", identity)
        assert one.entry in one.files
        assert all(path.startswith(f"{folder}/{identity}.") for path in one.files)
        assert one.tools
        assert (one.status == "ready") == (one.reason == "")
        assert_anonymous(one.files)


@pytest.mark.parametrize("name", ["bert", "cnn"])
def test_making_twice_gives_the_same_bytes(name, made, source):
    for one in TARGETS.values():
        if one.made_from == "layers":
            continue  # not these nets, see test_numpy.py
        for precision in one.precisions:
            for variant in one.variants(precision):
                assert one.make(source(name), variant) == made(name, variant.id)


def test_importing_targets_imports_no_engine(tmp_path):
    import subprocess

    code = (
        "import sys, kd2edge.export.targets, kd2edge.quantize;"
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'openvino', 'nncf', 'tensorrt_rtx'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
