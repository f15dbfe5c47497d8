from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from kd2edge.errors import IntegrityError
from kd2edge.files import npz_arrays, npz_bytes

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


def packed(**members: bytes) -> bytes:
    """A zip archive of ``.npy`` members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(shape: str, descr: str = "'<f4'", data: bytes = b"") -> bytes:
    """An ``.npy`` whose header states anything."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    "member",
    [
        npy("(1000000000000000000,)"),
        npy("(1000000, 1000000, 1000000, 1000000)"),
        npy("(-1,)", data=bytes(4)),
        npy("(2,)", data=bytes(4)),
        npy("(1,)", data=bytes(8)),
        npy("('a',)"),
        npy("(1,)", "'|V4000000000'"),
        npy("((((((((1,),),),),),),),)"),
        npy("(" + "9" * 5000 + ",)"),
        npy("(" * 500 + ")" * 500),
        npy("(1000000000000000000000000000000, 0)"),
        npy("(-4, 0)"),
        npy("-" * 8000 + "1"),
        npy("(("),
        npy("'''"),
        b"\x93NUMPY\x03\x00" + npy("(1,)", data=bytes(4))[8:],
        b"\x93NUMPY\x09\x00",
        b"",
    ],
)
def test_what_a_header_states_and_is_not_there_takes_no_memory(member: bytes) -> None:
    with pytest.raises(IntegrityError, match="damaged"):
        npz_arrays(packed(a=member))


def test_what_unpacks_to_more_than_the_limit_is_refused_before_it_is_unpacked() -> None:
    content = packed(a=npy("(16777216,)", data=bytes(4 << 24)))
    assert len(content) < 1 << 20
    with pytest.raises(IntegrityError, match="unpacks to 67,1.* at most 1,024"):
        npz_arrays(content, limit=1024)
    assert npz_arrays(content)["a"].shape == (1 << 24,)


def test_a_size_that_the_archive_understates_does_not_help() -> None:
    content = bytearray(packed(a=npy("(1048576,)", data=bytes(4 << 20))))
    size = (4 << 20) + len(npy("(1048576,)"))
    at = bytes(content).rindex(size.to_bytes(4, "little"))  # in the directory
    content[at : at + 4] = (100).to_bytes(4, "little")
    with pytest.raises(IntegrityError):
        npz_arrays(bytes(content))
