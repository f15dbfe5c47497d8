"""Signals to the real process: state is saved, the exit code tells, ``--resume`` goes on."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from commands import succeed
from products import Product

#: Long enough to be interrupted, short enough to be finished.
LONG = ("--set", "train.epochs=60", "--set", "baseline=false")


def interrupted(arguments: list[str | Path], number: int) -> tuple[int, str]:
    """Exit code and stderr of a process that gets a signal at its first epoch's end."""
    command = [sys.executable, "-m", "kd2edge", *map(str, arguments)]
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as job:
        assert job.stderr is not None
        for line in job.stderr:
            lines.append(line)
            if line.startswith("  epoch") and not any("stopped" in one for one in lines):
                job.send_signal(number)
                break
        lines += job.stderr.readlines()
    return job.returncode, "".join(lines)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_and_sigterm_save_the_state(image_product: Product, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(image_product.run, run)  # teacher and cache are there already
    call = ["distill", image_product.recipe, "--run-dir", run, *image_product.settings, *LONG]
    code, said = interrupted(call, signal.SIGINT)
    assert code == 130, said
    assert "the state was saved" in said
    assert "Traceback" not in said
    code, said = interrupted([*call, "--resume"], signal.SIGTERM)
    assert code == 143, said
    assert "resumed at step" in said
    assert not (run / "report.json").exists()
    succeed(*call, "--resume")
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    assert report["models"]["student"]["steps"] == 240
