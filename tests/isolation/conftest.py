from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bundles
from isolation.environments import ROOT, Environment, fresh
from kd2edge.export.targets.tensorrt_builder import BuildSettings
from references import text_rows, with_reference

ROWS = 600  # enough different ones for the gate to decide where no decision differs: 3 / n < 0.01


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout by the build tools of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """``pip install kd2edge``: no engine, no extra."""
    environment = fresh(tmp_path_factory.mktemp("base"))
    environment.install(str(wheel), constraints=ROOT / "constraints.txt")
    return environment


@pytest.fixture(scope="session")
def server(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """``pip install kd2edge[cpu,validate]``: what runs and judges bundles, without torch."""
    environment = fresh(tmp_path_factory.mktemp("server"))
    environment.install(f"{wheel}[cpu,validate]", constraints=ROOT / "constraints.txt")
    return environment


@pytest.fixture(scope="session")
def trainer(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel beside everything that the running environment has, torch and engines included."""
    environment = fresh(tmp_path_factory.mktemp("trainer"))
    environment.install("--no-deps", str(wheel))
    environment.borrow()
    return environment


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of a text model, with an engine that is still to be built on a device."""
    profiles = {array.name: ((1, 2), (4, 4), (8, 12)) for array in bundles.TEXT_ARRAYS}
    settings = BuildSettings(bundles.TEXT_ARRAYS, bundles.TEXT_HEADS, profiles).to_json()
    files = {"tensorrt/fp32.onnx": bundles.text_graph(), "tensorrt/fp32.build.json": settings}
    waiting = bundles.artefact(
        "tensorrt-fp32", "tensorrt/fp32.onnx", files, bundles.TEXT_ARRAYS, bundles.TEXT_HEADS,
        status="needs_device", reason="engines fit one GPU",
    )  # fmt: skip
    folder = tmp_path / "bundle"
    made = bundles.text_bundle(folder, artefacts={"tensorrt-fp32": (waiting, files)})
    return with_reference(made, text_rows(ROWS))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Labelled rows for the text bundle, whose reference has them."""
    path = tmp_path / "rows.jsonl"
    lines = (json.dumps(row) for row in text_rows(ROWS))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
