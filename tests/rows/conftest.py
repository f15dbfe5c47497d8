"""Files to read, and sources to join."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import pytest

from kd2edge.files.fingerprint import fingerprint
from kd2edge.rows import JoinedRows, Row, Rows, Source, joined


@final
class ListRows(Rows):
    """Rows from a list."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], name: str = "list") -> None:
        self._rows = rows
        self._name = name
        self.root = f"/{name}"
        self.fingerprint = fingerprint(list(rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Row:
        if not 0 <= position < len(self):
            raise IndexError(position)
        return self._rows[position]

    def place(self, position: int) -> str:
        return f"{self._name}:{position + 1}"


@pytest.fixture
def list_rows() -> Callable[..., Rows]:
    return ListRows


@pytest.fixture
def join_lists() -> Callable[..., JoinedRows]:
    """Joined rows of one source that labels the given tasks."""

    def make(rows: Sequence[Mapping[str, Any]], *tasks: str) -> JoinedRows:
        return joined([Source("only", ListRows(rows, "rows.jsonl"), tasks)])

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make
