from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
