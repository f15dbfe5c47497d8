"""Paths inside a bundle: what a manifest may name, and opening it without leaving the folder."""

from __future__ import annotations

import os
import re
import shlex
import stat
from pathlib import Path

from kd2edge.errors import IntegrityError, PathEscapeError, StorageError, UsageError

MANIFEST = "manifest.json"
#: Folder of the evidence: beside the identity, never part of it.
REPORTS = "reports"

_LONGEST = 512
_DRIVE = re.compile(r"[A-Za-z]:")
#: Characters that some file system gives a meaning (drives, streams, wildcards) or cannot hold.
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f:*?"<>|]')


def folder_path(path: object) -> Path:
    """The folder that a caller names, as text, bytes or a path object.

    Raises:
        UsageError: it is none of these.
    """
    try:
        return Path(os.fsdecode(path))  # pyright: ignore[reportArgumentType]
    except TypeError as error:
        raise UsageError(f"expected the path of a folder, found a {type(path).__name__}") from error


def is_folder(folder: Path) -> bool:
    """Whether there is such a folder.

    Raises:
        StorageError: nobody can say, as of a name that is too long.
    """
    try:
        return folder.is_dir()
    except OSError as error:
        raise StorageError(f"{folder}: cannot be read: {error.strerror or error}") from error


def checked_path(path: str, where: str) -> str:
    """``path`` if it is a plain relative POSIX path that stays inside its folder on every system.

    Raises:
        PathEscapeError: absolute, with ``..``, a backslash or a drive letter.
        IntegrityError: empty, too long, or with characters that no portable path has.
    """
    parts = path.split("/")
    if path.startswith("/") or "\\" in path or ".." in parts or _DRIVE.match(path):
        raise PathEscapeError(f"{where}: {path!r} leaves the folder; expected a relative path")
    if not path or len(path) > _LONGEST or _FORBIDDEN.search(path) or not path.isprintable():
        raise IntegrityError(f"{where}: {path[:80]!r} is no portable path")
    if any(part in {"", "."} or part.endswith((" ", ".")) for part in parts):
        raise IntegrityError(f"{where}: {path!r} is not written in its plain form")
    return path


def read_inside(folder: Path, path: str, *, limit: int, links: bool = False) -> bytes:
    """Read a regular file of a folder, once and whole.

    Args:
        folder: the folder that the file must not leave, links resolved.
        path: relative path, already checked by :func:`checked_path`.
        limit: most bytes the file may have.
        links: the file may be a link into the cache of a model hub's client that holds the folder.
            For what is held against a checksum, or read as a stranger's, alone.

    Raises:
        PathEscapeError: a link on the way leads out of the folder.
        IntegrityError: not there, no regular file, not readable, or more than ``limit`` bytes.
    """
    place = folder / path
    real, root = Path(os.path.realpath(place)), Path(os.path.realpath(folder))
    if not real.is_relative_to(root) and not (links and real.parent in _blobs(root)):
        if not real.exists():
            raise PathEscapeError(f"{place}: {_missing(place)}")
        raise PathEscapeError(
            f"{place}: a link that leaves {folder}; copy the bundle with its files in place of"
            f" links: {_copied(folder)}"
        )
    try:
        # Not blocking: a pipe under that name would otherwise wait for a writer forever.
        descriptor = os.open(real, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
        with os.fdopen(descriptor, "rb") as handle:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise IntegrityError(f"{place}: expected a regular file")
            # No more than is there: Python sets aside what it is asked for, whatever that is.
            content = handle.read(max(min(limit, found.st_size), 0) + 1)
    except FileNotFoundError as error:
        raise IntegrityError(f"{place}: {_missing(place)}") from error
    except OSError as error:
        raise IntegrityError(f"{place}: cannot be read: {error.strerror or error}") from error
    if len(content) > limit:
        raise IntegrityError(f"{place}: larger than the {limit:,} bytes it may have")
    return content


def _blobs(folder: Path) -> list[Path]:
    """Where a hub's client keeps the files of a folder: ``blobs`` beside its ``snapshots``.

    Nothing that a bundle, or an archive of one, brings along can be there.
    """
    return [above.parent / "blobs" for above in folder.parents if above.name == "snapshots"]


def _missing(place: Path) -> str:
    if not place.is_symlink():
        return "missing"
    return "missing: a link to a file that is not there; download or copy the bundle again, whole"


def _copied(folder: Path) -> str:
    return f"cp -rL {shlex.quote(str(folder))} {shlex.quote(f'{folder.name}-copy')}"


_BINARY = getattr(os, "O_BINARY", 0)  # Windows would translate line ends
