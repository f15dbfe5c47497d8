"""Ctrl-C that waits for the step to end."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, final

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
if sys.platform != "win32":
    _SIGNALS += (signal.SIGHUP,)


@final
class Interruption:
    """Within the ``with`` block a first Ctrl-C only raises a flag; a second one acts.

    So do a request to end (SIGTERM) and a terminal that is gone (SIGHUP), unless they are ignored,
    as under ``nohup``.  Outside the main thread, where Python allows no handlers, only ``stop`` is
    asked.

    Args:
        stop: asked at every step; True ends training like Ctrl-C.
    """

    def __init__(self, stop: Callable[[], bool] | None = None) -> None:
        self._stop = stop
        self._before: dict[int, Any] = {}
        self.signal = 0

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            heard = [one for one in _SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._note) for number in heard}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    @property
    def requested(self) -> bool:
        """Whether training is to stop at the next step boundary."""
        return bool(self.signal) or (self._stop is not None and self._stop())

    @property
    def exit_code(self) -> int:
        """130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + (self.signal or signal.SIGINT)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            # None: a handler that was not set from Python, which cannot be set back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before = {}
