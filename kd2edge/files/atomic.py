"""The one door for what must be written whole: the old content or the new, never a half.

What is being written carries a name of its own (``.NAME.HOST-PID-RANDOM.partial``) beside its
target until it is complete and on disk; then one rename puts it in place.  A killed process leaves
such a sibling at worst; the next writer of the same target removes it once its process is gone.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import platform
import secrets
import shutil
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kd2edge.errors import StorageError

#: Ending of a file or folder that is still being written.
PARTIAL = ".partial"

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def storage_error(error: OSError, place: Path | str, doing: str = "written") -> StorageError:
    """The StorageError for an OSError: where, what went wrong and what to do next."""
    advice = {
        errno.ENOSPC: "disk full: free some space and run it again; nothing was half-written",
        errno.EDQUOT: "disk quota reached: free some space and run it again",
        errno.EACCES: "no permission: name another folder, or change its rights",
        errno.EPERM: "no permission: name another folder, or change its rights",
        errno.EROFS: "a read-only file system: name another folder (--out)",
    }
    reason = advice.get(error.errno or 0, error.strerror or str(error))
    return StorageError(f"{place}: cannot be {doing}: {reason}")


def write_atomic(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that a reader, a crash or a full disk sees its old content or all of the new.

    Missing parent folders are made.

    Raises:
        StorageError: disk full, no permission, ...; the old content stands.
    """
    partial = _partial(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        try:
            with partial.open("xb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)  # after the replace there is nothing left to unlink
        flush_folder(path.parent)
    except OSError as error:
        raise storage_error(error, path) from error


@contextmanager
def atomic_directory(target: Path, *, keep: Sequence[str] = ()) -> Generator[Path]:
    """A new, empty folder that takes the place of ``target`` when the block ends without an error.

    Args:
        target: the folder to make or to replace; a link to a folder means the folder it points to.
        keep: paths in the old folder that are copied into the new one, unless the block wrote them.

    Raises:
        StorageError: an OSError, also one inside the block; the old folder stands.
    """
    target = Path(os.path.realpath(target))
    partial = _partial(target)
    try:
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is a file, no folder", str(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        partial.mkdir()
        try:
            yield partial
            _carry_over(target, partial, keep)
            _flush_tree(partial)
            _put_in_place(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)  # the old folder, after an exchange
        flush_folder(target.parent)
    except OSError as error:
        raise storage_error(error, error.filename or target) from error


def flush_folder(folder: Path) -> None:
    """Put a folder's names on disk, where the system can: a power cut would lose a rename."""
    with suppress(OSError):  # Windows cannot open folders; some network file systems refuse
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def alive(pid: int) -> bool:
    """Whether a process of this machine runs under ``pid``."""
    if sys.platform == "win32":
        return True  # os.kill(pid, 0) would end it there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _host() -> str:
    # Process ids mean something on one machine only; its name stays out of what is written.
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _partial(target: Path) -> Path:
    mark = f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"
    return target.with_name(f".{target.name}.{mark}{PARTIAL}")


def _sweep(target: Path) -> None:
    """Remove what killed writers of this target left beside it."""
    start = f".{target.name}.{_host()}-"
    for litter in target.parent.iterdir():
        if not (litter.name.startswith(start) and litter.name.endswith(PARTIAL)):
            continue
        pid = litter.name[len(start) :].split("-")[0]
        if pid.isdecimal() and not alive(int(pid)):
            if litter.is_dir() and not litter.is_symlink():
                shutil.rmtree(litter, ignore_errors=True)
            else:
                litter.unlink(missing_ok=True)


def _carry_over(old: Path, new: Path, paths: Sequence[str]) -> None:
    for path in paths:
        source, goal = old / path, new / path
        if source.is_symlink() or goal.exists():
            continue
        if source.is_dir():
            shutil.copytree(source, goal, symlinks=True)
        elif source.is_file():
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, goal)


def _flush_tree(folder: Path) -> None:
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            if not path.is_symlink():
                with path.open("rb") as handle, suppress(PermissionError):
                    os.fsync(handle.fileno())
        flush_folder(Path(root))


def _put_in_place(new: Path, target: Path) -> None:
    if not target.exists():
        new.rename(target)
        return
    if _exchange(new, target):
        return  # `new` now names the old folder, which the caller removes
    # Two renames: killed between them there is no folder under the target's name, and never a half.
    old = _partial(target)
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step (Linux); False where kernel, C library or file system cannot."""
    if sys.platform != "linux":
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    result: int = rename(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE)
    )
    return result == 0
