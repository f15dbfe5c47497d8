"""Writer and reader together: what was written is what is read, or it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kd2edge.data import ArrayStore, ArrayWriter, reader, writer
from kd2edge.data.layout import MANIFEST, Field
from kd2edge.errors import IntegrityError
from kd2edge.ragged import Ragged, offsets_of

FIELDS = (
    Field("plain", "int32", (2,)),
    Field("ragged", "float16", ragged=True),
    Field("map", "uint8", (3, 1)),
    Field("wide", "int64", (2,), ragged=True),
    Field("flag", "uint8", resident=True),
)


def chunk(lengths: list[int], start: int = 0) -> dict[str, np.ndarray | Ragged]:
    rows = len(lengths)
    wide = np.array(lengths[::-1], np.int64)
    return {
        "plain": np.arange(start * 2, (start + rows) * 2).reshape(rows, 2),
        "ragged": Ragged(np.arange(sum(lengths)) + start, offsets_of(np.array(lengths, np.int64))),
        "map": (np.arange(3 * rows) + start).reshape(rows, 3, 1) % 256,
        "wide": Ragged(np.arange(2 * wide.sum()).reshape(-1, 2) + start, offsets_of(wide)),
        "flag": (np.arange(rows) + start) % 256,
    }


def write(directory: Path, chunks: list[list[int]]) -> None:
    out = ArrayWriter(directory, FIELDS, "print")
    start = 0
    for lengths in chunks:
        out.append(chunk(lengths, start))
        start += len(lengths)
    out.finish({"note": "x"})


def as_lists(column: np.ndarray | Ragged) -> list[Any]:
    if isinstance(column, Ragged):
        return [column.row(at).tolist() for at in range(column.rows)]
    return column.tolist()


def read_all(store: ArrayStore) -> dict[str, list[Any]]:
    return {name: as_lists(store.column(name)) for name in store.fields}


@settings(max_examples=25, deadline=None)
@given(
    chunks=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5), min_size=1, max_size=5),
    shard_bytes=st.sampled_from([1, 60, 1 << 20]),
)
def test_any_shards_hold_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[list[int]], shard_bytes: int
) -> None:
    directory = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "SHARD_BYTES", shard_bytes)
        write(directory, chunks)
    store = ArrayStore(directory)
    found = read_all(store)
    start = 0
    expected: dict[str, list[Any]] = {field.name: [] for field in FIELDS}
    for lengths in chunks:
        for name, column in chunk(lengths, start).items():
            expected[name] += as_lists(column)
        start += len(lengths)
    assert store.rows == start
    assert found == expected


@pytest.mark.parametrize("small", [True, False])
def test_any_rows_can_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: bool
) -> None:
    monkeypatch.setattr(writer, "SHARD_BYTES", 100)
    monkeypatch.setattr(reader, "_SMALL", (1 << 20) if small else 0)
    write(tmp_path, [[1, 2, 0], [3], [0, 4]])
    store = ArrayStore(tmp_path)
    every = read_all(store)
    for at in ([5, 0, 3, 3], [2], [4, 1]):
        positions = np.array(at)
        for name, field in store.fields.items():
            take = store.take_ragged if field.ragged else store.take
            assert as_lists(take(name, positions)) == [every[name][row] for row in at]


def test_without_ragged_fields_records_have_one_size(tmp_path: Path) -> None:
    out = ArrayWriter(tmp_path, [Field("a", "uint8", (3,)), Field("b", "float32")], "print")
    out.append({"a": np.arange(12).reshape(4, 3), "b": np.arange(4.0)})
    out.finish({})
    store = ArrayStore(tmp_path)
    positions = np.array([3, 0])
    assert store.take("a", positions).tolist() == [[9, 10, 11], [0, 1, 2]]
    assert store.take("b", positions).tolist() == [3.0, 0.0]
    assert store.take("a", positions).flags.writeable


def test_same_rows_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, [[1, 2], [0]])
    for file in (MANIFEST, "00000.bin"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("at", [0, 64, 200, -1])
def test_a_changed_byte_is_refused(tmp_path: Path, at: int) -> None:
    write(tmp_path, [[3, 1, 2], [4, 4]])
    path = tmp_path / "00000.bin"
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"00000\.bin.*--recache"):
        ArrayStore(tmp_path)


@pytest.mark.parametrize("name", ["00000.bin", MANIFEST])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, [[1]])
    (tmp_path / name).unlink()
    with pytest.raises(IntegrityError, match=name):
        ArrayStore(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": 99}'])
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, [[1]])
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(IntegrityError, match="recache"):
        ArrayStore(tmp_path)


def test_a_stopped_writer_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SHARD_BYTES", 1)
    whole, part = tmp_path / "whole", tmp_path / "part"
    write(whole, [[1, 2], [0], [3]])
    ArrayWriter(part, FIELDS, "print").append(chunk([1, 2]))
    again = ArrayWriter(part, FIELDS, "print")
    assert again.rows == 2
    again.append(chunk([0], 2))
    again.append(chunk([3], 3))
    again.finish({"note": "x"})
    assert read_all(ArrayStore(part)) == read_all(ArrayStore(whole))
    assert [path.name for path in part.glob("*.json")] == [MANIFEST]


def test_shards_of_another_fingerprint_or_damaged_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SHARD_BYTES", 1)
    first = ArrayWriter(tmp_path, FIELDS, "print")
    first.append(chunk([1, 2]))
    assert ArrayWriter(tmp_path, FIELDS, "other").rows == 0
    (tmp_path / "00000.bin").write_bytes(b"cut")
    assert ArrayWriter(tmp_path, FIELDS, "print").rows == 0


def test_a_value_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    out = ArrayWriter(tmp_path, (Field("small", "uint8"),), "print")
    with pytest.raises(IntegrityError, match="small"):
        out.append({"small": np.array([256])})


def test_manifest_is_plain_json(tmp_path: Path) -> None:
    write(tmp_path, [[1]])
    document = json.loads((tmp_path / MANIFEST).read_bytes())
    assert document["rows"] == 1
    assert document["meta"] == {"note": "x"}
