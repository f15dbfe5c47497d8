"""The loop of a side: one line of JSON for each question, with the seconds that it took.

The standard library alone: it runs in the environments of other libraries.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter_ns
from typing import Any

#: In front of an answer: libraries print lines, too.
MARK = "\x1e"


def setting() -> dict[str, Any]:
    """What the side was started with."""
    return json.loads(sys.argv[1])


def serve(answers: Mapping[str, Callable[..., Any]], packages: tuple[str, ...] = ()) -> None:
    """Answer until the questions end.

    Args:
        answers: question -> what answers it; JSON values come and go.
        packages: distributions whose versions the question ``versions`` is for.
    """
    answers = {"versions": lambda: {name: _version(name) for name in packages}, **answers}
    for line in sys.stdin:
        question = json.loads(line)
        try:
            call, given = answers[question["what"]], question["given"]
            start = perf_counter_ns()
            value = call(**given)
            said = {"value": value, "seconds": (perf_counter_ns() - start) / 1e9}
        except Exception as error:  # noqa: BLE001  (whatever it is, it is the answer)
            said = {"error": f"{type(error).__name__}: {error}"}
        print(MARK + json.dumps(said), flush=True)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
