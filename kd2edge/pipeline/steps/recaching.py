"""``--recache``: caches are made again, and the old ones go once the run may write."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from kd2edge.files import folder_lock
from kd2edge.files.atomic import storage_error
from kd2edge.files.lock import LOCK

__all__ = ["caches_set_aside"]

#: What kd2edge keeps in a cache folder; nothing else that stands there is touched.
_KINDS = ("encoded", "teachers")
_ASIDE = "aside"


@contextmanager
def caches_set_aside(cache: Path) -> Generator[Callable[[], None]]:
    """Set a folder's caches aside, so that new ones are made in their place.

    A run that is refused meanwhile gets them back.  A process that is killed leaves them aside,
    where the next call removes them.

    Args:
        cache: the folder, which other runs may share.

    Yields:
        What removes them for good: to be called when nothing can be refused any more.

    Raises:
        StorageError: one that another run is writing, or that cannot be moved or removed.
    """
    aside = cache / _ASIDE
    moved: list[tuple[Path, Path]] = []

    def forget() -> None:
        moved.clear()
        _remove(aside)

    forget()
    try:
        for kind in _KINDS:
            for folder in sorted((cache / kind).glob("*/")):
                moved.append((folder, aside / kind / folder.name))
                _move(*moved[-1])
        yield forget
    except BaseException:
        for folder, place in moved:
            if place.exists() and not folder.exists():  # else a new one stands there
                _move(place, folder)
        raise
    finally:
        forget()


def _move(folder: Path, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with folder_lock(folder):  # not what another run is writing
            folder.rename(place)
            (place / LOCK).unlink(missing_ok=True)  # it was moved, too
    except OSError as error:
        raise storage_error(error, folder, "moved") from error


def _remove(folder: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise storage_error(error, folder, "removed") from error
