"""Writer and reader together: what was written is what is read, or it is refused."""

from __future__ import annotations

import json
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kd2edge.data import ArrayStore, ArrayWriter, reader
from kd2edge.data.layout import MANIFEST, Field, shard_rows
from kd2edge.data.shard import read_sealed
from kd2edge.data.writer import Append, Make
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


def parts_of(shards: list[list[int]]) -> list[range]:
    ends = offsets_of(np.array([len(lengths) for lengths in shards], np.int64)).tolist()
    return [range(begin, end) for begin, end in pairwise(ends)]


def making(shards: list[list[int]], made: list[range] | None = None) -> Make:
    """Makes shards with these lengths of rows; ``made`` tells which it was asked for."""
    lengths = [length for shard in shards for length in shard]

    def make(rows: range, append: Append) -> dict[str, Any]:
        for row in rows:  # in chunks of one row
            append(chunk([lengths[row]], row))
        if made is not None:
            made.append(rows)
        return {"last": rows[-1]}

    return make


def write(
    directory: Path, shards: list[list[int]], made: list[range] | None = None, print_: str = "print"
) -> None:
    out = ArrayWriter(directory, FIELDS, print_)
    out.join(out.fill(parts_of(shards), making(shards, made)), {"note": "x"})


def as_lists(column: np.ndarray | Ragged) -> list[Any]:
    if isinstance(column, Ragged):
        return [column.row(at).tolist() for at in range(column.rows)]
    return column.tolist()


def read_all(store: ArrayStore) -> dict[str, list[Any]]:
    return {name: as_lists(store.column(name)) for name in store.fields}


@settings(max_examples=25, deadline=None)
@given(shards=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5), min_size=1, max_size=5))
def test_any_shards_hold_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, shards: list[list[int]]
) -> None:
    directory = tmp_path_factory.mktemp("store")
    write(directory, shards)
    store = ArrayStore(directory)
    expected: dict[str, list[Any]] = {field.name: [] for field in FIELDS}
    lengths = [length for shard in shards for length in shard]
    for row, length in enumerate(lengths):
        for name, column in chunk([length], row).items():
            expected[name] += as_lists(column)
    assert store.rows == len(lengths)
    assert read_all(store) == expected


@pytest.mark.parametrize("small", [True, False])
def test_any_rows_can_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: bool
) -> None:
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

    def make(rows: range, append: Append) -> dict[str, Any]:
        append({"a": np.arange(12).reshape(4, 3), "b": np.arange(4.0)})
        return {}

    out.join(out.fill([range(4)], make), {})
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


@pytest.mark.parametrize("at", [0, 64, 200, -9, -1])
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


THREE = [[1, 2], [0], [3]]


@pytest.mark.parametrize("have", [[0], [1], [0, 2], [0, 1, 2]])
def test_shards_that_are_whole_are_taken_over(tmp_path: Path, have: list[int]) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    write(whole, THREE)
    part.mkdir()
    for number in have:  # wherever they were made
        name = f"{number:05d}.bin"
        (part / name).write_bytes((whole / name).read_bytes())
    made: list[range] = []
    write(part, THREE, made)
    assert made == [rows for at, rows in enumerate(parts_of(THREE)) if at not in have]
    assert {path.name: path.read_bytes() for path in part.iterdir()} == {
        path.name: path.read_bytes() for path in whole.iterdir()
    }


@pytest.mark.parametrize("fault", ["cut", "flipped", "seal", "other arrays", "other rows", "empty"])
def test_shards_that_are_not_whole_or_not_these_are_made_again(tmp_path: Path, fault: str) -> None:
    write(tmp_path, THREE, print_="other" if fault == "other arrays" else "print")
    path = tmp_path / "00001.bin"
    content = bytearray(path.read_bytes())
    if fault == "cut":
        del content[-20:]
    elif fault == "flipped":
        content[3] ^= 1
    elif fault == "seal":
        content[-1] = 255
    elif fault == "empty":
        content.clear()
    path.write_bytes(content)
    if fault == "other rows":
        path.write_bytes((tmp_path / "00000.bin").read_bytes())
    made: list[range] = []
    write(tmp_path, THREE, made)
    assert made == (parts_of(THREE) if fault == "other arrays" else [range(2, 3)])
    assert ArrayStore(tmp_path).rows == 4


def test_what_was_noted_stays_with_its_shard(tmp_path: Path) -> None:
    for _ in range(2):  # made, and taken over
        out = ArrayWriter(tmp_path, FIELDS, "print")
        notes = [one.note for one in out.fill(parts_of(THREE), making(THREE))]
        assert notes == [{"last": 1}, {"last": 2}, {"last": 3}]


def test_a_shard_that_another_makes_is_waited_for(tmp_path: Path) -> None:
    """Threads here: a lock is held by whoever opened it, so they are as good as processes."""
    first, second = [], []
    begun = threading.Barrier(2)

    def filled(made: list[range]) -> None:
        make = making(THREE, made)

        def together(rows: range, append: Append) -> dict[str, Any]:
            if not made:
                begun.wait(60)  # neither makes a second one before both have a first
            return dict(make(rows, append))

        out = ArrayWriter(tmp_path, FIELDS, "print")
        out.join(out.fill(parts_of(THREE), together), {"note": "x"})

    threads = [threading.Thread(target=filled, args=(made,)) for made in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first
    assert second
    assert sorted([*first, *second], key=lambda rows: rows.start) == parts_of(THREE)
    write(tmp_path / "alone", THREE)
    assert read_all(ArrayStore(tmp_path)) == read_all(ArrayStore(tmp_path / "alone"))
    assert not list(tmp_path.glob("*.lock"))


def test_a_shard_of_too_few_rows_is_refused(tmp_path: Path) -> None:
    out = ArrayWriter(tmp_path, FIELDS, "print")
    with pytest.raises(ValueError, match="4 rows expected, 0 appended"):
        out.fill([range(4)], lambda rows, append: {})
    assert read_sealed(tmp_path / "00000.bin", range(4), "print") is None


def test_shards_are_whole_steps_of_bounded_size() -> None:
    for row_bytes, step, expected in ((1, 256, 16384), (1 << 20, 256, 256), (1024, 3000, 6000)):
        assert shard_rows(row_bytes, step) == expected


def test_a_value_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    out = ArrayWriter(tmp_path, (Field("small", "uint8"),), "print")
    with pytest.raises(IntegrityError, match="small"):
        out.row_bytes({"small": np.array([256])})


def test_manifest_is_plain_json(tmp_path: Path) -> None:
    write(tmp_path, [[1]])
    document = json.loads((tmp_path / MANIFEST).read_bytes())
    assert document["rows"] == 1
    assert document["meta"] == {"note": "x"}
