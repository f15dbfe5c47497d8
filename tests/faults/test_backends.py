"""What is asked for and not here: exit 6 before any work, with the line that mends it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from commands import kd2edge
from faulty import assert_clean_failure
from kd2edge.bundle import open_bundle


@pytest.fixture
def no_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorrt", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("no_tensorrt")
def test_trt_without_tensorrt_fails_before_any_work(run: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "no-such-run", run):
        result = kd2edge("export", place, "--trt", "--out", tmp_path / "out")
        assert_clean_failure(result, 6)
        assert 'pip install "kd2edge[rtx]"' in result.err.replace("'", '"')
        assert "student to ONNX" not in result.err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_tensorrt")
def test_a_target_of_the_recipe_alone_is_written_as_failed(run: Path, tmp_path: Path) -> None:
    place = ["--precision", "fp32", "--out", tmp_path / "out"]
    result = kd2edge("export", run, *place, "--json")
    assert result.code == 6
    assert result.json["artefacts"]["tensorrt-fp32"]["status"] == "failed"
    bundle = open_bundle(tmp_path / "out")
    assert "tensorrt" in bundle.manifest.artefacts["tensorrt-fp32"].reason
    assert "tensorrt-fp32" not in bundle.manifest.preferred
    assert bundle.manifest.artefacts["onnx-fp32"].status == "ready"
    assert kd2edge("export", run, *place, "--allow-missing").code == 0


@pytest.mark.usefixtures("no_tensorrt")
def test_engines_are_not_built_without_tensorrt(bundle: Path) -> None:
    assert_clean_failure(kd2edge("build", bundle), 6)


@pytest.mark.usefixtures("no_tensorrt")
def test_doctor_says_what_would_help() -> None:
    result = kd2edge("doctor", "--json")
    assert result.code == 0
    ability = result.json["abilities"]["build TensorRT-RTX"]
    assert ability["works"] is False
    assert "rtx" in ability["mend"]


def test_openvino_that_is_not_installed(
    bundle: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in sys.modules if one.split(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openvino", None)
    result = kd2edge("predict", bundle, "--text", "hello", "--artefact", "openvino-fp32")
    assert_clean_failure(result, 6)
    assert "kd2edge[openvino]" in result.err
    result = kd2edge("export", run, "--openvino", "--out", tmp_path / "out")
    assert_clean_failure(result, 6)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("provider", ["CUDAExecutionProvider", "NoSuchExecutionProvider"])
def test_a_provider_that_is_not_here(bundle: Path, provider: str) -> None:
    only = ["--artefact", "onnx-fp32"]
    result = kd2edge("predict", bundle, "--text", "hello", *only, "--provider", provider)
    assert_clean_failure(result, 6)
    assert provider in result.err
    assert "CPUExecutionProvider" in result.err  # what there is


def test_an_artefact_that_needs_a_device(bundle: Path) -> None:
    result = kd2edge("predict", bundle, "--text", "hello", "--artefact", "tensorrt-fp32")
    assert_clean_failure(result, 6)
    assert "kd2edge build" in result.err


def test_an_artefact_that_does_not_exist(bundle: Path) -> None:
    result = kd2edge("predict", bundle, "--text", "hello", "--artefact", "onnx-fp23")
    assert_clean_failure(result, 2)
    assert "onnx-fp32" in result.err


def test_a_precision_that_no_target_makes(run: Path, tmp_path: Path) -> None:
    place = ["--onnx", "--out", tmp_path / "out"]
    result = kd2edge("export", run, *place, "--precision", "fp23")
    assert_clean_failure(result, 2)
    assert "'fp23'" in result.err
    assert "fp32" in result.err
    assert not (tmp_path / "out").exists()
