from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kd2edge.runtime.telemetry import no_telemetry

#: Opens an OpenVINO backend in a process of its own and says what it imported.
_PROBE = """
import sys
from kd2edge.runtime.backends.table import preload
preload("openvino")
assert "openvino" in sys.modules
print(sorted(name for name in sys.modules if "telemetry" in name and sys.modules[name]))
"""


def test_importing_openvino_leaves_its_telemetry_out_and_the_home_directory_alone(
    tmp_path: Path,
) -> None:
    pytest.importorskip("openvino")
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROBE],
        env={"HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "openvino_telemetry" not in found.stdout
    assert not list(tmp_path.iterdir())


def test_importing_onnx_runtime_leaves_the_home_directory_alone_and_the_environment_as_it_was(
    tmp_path: Path,
) -> None:
    pytest.importorskip("onnxruntime")
    probe = """
import os
from kd2edge.runtime.backends.table import preload
preload("onnx")
print("ORT_DISABLE_TELEMETRY" in os.environ)
"""
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", probe],
        env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "False"
    assert not list(tmp_path.iterdir())


def test_what_the_caller_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    with no_telemetry():
        assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"


def test_threads_that_import_at_once_each_leave_things_as_they_were() -> None:
    before = sys.modules.get("openvino_telemetry", "not there")

    def held(seconds: float) -> None:
        with no_telemetry():
            assert sys.modules["openvino_telemetry"] is None
            time.sleep(seconds)

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(held, 0.001 * (at % 3)) for at in range(24)]:
            future.result()
    assert sys.modules.get("openvino_telemetry", "not there") == before
