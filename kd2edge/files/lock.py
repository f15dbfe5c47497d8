"""One writer a folder, or one a file."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from kd2edge.errors import PathEscapeError, StorageError
from kd2edge.files.atomic import storage_error

#: Name of the lock file in a locked folder.
LOCK = ".lock"

PAUSE = 0.05  # seconds between two tries
#: A bundle may come from anywhere: its lock could be a link to a file that we would overwrite.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)

if sys.platform == "win32":
    import msvcrt

    def _locked(descriptor: int) -> bool:
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # behind the process id, which stays readable
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _locked(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def folder_lock(folder: Path, *, wait: float = 0.0) -> Generator[None]:
    """Hold the folder's lock; the folder is made when it is missing.

    The operating system owns the lock, so that of a dead process is free at once.

    Args:
        folder: what to lock against a second writer, this process included.
        wait: seconds to wait for another holder before giving up.

    Raises:
        StorageError: another process (named by its id) holds it, or the folder cannot be written.
        PathEscapeError: the lock is a link.
    """
    path = folder / LOCK
    until = time.monotonic() + wait
    try:
        while (descriptor := _taken(path)) is None:
            if time.monotonic() >= until:
                raise StorageError(
                    f"{folder}: in use by process {_holder(path)};"
                    " wait until it has ended, or name another folder"
                )
            time.sleep(PAUSE)
    except OSError as error:
        raise storage_error(error, folder, "locked") from error
    try:
        yield
    finally:
        _let_go(path, descriptor)


@contextmanager
def claimed(path: Path) -> Generator[bool]:
    """Hold the lock file ``path`` unless somebody else does; whether it is held.

    Raises:
        StorageError: its folder cannot be written.
        PathEscapeError: the lock is a link.
    """
    try:
        descriptor = _taken(path)
    except OSError as error:
        raise storage_error(error, path.parent, "locked") from error
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            _let_go(path, descriptor)


def inherited_lock(path: Path) -> int | None:
    """Open a file and lock it; the descriptor, or None when another process holds it.

    The lock is the open file's: a process that is started with it, say as its standard output,
    holds it until it ends, whatever becomes of this one (not on Windows).  Whoever calls closes
    the descriptor.

    Raises:
        StorageError: it cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _NO_LINK, 0o666)
    except OSError as error:
        raise storage_error(error, path, "locked") from error
    if _locked(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _taken(path: Path) -> int | None:
    """The open, locked file; None when another holds it."""
    if path.is_symlink():  # the flag below refuses it too, less clearly
        raise PathEscapeError(f"{path}: a link; remove it, a lock is a file of its own")
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
        if not _locked(descriptor):
            os.close(descriptor)
            return None
        if _still(path, descriptor):
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, str(os.getpid()).encode())
            return descriptor
        os.close(descriptor)


def _let_go(path: Path, descriptor: int) -> None:
    with suppress(OSError):  # Windows keeps the name of an open file
        path.unlink()  # while it is held: see _still
    os.close(descriptor)


def _holder(path: Path) -> str:
    with suppress(OSError):  # it may just have let go
        descriptor = os.open(path, os.O_RDONLY | _NO_LINK)
        try:
            return os.read(descriptor, 20).decode("ascii", "replace") or "unknown"
        finally:
            os.close(descriptor)
    return "unknown"


def _still(path: Path, descriptor: int) -> bool:
    """Whether the locked file still has its name: its last holder removes it while letting go."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
