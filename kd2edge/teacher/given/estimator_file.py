"""Estimators of scikit-learn in skops' form: read without running what skops does not trust."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any, final
from zipfile import BadZipFile, ZipFile

from kd2edge.errors import BackendError, IntegrityError, UsageError
from kd2edge.files.atomic import storage_error
from kd2edge.files.fingerprint import fingerprint_bytes

#: Bytes of a file once it is unpacked.
_LIMIT = 2 << 30


@final
@dataclass(frozen=True, slots=True)
class EstimatorFiles:
    """Fitted estimators, read from their files.

    Args:
        name: of the files, for messages.
        estimators: task -> what answers it; several tasks may share one.
        hashes: task -> SHA-256 of its file.
        files: the files' names -> SHA-256.
        bytes: of all of them.
        notes: what was told while they were read, such as another version of scikit-learn.
    """

    name: str
    estimators: Mapping[str, Any]
    hashes: Mapping[str, str]
    files: Mapping[str, str]
    bytes: int
    notes: tuple[str, ...]


def estimator_files(paths: Mapping[str, Path], trusted: Sequence[str]) -> EstimatorFiles:
    """Read the estimators of some tasks; of a type that is not trusted nothing is made.

    Whoever trusts types beyond skops' own has asked ``recipe.code.require_code_allowed`` before.

    Args:
        paths: task -> its file.
        trusted: types beyond those that skops trusts, by their full names.

    Raises:
        StorageError: a file that cannot be read.
        IntegrityError: no file of skops, or a damaged one.
        UsageError: types in it that are not trusted.
        BackendError: skops is not installed.
    """
    contents = {path: _read(path) for path in dict.fromkeys(paths.values())}
    notes: dict[str, None] = {}
    loaded: dict[Path, Any] = {}
    for path, content in contents.items():
        with _told(notes, path):
            loaded[path] = _estimator(content, path, trusted)
    hashes = {path: fingerprint_bytes(content) for path, content in contents.items()}
    first: dict[Path, str] = {}
    for task, path in paths.items():
        first.setdefault(path, task)
    alone = len(contents) == 1
    return EstimatorFiles(
        ", ".join(path.name for path in contents),
        {task: loaded[path] for task, path in paths.items()},
        {task: hashes[path] for task, path in paths.items()},
        {path.name if alone else f"{first[path]}/{path.name}": hashes[path] for path in contents},
        sum(map(len, contents.values())),
        tuple(notes),
    )


def _estimator(content: bytes, path: Path, trusted: Sequence[str]) -> Any:
    skops = _skops(path)
    _require_small(content, path)
    try:
        unknown = sorted(set(skops.get_untrusted_types(data=content)) - set(trusted))
    except Exception as error:
        raise _damaged(path, error) from error
    if unknown:
        raise UsageError(
            f"{path}: it holds {', '.join(unknown)}, which skops does not trust: making or asking"
            " such an object may run code of whoever wrote the file. If that is you, name it under"
            " `trusted` and say --allow-code"
        )
    try:
        return skops.loads(content, trusted=list(trusted))
    except Exception as error:
        raise _damaged(path, error) from error


def _require_small(content: bytes, path: Path) -> None:
    """Refuse what becomes more than memory should hold, before anybody unpacks it."""
    try:
        with ZipFile(BytesIO(content)) as members:
            size = sum(one.file_size for one in members.infolist())
    except (BadZipFile, ValueError, NotImplementedError) as error:
        raise _damaged(path, error) from error
    if size > _LIMIT:
        raise IntegrityError(
            f"{path}: unpacked it has {size:,} bytes, at most {_LIMIT:,} are read: is it what"
            " skops.io.dump saved?"
        )


def _skops(path: Path) -> ModuleType:
    try:
        import skops.io
    except ImportError as error:
        raise BackendError(f"{path}: it is read by skops: pip install 'kd2edge[skops]'") from error
    return skops.io


def _damaged(path: Path, error: Exception) -> IntegrityError:
    said = f"{type(error).__name__}: {error}"
    return IntegrityError(
        f"{path}: expected an estimator that skops.io.dump saved, found none that can be read"
        f" ({said:.200}): save it again, with this version of scikit-learn"
    )


@contextmanager
def _told(notes: dict[str, None], path: Path) -> Iterator[None]:
    """Warnings inside become notes: who reads a report has not seen standard error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for one in caught:
        was = getattr(one.message, "original_sklearn_version", None)
        now = getattr(one.message, "current_sklearn_version", None)
        if was is not None and now is not None:
            note = (
                f"{path.name} was saved by scikit-learn {was} and is read by {now}, which may"
                " answer otherwise: compare its metrics with what you know, or save it anew"
            )
            notes[note] = None
        elif not issubclass(one.category, (DeprecationWarning, FutureWarning)):
            notes[f"{path.name}: {str(one.message):.300}"] = None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise storage_error(error, path) from error
