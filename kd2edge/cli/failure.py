"""What an error means to the person in front of the terminal, and to a program."""

from __future__ import annotations

import errno
import io
import os
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import click

from kd2edge.cli.missing import advice
from kd2edge.cli.output import emit_line, note_lines
from kd2edge.cli.signals import Stopped
from kd2edge.errors import (
    BackendError,
    Interrupted,
    Kd2edgeError,
    Problem,
    RecipeError,
    StorageError,
)
from kd2edge.wording import shown

_USAGE = 2
_STORAGE = 4
#: Variable that lets an unforeseen error show its traceback.
TRACEBACK = "KD2EDGE_TRACEBACK"

#: How libraries say that there was no memory left; each has its own type for it, or none.
_NO_MEMORY = (
    "bad_alloc",
    "bad allocation",
    "cannot allocate memory",
    "can't allocate memory",
    "failed to allocate memory",
    "failed to map segment",  # the loader of shared libraries
    "not enough memory",
    "out of memory",
)


@final
@dataclass(frozen=True, slots=True)
class Failure:
    """How the command ends when it does not end well.

    Args:
        kind: name of the error for programs.
        message: for people; lines of visible text.
        code: exit code.
        problems: each problem of a recipe.
        usage: click's own error, which knows how the command is called.
        error: one that kd2edge did not foresee; its traceback is shown on demand.
    """

    kind: str
    message: str
    code: int
    problems: Sequence[Problem] | None = None
    usage: click.ClickException | None = None
    error: BaseException | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        found: dict[str, Any] = {
            "type": self.kind,
            "message": self.message,
            "exit_code": self.code,
        }
        if self.problems is not None:
            found["problems"] = [asdict(problem) for problem in self.problems]
        return found

    def tell(self, *, as_json: bool) -> None:
        """Say it on stderr, and with ``as_json`` as the one object on stdout too."""
        if as_json:
            try:
                emit_line({"error": self.to_json()})
            except BrokenPipeError:
                raise
            except OSError:
                pass  # the output that cannot be written is the error itself: stderr says it
        if self.usage is not None:
            shown = io.StringIO()
            self.usage.show(shown)
            note_lines(shown.getvalue().rstrip("\n"))
            return
        stopped = self.kind == Interrupted.__name__
        note_lines(self.message if stopped else f"error: {self.message}")
        if self.error is not None:
            if os.environ.get(TRACEBACK):
                note_lines("".join(traceback.format_exception(self.error)).rstrip("\n"))
            else:
                note_lines(f"({TRACEBACK}=1 shows where it comes from)")


def failure_of(
    error: BaseException, *, resumable: bool, signalled: Sequence[Stopped] = ()
) -> Failure:
    """What an error means.

    Args:
        error: it.
        resumable: whether ``--resume`` goes on with what the command was at.
        signalled: the signals that came before it: what went wrong then did so because of them, but
            for state that could not be saved.
    """
    if signalled and not isinstance(error, (Interrupted, StorageError, Stopped)):
        error = signalled[0]
    cause = error.__cause__ if isinstance(error, click.Abort) else error
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        stopped = cause if isinstance(cause, Stopped) else Stopped()
        # In a training step the loop says so itself; this is between two, or before the first.
        more = " Finished parts were kept: go on with the same command and --resume." * resumable
        return Failure(Interrupted.__name__, f"{stopped.message}{more}", stopped.exit_code)
    if isinstance(error, click.ClickException):
        return Failure("UsageError", error.format_message(), _USAGE, usage=error)
    if isinstance(error, Kd2edgeError):
        problems = error.problems if isinstance(error, RecipeError) else None
        short = "out of memory: " * (_is_no_memory(error) and not _says_so(str(error)))
        return Failure(type(error).__name__, f"{short}{error}", error.exit_code, problems)
    if isinstance(error, ModuleNotFoundError) and (text := advice(error)) is not None:
        return Failure("BackendError", text, BackendError.exit_code)
    if _is_no_memory(error):
        text = "out of memory: try fewer rows at a time, or end what else runs here"
        return Failure("MemoryError", text, 1, error=error)
    if isinstance(error, UnicodeEncodeError) and isinstance(error.object, str):
        return _unnameable(error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or str(error) or type(error).__name__
        return Failure("StorageError", shown(f"{place}{reason}"), _STORAGE, error=error)
    text = shown(f"unexpected {type(error).__name__}: {error}")
    return Failure("Unexpected", text, 1, error=error)


def _unnameable(error: UnicodeEncodeError) -> Failure:
    """A name that the locale's encoding of file names has no letters for."""
    text = (
        f"{error.object!r:.80} cannot be written in this locale's encoding ({error.encoding}):"
        " run it with PYTHONUTF8=1"
    )
    return Failure("UsageError", text, _USAGE, error=error)


def _is_no_memory(error: BaseException) -> bool:
    """Whether it, or what it was raised from, says that there was no memory left."""
    return any(
        isinstance(one, MemoryError)
        or (isinstance(one, OSError) and one.errno == errno.ENOMEM)
        or (isinstance(one, (RuntimeError, ImportError, OSError)) and _says_so(str(one)))
        for one in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__


def _says_so(text: str) -> bool:
    small = text.lower()
    return any(words in small for words in _NO_MEMORY)
