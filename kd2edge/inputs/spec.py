"""What an input is: raw values of a row on one side, named arrays of the graph on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

#: A dimension: a fixed size, or the name of a dynamic one ("batch", "length").
Dim = int | str


#: In ``Encoded.word_starts``: the row has no such word (padding).
NO_WORD = -2


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One array that a graph takes or gives; dynamic dimensions of ``shape`` have names."""

    name: str
    dtype: str
    shape: tuple[Dim, ...]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a model, with every constant of its preprocessing.

    Args:
        name: the key in ``predict({name: values})``.
        kind: ``text``, ``tokens`` or ``image``.
        columns: columns of the data that the raw value comes from.
        options: JSON values: every constant of the preprocessing (max_length, casing, size ...).
        files: role -> path in a bundle or run directory: ``{"tokenizer": "tokenizer/text.json"}``.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    files: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch of one input, ready for the graph.

    Args:
        arrays: array name -> ``[batch, ...]``, padded to the longest row of the batch.
        word_starts: ``[batch, word]`` position of each word's first sub-word in ``length``, -1 for
            words that the length limit cut off, ``NO_WORD`` where a row has no more words; None for
            inputs without words.
        words: (start, end, text) of every word of every row, cut-off ones included, for answers
            with spans; perhaps made only when asked for; None for inputs without words.
    """

    arrays: dict[str, npt.NDArray[Any]]
    word_starts: npt.NDArray[np.int64] | None = None
    words: Sequence[Sequence[tuple[int, int, str]]] | None = None
