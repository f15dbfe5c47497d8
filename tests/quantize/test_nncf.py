from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from kd2edge.errors import BackendError, DataError
from kd2edge.quantize import int8_openvino


def infer(model, arrays):
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(arrays)["topic"]


def kinds(model):
    return [operation.get_type_name() for operation in model.get_ops()]


@pytest.fixture
def model(text):
    return openvino.Core().read_model(text)


def test_int8_decides_like_float(model, text_batches, fresh_rows):
    made = int8_openvino(model, text_batches)
    assert "FakeQuantize" in kinds(made)
    assert "FakeQuantize" not in kinds(model)
    rows = fresh_rows["text"]
    same = infer(model, rows).argmax(-1) == infer(made, rows).argmax(-1)
    assert same.mean() >= 0.97


def test_rows_that_reach_far_keep_what_they_reach():
    """Of a table the few rows that reach far are often the ones that a rare label is about."""
    from openvino import opset13 as ops

    draw = np.random.default_rng(0)
    given = ops.parameter([-1, 16], np.float32, name="x")
    inner = ops.relu(ops.matmul(given, draw.random((16, 32)).astype(np.float32), False, False))
    outer = ops.matmul(inner, draw.random((32, 16)).astype(np.float32), False, False)
    outer.output(0).set_names({"topic"})
    make: Any = openvino.Model  # its stubs take its base class alone
    model = make([outer], [given], "dense")
    rows = draw.random((200, 16)).astype(np.float32)
    rows[:4] *= 30
    made = int8_openvino(model, [{"x": rows}])
    assert "FakeQuantize" in kinds(made)
    np.testing.assert_allclose(infer(made, [rows[:4]]), infer(model, [rows[:4]]), rtol=0.05)


def test_excluded_operations_stay_float(model, text_batches):
    whole = kinds(int8_openvino(model, text_batches)).count("FakeQuantize")
    part = kinds(int8_openvino(model, text_batches, exclude=["up_product", "down_product"])).count(
        "FakeQuantize"
    )
    assert 0 < part < whole


def test_cosines_to_prototypes_are_computed_in_float(model, near, text_batches):
    whole = kinds(int8_openvino(model, text_batches))
    made = int8_openvino(openvino.Core().read_model(near), text_batches)
    assert 0 < kinds(made).count("FakeQuantize") < whole.count("FakeQuantize")
    (product,) = (one for one in made.get_ops() if one.get_friendly_name() == "down_product")
    given = [one.get_source_output().get_node().get_type_name() for one in product.inputs()]
    assert "FakeQuantize" not in given


def test_no_rows_are_refused(model):
    with pytest.raises(DataError, match="at least one row"):
        int8_openvino(model, [])


def test_nothing_reaches_stdout(model, text_batches, capfd):
    int8_openvino(model, text_batches, transformer=True)
    assert capfd.readouterr().out == ""


def test_missing_nncf_names_the_install_line(model, text_batches, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(BackendError, match=r'pip install "kd2edge\[train,openvino\]"'):
        int8_openvino(model, text_batches)


QUIET = """
import socket, sys
sys.modules["openvino_telemetry"] = None  # importing OpenVINO alone writes to the home directory
def refuse(*arguments, **options):
    raise SystemExit("the network was asked for")
socket.socket.connect = refuse
import numpy, openvino
del sys.modules["openvino_telemetry"]
from kd2edge.quantize import int8_openvino
graph = open(sys.argv[1], "rb").read()
int8_openvino(openvino.Core().read_model(graph), [{"ids": numpy.ones((2, 3), dtype="int64")}])
"""


def test_nothing_is_reported_over_the_network_or_written_to_home(text, tmp_path: Path):
    place, home = tmp_path / "text.onnx", tmp_path / "home"
    place.write_bytes(text)
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", QUIET, str(place)],
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert not (home / "intel").exists()
