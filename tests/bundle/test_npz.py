from __future__ import annotations

import io

import numpy as np
import pytest

from kd2edge.bundle import npz_arrays, npz_bytes
from kd2edge.errors import IntegrityError

ARRAYS = {"b": np.arange(40, dtype=np.float32).reshape(5, 8).T, "a/x": np.array([1, 2], np.uint64)}


def test_arrays_come_back_as_they_were() -> None:
    found = npz_arrays(npz_bytes(ARRAYS))
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


def test_the_bytes_depend_on_the_arrays_alone() -> None:
    assert npz_bytes(ARRAYS) == npz_bytes(dict(reversed(ARRAYS.items())))
    assert npz_bytes(ARRAYS) != npz_bytes({"a/x": ARRAYS["a/x"]})


def test_objects_are_refused_both_ways() -> None:
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(ValueError, match="Object arrays"):
        npz_bytes({"a": objects})
    buffer = io.BytesIO()
    np.savez(buffer, a=objects)
    with pytest.raises(IntegrityError, match="damaged"):
        npz_arrays(buffer.getvalue())


def test_a_changed_byte_is_never_read_as_other_arrays() -> None:
    content = npz_bytes(ARRAYS)
    refused = 0
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 0x10
        try:
            found = npz_arrays(bytes(changed))
        except IntegrityError:
            refused += 1
            continue
        # Dates and the like hold nothing that counts.
        for name, array in found.items():
            assert name not in ARRAYS or np.array_equal(array, ARRAYS[name])
    assert refused > len(content) // 2


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError, match="no .npz archive"):
        npz_arrays(content)
