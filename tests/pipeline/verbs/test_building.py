from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import bundles
from commands import kd2edge, succeed
from kd2edge.bundle import Gate
from kd2edge.errors import BackendError, UsageError
from kd2edge.export.targets.tensorrt_builder import BuildSettings, EngineBuild
from kd2edge.rows.kinds import open_rows
from kd2edge.runtime import load
from references import with_reference

NAME = "onnx-int8-device"


class Builder:
    """Stands in for TensorRT: what it builds is an ONNX graph, which runs without a GPU."""

    def __init__(self, graph: bytes, settings: BuildSettings) -> None:
        self.graph = graph
        assert settings.outputs == bundles.IMAGE_HEADS

    def build(self) -> EngineBuild:
        return EngineBuild(self.graph, "stand-in", "1", ())


@pytest.fixture
def folder(tmp_path: Path, rows: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle with an artefact that must be built before it can be loaded, and what it is held to.

    Few rows prove little: its own budgets are as wide as they go.
    """
    monkeypatch.setattr("kd2edge.pipeline.verbs.building.Network", Builder)
    arrays = (bundles.IMAGE_ARRAYS, bundles.IMAGE_HEADS)
    files = {
        "onnx/device.onnx": bundles.image_graph(),
        "onnx/device.build.json": BuildSettings(*arrays, profiles={}).to_json(),
    }
    waiting = bundles.artefact(
        NAME, "onnx/device.onnx", files, *arrays,
        status="needs_device", reason="no device", ranges={"batch": (1, 64)},
    )  # fmt: skip
    gate = Gate({"digit": 1.0, "larger": 1.0})
    made = bundles.image_bundle(tmp_path / "bundle", artefacts={NAME: (waiting, files)}, gate=gate)
    return with_reference(made, open_rows("jsonl", rows))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    images = bundles.images(40).tolist()
    lines = [json.dumps({"image": image, "digit": "0", "larger": "no"}) for image in images]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_bundle_is_finished_judged_and_loaded_without_writing_to_it(
    folder: Path, rows: Path, tmp_path: Path
) -> None:
    before, out = contents(folder), tmp_path / "out"
    only: tuple[Any, ...] = ("--artefact", NAME, "--threads", "1", "--out", out)
    succeed("build", folder, "--out", out)
    succeed("validate", folder, "--data", rows, *only)
    succeed("bench", folder, "--batch", "1", "--seconds", "0.1", *only)

    assert contents(folder) == before
    with load(folder, threads=1, evidence=out) as model:
        assert model.artefact == NAME
        assert "passed validation on a machine like this one" in model.why
    answered = succeed("predict", folder, rows, "--evidence", out, "--json")
    assert answered.json["artefact"] == NAME
    with load(folder, threads=1) as model:
        assert model.artefact == "onnx-fp32"
    with pytest.raises(BackendError, match="kd2edge build"):
        load(folder, artefact=NAME)


def test_a_folder_of_evidence_adds_to_the_bundle_s_own(
    folder: Path, rows: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    succeed("build", folder)  # the engine is in the bundle, its verdict is not
    succeed("validate", folder, "--data", rows, "--artefact", NAME, "--out", out)
    with load(folder, threads=1, evidence=out) as model:
        assert model.artefact == NAME


def test_a_folder_of_evidence_that_is_not_there_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder of evidence"):
        load(folder, evidence=tmp_path / "tpyo")
    assert kd2edge("predict", folder, "--evidence", tmp_path / "tpyo").code == 2
