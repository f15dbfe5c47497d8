"""An artefact that cannot be made costs no other one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from commands import kd2edge
from kd2edge.bundle import npz_bytes, open_bundle, write_atomic
from kd2edge.errors import StorageError
from kd2edge.export.targets.onnx import OnnxTarget
from kd2edge.pipeline.samples import CALIBRATION, read_arrays
from products import Product

PLACE = ("--onnx", "--precision", "fp32,int8")


def failing(error: Exception) -> Any:
    make = OnnxTarget.make

    def broken(self: OnnxTarget, source: Any, variant: Any) -> Any:
        if variant.name == "qdq":
            raise error
        return make(self, source, variant)

    return broken


@pytest.mark.parametrize(
    "error", [ValueError("no scale for /tmp/kd2edge-x1/model.onnx"), MemoryError(), KeyError("x")]
)
def test_a_tool_that_fails_costs_its_own_artefact_alone(
    text_product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(OnnxTarget, "make", failing(error))
    out = tmp_path / "out"
    result = kd2edge("export", text_product.run, "--out", out, *PLACE, "--allow-missing")
    assert result.code == 1
    assert f"the tool that makes it failed: {type(error).__name__}" in result.out
    artefacts = open_bundle(out).manifest.artefacts
    assert artefacts["onnx-int8-qdq"].status == "failed"
    assert "/tmp" not in artefacts["onnx-int8-qdq"].reason  # a manifest has no path of a machine
    assert artefacts["onnx-fp32"].status == artefacts["onnx-int8-dynamic"].status == "ready"
    assert "onnx-int8-qdq" not in open_bundle(out).manifest.preferred


def test_a_full_disk_is_no_fault_of_one_artefact(
    text_product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OnnxTarget, "make", failing(StorageError("disk full")))
    assert kd2edge("export", text_product.run, "--out", tmp_path / "out", *PLACE).code == 4
    assert not (tmp_path / "out").exists()


def test_without_a_piece_in_any_row_the_float_artefact_is_made_all_the_same(
    text_product: Product, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(text_product.run, run, ignore=shutil.ignore_patterns("cache", "teachers"))
    path = run / "samples" / CALIBRATION
    arrays = read_arrays(path)
    arrays["lengths"][:] = 0
    write_atomic(path, npz_bytes(arrays))
    result = kd2edge("export", run, "--out", tmp_path / "out", *PLACE, "--json")
    assert result.code == 2
    artefacts = result.json["artefacts"]
    assert artefacts["onnx-fp32"]["status"] == artefacts["onnx-int8-dynamic"]["status"] == "ready"
    assert "calibration needs at least one row" in artefacts["onnx-int8-qdq"]["reason"]
