"""Arrays as ``.npz`` whose bytes depend on nothing but the arrays."""

from __future__ import annotations

import io
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.errors import IntegrityError

#: The date of every member: NumPy's own writer puts the time of writing there.
_EPOCH = (1980, 1, 1, 0, 0, 0)

_ENDING = ".npy"
#: Most bytes that the arrays of one file may have together.
LIMIT = 1 << 30

#: How the header of each version of ``.npy`` is read.
_HEADERS: Mapping[tuple[int, int], Callable[..., tuple[tuple[int, ...], bool, Any]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

#: What zip and NumPy raise over bytes that were changed.
_DAMAGE = (
    ValueError, TypeError, LookupError, OSError, EOFError, NotImplementedError, RuntimeError,
    OverflowError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def npz_bytes(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The bytes of an ``.npz``: members sorted, of one date, compressed; objects are refused."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            member = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16  # the default depends on the system
            member.create_system = 3
            content = io.BytesIO()
            array = np.asarray(arrays[name], order="C")
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(member, content.getvalue())
    return buffer.getvalue()


def npz_arrays(content: bytes, limit: int = LIMIT) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an ``.npz``; nothing is unpickled.

    Args:
        content: the archive.
        limit: most bytes that its arrays may have together.

    Raises:
        IntegrityError: the bytes are no ``.npz``, were changed since, or are more than ``limit``
            once unpacked; memory is taken only for what is really there.
        MemoryError: what is there is more than this machine has.
    """
    buffer = io.BytesIO(content)
    if not zipfile.is_zipfile(buffer):  # np.load would try other formats
        raise IntegrityError("it is no .npz archive")
    try:
        with zipfile.ZipFile(buffer) as archive:
            members = archive.infolist()
            _require_sound(members, limit)
            # No member gives more bytes than it states: zipfile stops there.
            return {
                member.filename.removesuffix(_ENDING): _array(archive.read(member))
                for member in members
            }
    except _DAMAGE as error:
        raise IntegrityError(f"it is damaged: {error}") from error


def _require_sound(members: Sequence[zipfile.ZipInfo], limit: int) -> None:
    total = sum(member.file_size for member in members)
    if total > limit:
        raise IntegrityError(f"it unpacks to {total:,} bytes; at most {limit:,} are read")
    names = {member.filename for member in members}
    if len(names) != len(members) or not all(name.endswith(_ENDING) for name in names):
        raise ValueError("expected arrays (.npy), each once")


def _array(content: bytes) -> npt.NDArray[Any]:
    """The array in the bytes of an ``.npy``, once its header agrees with their number.

    NumPy sets memory aside for what a header states, whatever follows.
    """
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the .npy format")
    shape, dtype = _header(stream, version)
    stated = prod(shape) * dtype.itemsize  # whole numbers of Python, which do not overflow
    if not dtype.hasobject and stated != len(content) - stream.tell():
        raise ValueError(f"a header that states {stated:,} bytes before {len(content):,}")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _header(stream: io.BytesIO, version: tuple[int, int]) -> tuple[tuple[int, ...], Any]:
    """The shape and the type that a header states, which is read as a literal of Python."""
    try:
        shape, _, dtype = _HEADERS[version](stream)
    except MemoryError as error:  # so Python's parser says that a text is nested too deep
        raise ValueError("a header that cannot be parsed") from error
    if not all(0 <= size <= sys.maxsize for size in shape):  # a product with 0 would hide them
        raise ValueError("a header with dimensions that no array has")
    return shape, dtype
