"""The interface of a source of rows: access by position, a fingerprint, a place for messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]


class Rows(ABC):
    """Rows of one split of one source.  Opening takes little memory: rows are read when asked."""

    #: SHA-256 of the bytes (or of builder name, version and options) that the rows come from.
    fingerprint: str
    #: Folder that relative media paths in the rows start at.
    root: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, position: int) -> Row:
        """The row at ``position`` (0-based).

        Raises:
            DataError: a line that cannot be parsed, naming file and line.
        """

    @abstractmethod
    def place(self, position: int) -> str:
        """Where a row stands, for messages: ``train.jsonl:17``."""

    def root_of(self, position: int) -> str:
        """Folder that relative media paths in this row start at; joined rows have several."""
        del position
        return self.root

    @property
    def parts(self) -> tuple[Rows, ...]:
        """Those of sources that label something, which stand first, and the others, if any.

        Of one source all rows: what has labels is asked of joined rows.
        """
        return (self,)

    def is_made(self, position: int) -> bool:
        """Whether a row was made of others, often many of one: nothing is counted in it."""
        del position
        return False

    def __iter__(self) -> Iterator[Row]:
        return (self[position] for position in range(len(self)))
