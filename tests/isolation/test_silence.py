"""Nothing phones home: every verb, traced, with an empty home and an empty temporary folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from isolation.environments import ROOT
from kd2edge.cli.verbs import VERBS

#: Every verb of a text product, one after another in one process (bench starts more); then it goes
#: on living for a while, as a service does: what reports in the background has time to.
_PROGRAM = """
import sys, time
from pathlib import Path
from commands import kd2edge
from products import write_text_project
work = Path(sys.argv[1])
recipe = write_text_project(work)
run, bundle = work / "run", work / "bundle"
said = []
def verb(name, *arguments, codes=(0,)):
    result = kd2edge(name, *arguments)
    assert result.code in codes, (name, result.code, result.err)
    said.append(name)
verb("doctor")
verb("check", recipe)
verb("distill", recipe, "--run-dir", run)
verb("export", run, "--out", bundle)
verb("validate", bundle, "--run", run, codes=(0, 3))
verb("bench", bundle, "--batch", "1")
verb("build", bundle)
verb("predict", bundle, "--text", "hello")
verb("predict", bundle, "--text", "hello", "--artefact", "openvino-fp32")
verb("report", bundle)
verb("compare", run, run)
verb("inspect", bundle)
verb("verify", bundle)
broken = work / "broken"
verb("distill", recipe, "--run-dir", broken, "--set", "train.lr=1.0e+30", codes=(1,))
verb("replay", broken, codes=(0, 1))
verb("schema")
verb("show", recipe)
verb("study", recipe, "--ablate", "distill.features", "--seeds", "1")
verb("new", "mine")
time.sleep(5)
print("verbs:", *sorted(set(said)))
"""

_MADE = re.compile(r'"([^"]+)"')


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], str]:
    """(folder with ``home``, ``temporary`` and ``work``, traced system calls, what was printed)."""
    strace = shutil.which("strace")
    if strace is None:
        if "CI" in os.environ:
            pytest.fail("strace is not installed: apt-get install strace")
        pytest.skip("strace is not installed: apt-get install strace")
    folder = tmp_path_factory.mktemp("silence")
    for name in ("home", "temporary", "work"):
        (folder / name).mkdir()
    log = folder / "trace.txt"
    environment = {
        "HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary"),
        "PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
        "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    calls = (
        "trace=connect,sendto,sendmsg,sendmmsg,openat,creat,mkdir,mkdirat,rename,renameat,renameat2"
    )
    done = subprocess.run(
        [strace, "-f", "-qq", "--seccomp-bpf", "-s", "4096", "-e", calls, "-o", str(log),
         sys.executable, "-c", _PROGRAM, str(folder / "work")],
        cwd=folder / "work", env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, log.read_text(encoding="utf-8", errors="replace").splitlines(), done.stdout


def test_every_verb_is_traced(trace: tuple[Path, list[str], str]) -> None:
    assert trace[2].split()[1:] == sorted(VERBS)


def test_no_verb_reaches_for_the_network(trace: tuple[Path, list[str], str]) -> None:
    reached = [line for line in trace[1] if "AF_INET" in line or "htons(53)" in line]
    assert reached == []


def test_no_verb_writes_outside_the_folders_it_was_given(
    trace: tuple[Path, list[str], str],
) -> None:
    folder, lines, _ = trace
    assert list((folder / "home").iterdir()) == []
    # torch makes an empty folder for compiled code, which is never compiled here.
    left = {path.name for path in (folder / "temporary").rglob("*")}
    assert all(name.startswith("torchinductor_") for name in left), left
    allowed = (str(folder / "work"), str(folder / "temporary"), "/dev/", "/proc/")
    made = [line for line in lines if re.search(r"O_CREAT|O_WRONLY|O_RDWR|mkdir|rename", line)]
    outside = [
        line
        for line in made
        if not re.search(r"= -1 E\w+", line)
        and any(
            path.startswith("/") and not path.startswith(allowed) for path in _MADE.findall(line)
        )
    ]
    assert outside == []
