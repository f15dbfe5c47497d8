"""Parquet files, read a row group at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import numpy as np

from kd2edge.errors import BackendError, DataError
from kd2edge.files.fingerprint import fingerprint, fingerprint_file
from kd2edge.inputs.cell import Unreadable, file_of
from kd2edge.rows.content import require_file
from kd2edge.rows.rows import Row, Rows


@final
class ParquetRows(Rows):
    """Rows of a ``.parquet`` file.

    The last row group that was asked for is kept in memory as Arrow columns: write files with row
    groups of some thousand rows when they are read in random order.  A file in a cell, which data
    sets ship as ``{bytes, path}``, is its bytes.

    Args:
        path: the file.
        columns: the columns to read; None reads all.

    Raises:
        BackendError: pyarrow is not installed.
        DataError: no such file, a damaged one, or a column that it lacks or has twice.
    """

    def __init__(self, path: Path, *, columns: tuple[str, ...] | None = None) -> None:
        require_file(path)
        self._path = path
        self._columns = columns
        self.root = str(path.parent)
        self.fingerprint = fingerprint(["parquet", fingerprint_file(path), columns])
        self._file = _open(path)
        names = self._file.schema_arrow.names
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise DataError(f"{path}: two columns have the name {repeated[0]!r}: rename one")
        absent = [name for name in columns or () if name not in names]
        if absent:
            raise DataError(f"{path}: no column {absent[0]!r}; it has {', '.join(names)}")
        groups = [
            self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)
        ]
        self._edges = np.concatenate([[0], np.cumsum(groups, dtype=np.int64)]).astype(np.int64)
        self._last: tuple[int, Any] = (-1, None)

    def __len__(self) -> int:
        return int(self._edges[-1])

    def __getitem__(self, position: int) -> Row:
        if not 0 <= position < len(self):
            raise IndexError(f"{self._path} has {len(self)} rows, asked for row {position}")
        group = int(np.searchsorted(self._edges, position, side="right")) - 1
        table = self._group(group)
        index = position - int(self._edges[group])
        return {name: _value(table.column(name), index) for name in table.column_names}

    def place(self, position: int) -> str:
        return f"{self._path}:{position + 1}"

    def _group(self, group: int) -> Any:
        kept = self._last  # read once: another thread may replace it
        if kept[0] != group:
            columns = None if self._columns is None else list(self._columns)
            kept = (group, _read_group(self._file, self._path, group, columns))
            self._last = kept
        return kept[1]


def _value(column: Any, index: int) -> Any:
    """The value in a cell, or what stands for dates beyond Python's, text that is no UTF-8 ..."""
    try:
        return file_of(column[index].as_py())
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # pyarrow's own errors are among these.
        return Unreadable(str(error)[:200])


def _open(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BackendError("parquet needs pyarrow: pip install 'kd2edge[data]'") from error
    try:
        return pyarrow.parquet.ParquetFile(path)
    except MemoryError:  # one of pyarrow's own errors, too
        raise
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: not a whole parquet file ({error})") from error


def _read_group(file: Any, path: Path, group: int, columns: list[str] | None) -> Any:
    import pyarrow

    try:
        return file.read_row_group(group, columns=columns)
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: row group {group} is damaged ({error})") from error
