"""What a maker of rows is given, and what it gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from kd2edge.ragged import listed
from kd2edge.rows.rows import Row, Rows

#: What a maker changes: texts and lists of words, or numbers and categories.
Changes = Literal["words", "cells"]


@dataclass(frozen=True, slots=True)
class Making:
    """How rows are made; a maker has the columns of what it changes, and no others.

    Args:
        kind: a name in ``MAKERS``.
        copies: rows made of each row.
        seed: another one makes other rows.
        options: of the maker.
        words: columns that hold texts, or lists of words.
        numeric: columns of numbers.
        categorical: columns of categories.
    """

    kind: str
    copies: int
    seed: int
    options: Mapping[str, Any]
    words: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()


class Maker(ABC):
    """Makes variants of rows; one is made when a first row is asked for.

    What holds no words, number or category is left as it is: the walk over the rows names it.
    """

    #: What an older rule made are other rows.
    rule: ClassVar[int]
    changes: ClassVar[Changes]

    @abstractmethod
    def __init__(self, rows: Rows, how: Making) -> None: ...

    @abstractmethod
    def make(self, position: int, random: np.random.Generator) -> Row:
        """A variant of the row at ``position``, a function of the rows and of ``random``."""


def words_in(value: Any) -> list[str]:
    """The words in a cell, those between blanks of a text; none where it holds neither."""
    if isinstance(value, str):
        return value.split()
    items = listed(value)
    return list(items) if items is not None and all(isinstance(one, str) for one in items) else []


def written_as(value: Any, words: Sequence[str]) -> Any:
    """Words in the form that a cell has them in: a text, or a list."""
    return " ".join(words) if isinstance(value, str) else list(words)
