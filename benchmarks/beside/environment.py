"""Environments of other libraries: their pinned packages, installed once into a folder of theirs.

``pins/NAME.txt`` holds the packages; ``pins/NAME.alone.txt`` those that are installed without what
they depend on.  The index is the one that pip is set up with.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from beside.process import SideError, cleaned

PINS = Path(__file__).resolve().parent / "pins"
#: In a finished environment: the pins that it was made of.
_MADE_OF = "made-of.txt"
#: pip is this old at least: older ones do not find a local version of torch by its number alone.
_PIP = "pip>=25.1"


def add_argument(arguments: argparse.ArgumentParser) -> None:
    """``--environments``: where other libraries are installed."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    arguments.add_argument(
        "--environments",
        type=Path,
        default=Path(os.environ.get("KD2EDGE_PEERS", home / "kd2edge-peers")),
        help="folder of the other libraries' environments; they are made where they lack",
    )


def python_of(name: str, folder: Path | None) -> Path:
    """The Python of the environment ``name`` below ``folder``, which is made where it lacks.

    Raises:
        SideError: no folder was given, what stands there is something else, or pip could not
            install a package.
    """
    if folder is None:
        raise SideError("no folder of environments was given")
    place = folder.resolve() / name
    python, wanted = place / "bin" / "python", pins(name)
    marker = place / _MADE_OF
    if marker.is_file() and marker.read_text(encoding="utf-8") == wanted:
        return python
    if place.exists() and not marker.is_file():
        raise SideError(f"{place.name} is there and was not made here; give another folder")
    shutil.rmtree(place, ignore_errors=True)  # of other pins, or half made
    print(f"{name}: making its environment (minutes)", flush=True)
    place.mkdir(parents=True)
    marker.write_text("half made", encoding="utf-8")
    _run(sys.executable, "-m", "venv", str(place))
    _run(str(python), "-m", "pip", "install", "--quiet", "--upgrade", _PIP)
    _run(str(python), "-m", "pip", "install", "--quiet", "-r", str(PINS / f"{name}.txt"))
    alone = PINS / f"{name}.alone.txt"
    if alone.is_file():
        _run(str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(alone))
    marker.write_text(wanted, encoding="utf-8")
    return python


def pins(name: str) -> str:
    """What an environment is made of."""
    files = [PINS / f"{name}.txt", PINS / f"{name}.alone.txt"]
    return "\n".join(one.read_text(encoding="utf-8") for one in files if one.is_file())


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
        said = (lines or done.stderr.splitlines() or ["it said nothing"])[-1]
        raise SideError(f"its environment could not be made: {cleaned(said)}")
