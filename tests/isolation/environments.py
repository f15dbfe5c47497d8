"""Virtual environments that hold the wheel and nothing of the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: What pip prints when it cannot reach an index; a version that no index has is no such reason.
_UNREACHABLE = (
    "NewConnectionError", "ConnectTimeout", "ReadTimeout", "ProxyError", "Max retries exceeded",
    "Temporary failure in name resolution", "Network is unreachable",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment, and the folder outside of the checkout that its commands run in."""

    folder: Path
    work: Path

    def python(self, code: str, *arguments: str) -> str:
        """Stdout of a program, which must end well."""
        done = self._run([self._bin("python"), "-c", code, *arguments])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kd2edge(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """The installed command."""
        return self._run([self._bin("kd2edge"), *map(str, arguments)])

    def install(self, *requirements: str, constraints: Path | None = None) -> None:
        """Install by pip; skips the test when no index can be reached (never on a CI machine)."""
        command = [
            sys.executable, "-m", "pip", "--python", str(self._bin("python")), "install", "--quiet",
            "--no-compile", "--disable-pip-version-check", "--retries", "1", *requirements,
        ]  # fmt: skip
        if constraints is not None:
            command += ["--constraint", str(constraints)]
        done = self._run(command)
        if done.returncode == 0:
            return
        if any(sign in done.stderr for sign in _UNREACHABLE) and "CI" not in os.environ:
            pytest.skip("no package index can be reached from here")
        pytest.fail(f"pip install {' '.join(requirements)}: {done.stderr}")

    def borrow(self) -> None:
        """Let it import what the running environment has: torch need not be installed again.

        What is installed here comes first; an editable install over there is not seen, because the
        ``.pth`` files of a folder that stands in a ``.pth`` file are not read.
        """
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        own = Path(self.python(code).strip())
        there = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
        own.joinpath("borrowed.pth").write_text("\n".join(there) + "\n", encoding="utf-8")

    def _bin(self, name: str) -> Path:
        return self.folder / "bin" / name

    def _run(self, command: list[str | Path]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.work, env=_clean(), capture_output=True, text=True, check=False
        )


def fresh(folder: Path, interpreter: str = sys.executable) -> Environment:
    """An empty environment in ``folder``; pip stays outside of it."""
    command = [interpreter, "-m", "venv", "--without-pip", str(folder / "env")]
    subprocess.run(command, check=True, capture_output=True, env=_clean())
    work = folder / "work"
    work.mkdir()
    return Environment(folder / "env", work)


def _clean() -> dict[str, str]:
    """The variables of this process, less those that lead to modules outside an environment."""
    own = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTEST_", "KD2EDGE_", "COVERAGE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}
