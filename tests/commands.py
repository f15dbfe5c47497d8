"""Runs verbs in this process, as the command line would: exit code, stdout, stderr."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kd2edge.cli.group import main

SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout, which must be exactly one JSON object on one line."""
        assert self.out.count("\n") == 1, self.out
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@contextmanager
def signals_kept() -> Iterator[None]:
    """Leave the process's own handlers as they were: a command sets some for itself."""
    handlers = {one: signal.getsignal(one) for one in SIGNALS}
    hook = sys.unraisablehook
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


def kd2edge(*arguments: str | Path) -> Result:
    """Run a command; errors become exit codes, as they do on the command line."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    try:
        with redirect_stdout(out), redirect_stderr(err), signals_kept():
            main([str(argument) for argument in arguments])
    except SystemExit as leave:
        code = leave.code
    assert isinstance(code, int)
    return Result(code, out.getvalue(), err.getvalue())


def succeed(*arguments: str | Path) -> Result:
    """Run a command that must end well."""
    result = kd2edge(*arguments)
    assert result.code == 0, f"{result.code}: {result.err}"
    return result


class Interrupt:
    """Presses Ctrl-C at the first epoch's end of a stage, by its name or the first word of it."""

    def __init__(self, stage: str) -> None:
        self._wanted, self._stage = stage, ""

    def __call__(self, event: Any) -> None:
        if type(event).__name__ == "StageEvent":
            self._stage = event.stage
        elif type(event).__name__ == "EpochEvent" and self._is_here():
            self._wanted = ""
            os.kill(os.getpid(), signal.SIGINT)

    def _is_here(self) -> bool:
        return self._wanted in {self._stage, *self._stage.split()[:1]}
