"""The shipped half on Python 3.10 (JetPack 6), with the last versions that its packages have."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from isolation.environments import Environment, fresh


def interpreter() -> str | None:
    """A Python 3.10 that starts; a version manager's stub on the PATH may not."""
    managed = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    found = [shutil.which("python3.10"), *sorted(managed.glob("3.10.*/bin/python3.10"))]
    for path in filter(None, found):
        done = subprocess.run([path, "-c", "import venv"], capture_output=True, check=False)
        if done.returncode == 0:
            return str(path)
    return None


@pytest.fixture(scope="module")
def jetpack(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Not under constraints.txt: its versions are of another Python."""
    python = interpreter()
    if python is None:
        pytest.skip("no python3.10 here")
    environment = fresh(tmp_path_factory.mktemp("jetpack"), python)
    environment.install(f"{wheel}[cpu,validate]")
    return environment


@pytest.mark.slow
def test_the_gate_and_predict_on_python_3_10(jetpack: Environment, bundle: Path, rows: Path):
    assert jetpack.python("import sys; print(sys.version_info[:2])").strip() == "(3, 10)"
    done = jetpack.kd2edge("validate", bundle, "--data", rows)
    assert done.returncode == 0, done.stderr
    done = jetpack.kd2edge("predict", bundle, "--text", "book a flight", "--json")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["rows"][0]) == {"intent", "ner"}
    assert "passed validation on a machine like this one" in done.stderr
    assert jetpack.kd2edge("verify", bundle).returncode == 0
