"""The interface of a source of rows: access by position, a fingerprint, a place for messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """Rows that stand as they are among others.

    Args:
        rows: where they come from.
        positions: ``[row]`` which of these they are; None: all, in their order.
        columns: name that they have here -> name in ``rows``, where they differ; what is renamed
            away does not also stand under its old name.
    """

    rows: Rows
    positions: npt.NDArray[np.int64] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


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

    @property
    def taken(self) -> tuple[Taken, ...]:
        """The other rows that these are, one after the other; none: their own.

        What is worked out of each of those need not be worked out again.
        """
        return ()

    def is_made(self, position: int) -> bool:
        """Whether a row was made of others, often many of one: nothing is counted in it."""
        del position
        return False

    def __iter__(self) -> Iterator[Row]:
        return (self[position] for position in range(len(self)))
