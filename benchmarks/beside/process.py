"""A side of a comparison: a process that waits for questions, so that sides can take turns.

Inputs and results are files (.npz without objects, JSON, safetensors); a question and its answer
are a line of JSON each.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Any, final

from beside.sides.serve import MARK

SIDES = Path(__file__).resolve().parent / "sides"
#: One thread each, whatever a library calculates with; and nothing is fetched.
ALONE = {
    **dict.fromkeys(
        (
            "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
            "NUMEXPR_NUM_THREADS", "RAYON_NUM_THREADS",
        ),
        "1",
    ),
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
}  # fmt: skip
#: What would send a numpy of another environment to other kernels, or packages of this one there.
_NOT_INHERITED = {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH", "PYTHONHOME"}


class SideError(RuntimeError):
    """A side cannot run here; the message is what a result says in its place."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a side said, and the seconds that it says it took."""

    value: Any
    seconds: float


@final
class Side:
    """A script below ``sides/`` in the environment of ``python``; a context manager."""

    def __init__(self, python: Path | str, script: str, **setting: Any) -> None:
        self.name = script
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  (until the end)
        inherited = {key: one for key, one in os.environ.items() if key not in _NOT_INHERITED}
        self._process = subprocess.Popen(
            [str(python), str(SIDES / f"{script}.py"), json.dumps(setting)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env={**inherited, **ALONE},
        )

    def ask(self, what: str, **given: Any) -> Answer:
        """The answer to a question, once it is there.

        Raises:
            SideError: the side raised, or is gone.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"what": what, "given": given}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended: what it said is read below
        for line in self._process.stdout:
            if line.startswith(MARK):  # others are what libraries print
                found = json.loads(line[len(MARK) :])
                if "error" in found:
                    raise SideError(f"{self.name}: {cleaned(found['error'])}")
                return Answer(found["value"], found["seconds"])
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        raise SideError(f"{self.name} ended: {cleaned(lines[-1] if lines else 'it said nothing')}")

    def turns(self, what: str, given: Iterable[dict[str, Any]]) -> Callable[[], float]:
        """A call for :func:`timing.in_turns`: one question after the other, again and again.

        Its seconds are those of one of the many things that the side says it did.
        """
        questions = cycle(given)

        def turn() -> float:
            answer = self.ask(what, **next(questions))
            return answer.seconds / answer.value

        return turn

    def __enter__(self) -> Side:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()  # its loop ends
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()  # pyright: ignore[reportOptionalMemberAccess]
        self._errors.close()


def cleaned(text: str) -> str:
    """A reason as a result may hold it: of paths their last part."""
    return re.sub(r"(?:file://)?(?:/[\w.+-]+)+/([\w.+-]+)", r"\1", text).strip()[:300]
