"""Runs verbs in this process, as the command line would: exit code, stdout, stderr."""

from __future__ import annotations

import io
import json
import signal
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kd2edge.cli.group import main


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


def kd2edge(*arguments: str | Path) -> Result:
    """Run a command; errors become exit codes, as they do on the command line."""
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    code: Any = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main([str(argument) for argument in arguments])
    except SystemExit as leave:
        code = leave.code
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert isinstance(code, int)
    return Result(code, out.getvalue(), err.getvalue())


def succeed(*arguments: str | Path) -> Result:
    """Run a command that must end well."""
    result = kd2edge(*arguments)
    assert result.code == 0, f"{result.code}: {result.err}"
    return result
