"""What an input is: raw values of a row on one side, named arrays of the graph on the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

#: A dimension: a fixed size, or the name of a dynamic one ("batch", "text.length").
Dim = int | str
#: The dimension that all arrays begin with; every other dynamic one belongs to an input.
BATCH = "batch"
#: Of a sequence: how many positions it has.
LENGTH = "length"


def dimension(of: str, name: str) -> str:
    """The name of a dynamic dimension of the input ``of``: two inputs never share one."""
    return f"{of}.{name}"


class WordStarts(NamedTuple):
    """Where the words of a batch begin: row ``i`` has ``values[offsets[i]:offsets[i + 1]]``.

    Not a table: one text of 100,000 words among many short ones would make it a huge one.
    """

    values: npt.NDArray[np.int64]  # [all words] position in ``length``; -1: cut off, or no piece
    offsets: npt.NDArray[np.int64]  # [row + 1]


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One array that a graph takes or gives; dynamic dimensions of ``shape`` have names."""

    name: str
    dtype: str
    shape: tuple[Dim, ...]

    @property
    def dynamic(self) -> dict[str, int]:
        """Dynamic dimension -> its axis, without the batch."""
        axes = enumerate(self.shape)
        return {dim: at for at, dim in axes if isinstance(dim, str) and dim != BATCH}


def dynamic_dimensions(arrays: Iterable[ArraySpec]) -> tuple[str, ...]:
    """Every dynamic dimension of some arrays, each once, without the batch."""
    return tuple(dict.fromkeys(dim for array in arrays for dim in array.dynamic))


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a model, with every constant of its preprocessing.

    Args:
        name: the key in ``predict({name: values})``.
        kind: a name in ``INPUT_KINDS``.
        columns: columns of the data that the raw value comes from.
        options: JSON values: every constant of the preprocessing (max_length, casing, size ...).
        files: role -> path in a bundle or run directory: ``{"tokenizer": "tokenizer/text.json"}``.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    files: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def prefix(self) -> str:
        """What stands before its arrays' names: "" unless two inputs would share a name."""
        return str(self.options.get("prefix", ""))

    @property
    def may_be_absent(self) -> bool:
        """Whether a row may lack it, as long as it has another input."""
        return bool(self.options.get("absent", False))


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch of one input, ready for the graph.

    Args:
        arrays: array name -> ``[batch, ...]``, padded to the longest row of the batch.
        word_starts: position of each word's first sub-word; None for inputs without words.
        words: (start, end, text) of every word of every row, cut-off ones included, for answers
            with spans; perhaps made only when asked for; None for inputs without words.
        present: which rows have the input ``[row]``; None where none may lack it.
        size: height and width that pictures had ``[row, 2]``; None: those of the arrays, or no
            pictures.
        lengths: how many positions each row has ``[row]``, padding aside, for inputs whose frames
            a task may decide; else None.
    """

    arrays: dict[str, npt.NDArray[Any]]
    word_starts: WordStarts | None = None
    words: Sequence[Sequence[tuple[int, int, str]]] | None = None
    present: npt.NDArray[np.bool_] | None = None
    size: npt.NDArray[np.int64] | None = None
    lengths: npt.NDArray[np.int64] | None = None
