from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino
import pytest

from kd2edge.errors import BackendError, UsageError
from kd2edge.export.model_io import model_from_bytes
from kd2edge.export.targets import TARGETS
from kd2edge.export.targets.target import Variant

OPENVINO = TARGETS["openvino"]
SMALL = ("bert", "electra", "static", "conv", "cnn", "resnet")


def infer(files, arrays):
    """Run an IR from memory in float32 (on some CPUs the default is bf16)."""
    core = openvino.Core()
    xml, weights = (next(files[p] for p in files if p.endswith(end)) for end in (".xml", ".bin"))
    model = core.read_model(xml, openvino.Tensor(np.frombuffer(weights, np.uint8)))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = compiled(arrays)
    return {port.get_any_name(): np.array(results[port]) for port in compiled.outputs}


@pytest.mark.parametrize("name", SMALL)
def test_fp32_equals_torch_at_every_size(name, made, case):
    one = case(name)
    for batch, length in ((1, 1), (4, 20)):
        arrays = one.arrays(batch, length, seed=batch)
        found = infer(made(name, "openvino-fp32").files, arrays)
        for task, logits in one.torch(arrays).items():
            assert np.abs(found[task] - logits).max() <= 1e-4


@pytest.mark.parametrize("name", SMALL)
def test_int8_stays_close_to_torch(name, made, case):
    one = case(name)
    arrays = one.arrays(7, 30, seed=50)
    found = infer(made(name, "openvino-int8").files, arrays)
    for task, logits in one.torch(arrays).items():
        assert np.abs(found[task] - logits).max() <= 0.15 * max(np.abs(logits).max(), 1.0)


def test_weights_stay_float32_and_become_int8(made):
    def types(identity):
        xml = made("bert", identity).files[f"openvino/{identity}.xml"].decode()
        return set(re.findall(r'<data element_type="(\w+)"', xml))

    assert "f16" not in types("openvino-fp32")
    assert "i8" in types("openvino-int8")
    sizes = [
        len(made("bert", f"openvino-{p}").files[f"openvino/openvino-{p}.bin"])
        for p in ("fp32", "int8")
    ]
    assert sizes[1] / sizes[0] < 0.45


def test_files_hold_no_names_by_counter(made):
    for name in ("cnn", "bert"):
        for identity in ("openvino-fp32", "openvino-int8"):
            xml = made(name, identity).files[f"openvino/{identity}.xml"].decode()
            layers = re.findall(r'<layer id="\d+" name="([^"]*)" type="(\w+)"', xml)
            assert layers
            assert not [name for name, kind in layers if re.fullmatch(rf"{kind}_\d+", name)]


def test_another_process_gives_the_same_bytes(made, case, source, tmp_path: Path):
    place = tmp_path / "cnn.onnx"
    place.write_bytes(case("cnn").onnx)
    code = (
        "import hashlib, sys; from kd2edge.export.targets import *;"
        "from kd2edge.quantize import QUANTIZERS as methods;"
        "from kd2edge.export.model_io import *; graph = open(sys.argv[1], 'rb').read();"
        "import numpy; batches = [{'pixel_values': numpy.load(p)} for p in sys.argv[2:]];"
        "source = Source(graph, *interface(model_from_bytes(graph)), {}, lambda: batches, methods);"
        "files = TARGETS['openvino'].make(source, Variant('openvino', 'int8')).files;"
        "print(hashlib.sha256(b''.join(files.values())).hexdigest())"
    )
    paths = []
    for index, batch in enumerate(source("cnn").calibration()):
        paths.append(tmp_path / f"{index}.npy")
        np.save(paths[-1], batch["pixel_values"])
    command = [sys.executable, "-c", code, *map(str, (place, *paths))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    import hashlib

    here = b"".join(made("cnn", "openvino-int8").files.values())
    assert done.stdout.split() == [hashlib.sha256(here).hexdigest()]


def test_excluded_nodes_stay_float(source, case, made):
    nodes = model_from_bytes(case("cnn").onnx).graph.node
    products = tuple(node.name for node in nodes if node.op_type in {"Conv", "Gemm"})
    files = OPENVINO.make(
        replace(source("cnn"), exclude=products), Variant("openvino", "int8")
    ).files
    fakes = [
        f["openvino/openvino-int8.xml"].count(b'type="FakeQuantize"')
        for f in (files, made("cnn", "openvino-int8").files)
    ]
    assert fakes[0] < fakes[1]
    with pytest.raises(UsageError, match="'nowhere'"):
        OPENVINO.make(replace(source("cnn"), exclude=("nowhere",)), Variant("openvino", "int8"))


def test_transformers_are_recognised(made):
    assert made("bert", "openvino-int8").settings["transformer"] is True
    for name in ("cnn", "static", "conv"):
        assert made(name, "openvino-int8").settings["transformer"] is False


def test_only_int8_says_on_which_rows_it_was_calibrated(made, source):
    assert made("cnn", "openvino-int8").settings["calibration"] == dict(source("cnn").sample())
    assert "calibration" not in made("cnn", "openvino-fp32").settings


def test_missing_packages_name_the_install_line(monkeypatch):
    OPENVINO.needs(["fp32", "int8"])
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendError, match=r'run: pip install "kd2edge\[openvino\]"') as failure:
        OPENVINO.needs(["fp32"])
    assert failure.value.exit_code == 6
