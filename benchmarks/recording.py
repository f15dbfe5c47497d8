"""Where measurements go: ``results/NAME.json``, with what it takes to repeat and to judge them.

A file says which machine (its kind, no name of a host), which versions, which commit and which
command; never where something stands on that machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kd2edge.bundle import machine
from kd2edge.files import write_atomic

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def parser(text: str | None) -> argparse.ArgumentParser:
    """The arguments that every benchmark has."""
    made = argparse.ArgumentParser(description=text)
    made.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return made


def record(name: str, measured: Mapping[str, Any], out: Path, packages: Sequence[str] = ()) -> Path:
    """Write the result of a benchmark.

    Args:
        name: of the benchmark: the file is called like that.
        measured: what was found; JSON values.
        out: the folder.
        packages: distributions whose versions it depends on.

    Raises:
        ValueError: a path of this machine in what was found.
    """
    result = {
        "schema": 1,
        "name": name,
        "command": _command(),
        "commit": _commit(),
        "machine": asdict(machine()),
        "versions": {package: _version(package) for package in ("numpy", *packages)},
        "measured": measured,
    }
    text = json.dumps(result, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    for place in (str(ROOT), str(Path.home()), os.environ.get("KD2EDGE_DATA")):
        if place and place != "/" and place in text:
            raise ValueError(f"{name}: {place} is a path of this machine and must not be recorded")
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.json"
    write_atomic(path, f"{text}\n".encode())
    return path


@contextmanager
def checkout(commit: str, folder: Path) -> Iterator[Path]:
    """A worktree of a commit, for as long as it is compared with."""
    _git("worktree", "add", "--detach", str(folder), commit)
    try:
        yield folder
    finally:
        _git("worktree", "remove", "--force", str(folder))


def _git(*words: str) -> None:
    subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True)


def shown(path: Path) -> str:
    """A path as a result may hold it: inside the checkout, or its last part."""
    resolved = path.resolve()
    return str(resolved.relative_to(ROOT)) if resolved.is_relative_to(ROOT) else path.name


def _command() -> str:
    """The command line, less where the results went."""
    words = iter(sys.argv[1:])
    kept = [_word(word) for word in words if not (word == "--out" and next(words, None))]
    return " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *kept])


def _word(word: str) -> str:
    key, equals, value = word.rpartition("=")
    return f"{key}{equals}{shown(Path(value))}" if Path(value).is_absolute() else word


def _commit() -> str:
    """The commit, marked where files of the package were changed since; "" outside a checkout."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        return f"{commit} + changes" if _git("status", "--porcelain", "--", "kd2edge") else commit
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
