"""Arrays as ``.npz`` whose bytes depend on nothing but the arrays."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.errors import IntegrityError

#: The date of every member: NumPy's own writer puts the time of writing there.
_EPOCH = (1980, 1, 1, 0, 0, 0)

#: What zip and NumPy raise over bytes that were changed.
_DAMAGE = (
    ValueError, TypeError, LookupError, OSError, EOFError, NotImplementedError,
    zipfile.BadZipFile, zlib.error,
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


def npz_arrays(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an ``.npz``; nothing is unpickled.

    Raises:
        IntegrityError: the bytes are no ``.npz``, or were changed since.
    """
    buffer = io.BytesIO(content)
    if not zipfile.is_zipfile(buffer):  # np.load would try other formats
        raise IntegrityError("it is no .npz archive")
    buffer.seek(0)
    try:
        with np.load(buffer, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except _DAMAGE as error:
        raise IntegrityError(f"it is damaged: {error}") from error
