"""What a run tells while it works: to the display, and to ``log.jsonl``."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import final

from kd2edge.events import Event, Progress, StepEvent
from kd2edge.files.atomic import storage_error
from kd2edge.pipeline.steps.finite import finite

__all__ = ["Listener", "Log"]

Listener = Callable[[Event], None]
#: Events that are for the display alone: many a second, and all of them summed up later.
_FLEETING = (StepEvent, Progress)


@final
class Log:
    """Appends events to ``log.jsonl``, whole lines only, and hands them on."""

    def __init__(self, path: Path, listener: Listener) -> None:
        self._path = path
        self._listener = listener

    def __enter__(self) -> Log:
        try:
            # Unbuffered: what is not on disk now is not tried again when the file is closed.
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise storage_error(error, self._path) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __call__(self, event: Event) -> None:
        if not isinstance(event, _FLEETING):
            name = type(event).__name__
            line = {"time": round(time.time(), 3), "event": name, **asdict(event)}
            self._append(f"{json.dumps(finite(line), ensure_ascii=False)}\n".encode())
        self._listener(event)

    def _append(self, line: bytes) -> None:
        end = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(line) != len(line):  # a disk that fills up takes a part
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(end)
            raise storage_error(error, self._path) from error
