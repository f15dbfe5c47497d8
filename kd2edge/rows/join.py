"""Several sources as one sequence of rows with global positions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import final

from kd2edge.errors import DataError
from kd2edge.files.fingerprint import fingerprint
from kd2edge.rows.rows import Row, Rows, Taken


@dataclass(frozen=True, slots=True)
class Source:
    """One source of a split.

    Args:
        name: its name in the recipe, with a number where it is one of several files; for messages.
        rows: its rows of this split.
        tasks: the tasks whose labels count; a label of any other task is as good as missing.
            Empty for rows that only teachers label.
        columns: name that inputs and tasks use -> name in the rows, where they differ.
        left_out: reason -> rows of the source that are not among ``rows``.
        recipe_name: what the recipe calls all files of the source; "": ``name``.  It is no part of
            the rows' fingerprint.
    """

    name: str
    rows: Rows
    tasks: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    recipe_name: str = ""


@final
class JoinedRows(Rows):
    """Rows of several sources; a global position counts through them in their order."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self._ends = list(accumulate(len(source.rows) for source in self._sources))
        self.root = self._sources[0].rows.root if self._sources else ""
        self.fingerprint = fingerprint([_identity(source) for source in self._sources])

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, position: int) -> Row:
        source, local = self._find(position)
        return _renamed(source.rows[local], source.columns)

    def __iter__(self) -> Iterator[Row]:
        for source in self._sources:
            for row in source.rows:
                yield _renamed(row, source.columns)

    def place(self, position: int) -> str:
        source, local = self._find(position)
        return source.rows.place(local)

    def root_of(self, position: int) -> str:
        source, local = self._find(position)
        return source.rows.root_of(local)

    def is_made(self, position: int) -> bool:
        source, local = self._find(position)
        return source.rows.is_made(local)

    @property
    def parts(self) -> tuple[JoinedRows, ...]:
        labelled = JoinedRows([source for source in self._sources if source.tasks])
        others = JoinedRows([source for source in self._sources if not source.tasks])
        return (labelled, others) if len(others) else (labelled,)

    @property
    def taken(self) -> tuple[Taken, ...]:
        return tuple(Taken(source.rows, None, source.columns) for source in self._sources)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources, in the order of their rows."""
        return self._sources

    def source_of(self, position: int) -> Source:
        """The source of a row."""
        return self._find(position)[0]

    def tasks_of(self, position: int) -> tuple[str, ...]:
        """The tasks whose labels count in a row."""
        return self._find(position)[0].tasks

    def _find(self, position: int) -> tuple[Source, int]:
        if not 0 <= position < len(self):
            raise IndexError(f"there are {len(self)} rows, asked for row {position}")
        index = bisect_right(self._ends, position)
        return self._sources[index], position - (self._ends[index - 1] if index else 0)


def joined(sources: Sequence[Source]) -> JoinedRows:
    """Join the sources of a split: first those with labels, then the unlabelled, each in order.

    Raises:
        DataError: two sources of one name.
    """
    names = [source.name for source in sources]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"two sources are named {repeated[0]!r}; give each its own name")
    return JoinedRows(sorted(sources, key=lambda source: not source.tasks))


def _identity(source: Source) -> list[object]:
    return [source.name, source.rows.fingerprint, sorted(source.tasks), dict(source.columns)]


def _renamed(row: Row, columns: Mapping[str, str]) -> Row:
    if not columns:
        return row
    moved = set(columns.values())
    # A column that is renamed away does not also stand under its old name: a misspelt map would
    # otherwise quietly read another column.
    kept = {name: value for name, value in row.items() if name not in moved and name not in columns}
    return kept | {name: row[actual] for name, actual in columns.items() if actual in row}
