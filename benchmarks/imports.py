"""Start-up: ``kd2edge --help`` against ``import numpy``, the runtime's import against its engine's.

Whole processes, from the start of the interpreter to its end.  Every module is compiled before the
first process that counts, as an installed package's are, in a folder that is removed afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from recording import parser, record
from timing import interleaved, ratio

HEAVY = ("torch", "transformers", "pydantic", "onnx")
PROGRAMS = {
    "import numpy": "import numpy",
    "import numpy, onnxruntime": "import numpy, onnxruntime",
    "import kd2edge.runtime": "import kd2edge.runtime",
}
PAIRS = (
    ("kd2edge --help", "import numpy", 2.5),
    ("import kd2edge.runtime", "import numpy, onnxruntime", 1.3),
)
_MODULES = "\nimport sys\nprint(*(name for name in sys.argv[1:] if name in sys.modules))"
_HELP = """
import contextlib, io
from kd2edge.cli import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main(["--help"])
"""


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=15)
    given = arguments.parse_args()
    commands = {name: [sys.executable, "-c", code] for name, code in PROGRAMS.items()}
    commands["kd2edge --help"] = [*installed(), "--help"]
    with TemporaryDirectory() as folder:
        variables = compiled_in(folder)
        calls = {name: process(command, variables) for name, command in commands.items()}
        times = interleaved(calls, rounds=given.rounds, warm=2)
    pairs = [
        {"what": one, "against": other, "ratio": ratio(times[one], times[other]), "limit": limit}
        for one, other, limit in PAIRS
    ]
    for pair in pairs:
        print(
            f"{pair['what']}: {pair['ratio']:.2f}x `{pair['against']}` (at most {pair['limit']}x)"
        )
    loaded = {PAIRS[0][0]: heavy(_HELP), PAIRS[1][0]: heavy(PROGRAMS[PAIRS[1][0]])}
    print(f"in sys.modules of {', '.join(HEAVY)}: {loaded}")
    measured = {
        "times": {name: one.to_json() for name, one in times.items()},
        "pairs": pairs,
        "heavy_modules": loaded,
    }
    record("imports", measured, given.out, ["onnxruntime", "click"])


def installed() -> list[str]:
    """The installed command, as a person starts it."""
    script = Path(sys.executable).with_name("kd2edge")
    return [str(script)] if script.exists() else [sys.executable, "-m", "kd2edge"]


def compiled_in(folder: str) -> dict[str, str]:
    """Variables of a process that keeps its compiled modules in ``folder``."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": folder}


def process(command: list[str], variables: dict[str, str]) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=variables)


def heavy(code: str) -> list[str]:
    """Which heavy modules a program loads."""
    command = [sys.executable, "-c", code + _MODULES, *HEAVY]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


if __name__ == "__main__":
    main()
