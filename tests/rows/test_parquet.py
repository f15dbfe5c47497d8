from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kd2edge.errors import DataError
from kd2edge.inputs.cell import described
from kd2edge.rows import open_rows
from kd2edge.tasks.labels import label_text

ROWS = [{"text": f"t{k}", "tags": ["O"] * k, "label": None if k % 3 else k} for k in range(10)]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=4)
    return path


def test_rows_are_read_in_any_order_over_row_groups(path):
    rows = open_rows("parquet", path)
    assert len(rows) == 10
    assert list(rows) == ROWS
    assert [rows[k] for k in (9, 0, 4, 3)] == [ROWS[k] for k in (9, 0, 4, 3)]
    assert rows.place(4) == f"{path}:5"


def test_chosen_columns_alone_are_read(path):
    rows = open_rows("parquet", path, options={"columns": ("label",)})
    assert rows[3] == {"label": 3}
    assert rows.fingerprint != open_rows("parquet", path).fingerprint
    with pytest.raises(DataError, match="no column 'lable'; it has text, tags, label"):
        open_rows("parquet", path, options={"columns": ["lable"]})


def test_a_damaged_file_is_refused(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(DataError, match="not a whole parquet file"):
        open_rows("parquet", path)


def test_an_empty_file_has_no_rows(tmp_path):
    pq.write_table(pa.table({"a": pa.array([], pa.string())}), tmp_path / "none.parquet")
    assert list(open_rows("parquet", "none.parquet", root=tmp_path)) == []


def test_a_file_in_a_cell_is_its_bytes_or_else_its_path(tmp_path):
    cells = [{"bytes": b"one", "path": "1.png"}, {"bytes": None, "path": "2.png"}, None]
    other = {"path": "3.png", "size": 3}
    table = pa.Table.from_pylist([{"image": cell, "about": other} for cell in cells])
    pq.write_table(table, tmp_path / "pictures.parquet")
    rows = open_rows("parquet", tmp_path / "pictures.parquet")
    assert [row["image"] for row in rows] == [b"one", "2.png", None]
    assert rows[0]["about"] == other


def test_two_columns_of_one_name_are_refused(path):
    columns = [pa.array(["a"]), pa.array([1]), pa.array([2])]
    pq.write_table(pa.Table.from_arrays(columns, names=["text", "label", "label"]), path)
    with pytest.raises(DataError, match="two columns have the name 'label': rename one"):
        open_rows("parquet", path)


LETTERS = pa.Array.from_buffers(
    pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")]
)
NO_PYTHON_VALUES = {
    "no UTF-8": LETTERS,
    "no zone": pa.array([0], pa.timestamp("us", tz="Foo/Bar")),
    "a date": pa.array([2**30], pa.date32()),
    "a time": pa.array([2**62], pa.timestamp("us")),
    "a duration": pa.array([2**62], pa.duration("s")),
    "two fields of one name": pa.StructArray.from_arrays(
        [pa.array([1]), pa.array([2])], names=["a", "a"]
    ),
}


@pytest.mark.parametrize("column", NO_PYTHON_VALUES.values(), ids=NO_PYTHON_VALUES)
def test_values_that_python_has_not_stop_nobody_who_does_not_ask_for_them(path, column):
    pq.write_table(pa.table({"text": ["a"], "more": column}), path)
    (row,) = open_rows("parquet", path)
    assert row["text"] == "a"
    assert described(row["more"]).startswith("one that cannot be read (")
    with pytest.raises(ValueError, match="expected a label .* found"):
        label_text(row["more"])


def test_no_memory_is_no_damage(path, monkeypatch):
    rows = open_rows("parquet", path)

    def short(*_: object, **__: object) -> None:
        raise pa.ArrowMemoryError("realloc of size 147456 failed")

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", short)
    with pytest.raises(MemoryError):
        rows[0]
    monkeypatch.setattr(pq, "ParquetFile", short)
    with pytest.raises(MemoryError):
        open_rows("parquet", path)
