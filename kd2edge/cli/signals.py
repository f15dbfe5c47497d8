"""Ctrl-C, a request to end, and a terminal that is gone: state is saved, then the command ends."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, final

#: The exit code of a signal is this and its number, as shells have it.
SIGNALLED = 128


@final
class Stopped(KeyboardInterrupt):
    """A signal, handled like Ctrl-C so that state is saved; ``number`` tells which it was."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.number = number

    @property
    def exit_code(self) -> int:
        """129 for a terminal that is gone, 130 for Ctrl-C, 143 for SIGTERM."""
        return SIGNALLED + self.number

    @property
    def message(self) -> str:
        """What happened, in a word."""
        return _WORDS.get(self.number, "Interrupted.")


_WORDS: dict[int, str] = {signal.SIGINT: "Interrupted.", signal.SIGTERM: "Terminated."}
if sys.platform != "win32":
    _WORDS[signal.SIGHUP] = "The terminal is gone."


def catch_signals(as_json: bool) -> Sequence[Stopped]:
    """From now on the first signal raises :class:`Stopped`, and a second one ends at once.

    Returns what came since then: an import that is cut off in its middle makes another error of it.

    The first may be lost where foreign code runs a callback that cannot raise, and unwinding may
    take its time: who asks twice means it.  What is written whole stays whole either way.
    """
    seen: list[Stopped] = []

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        if seen:
            _leave(Stopped(number), as_json)
        seen.append(Stopped(number))
        raise seen[0]

    for number in _WORDS:
        # Ignored from the start (`nohup`, a shell's background job) stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
    sys.unraisablehook = _unraisable
    return seen


def _leave(stopped: Stopped, as_json: bool) -> None:
    """End now.  By the descriptors: the streams may be in the middle of a write."""
    error = {"type": "Interrupted", "message": stopped.message, "exit_code": stopped.exit_code}
    with suppress(OSError):
        if as_json:
            os.write(1, (json.dumps({"error": error}) + "\n").encode())
        os.write(2, f"{stopped.message}\n".encode())
    os._exit(stopped.exit_code)


def _unraisable(found: Any) -> None:
    """Say nothing of a Ctrl-C that came where nothing can be raised: the next one ends at once."""
    if not issubclass(found.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(found)
