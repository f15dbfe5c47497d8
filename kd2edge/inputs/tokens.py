"""Text that is cut into words already; a tokenizer cuts the words into pieces."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import InputError
from kd2edge.inputs.cell import advice, cell, described, require_whole
from kd2edge.inputs.kind import Encoder, InputKind, Probes
from kd2edge.inputs.piece_counts import PieceCounts, counted
from kd2edge.inputs.probes import word_probes
from kd2edge.inputs.spec import ArraySpec, Encoded, InputSpec
from kd2edge.inputs.subwords import DEFAULT_MAX_LENGTH, Subwords, word_arrays, word_ranges
from kd2edge.inputs.words import ListWords, first_pieces, words_of
from kd2edge.ragged import listed


@final
class Tokens(InputKind):
    """A list of words a row.  Options and file as for raw text, see ``Subwords``."""

    name = "tokens"
    words = True
    mask = "attention_mask"
    example = ("where", "is", "my", "card")

    def arrays(self, spec: InputSpec) -> tuple[ArraySpec, ...]:
        return word_arrays(spec)

    def ranges(self, spec: InputSpec) -> Mapping[str, tuple[int, int]]:
        return word_ranges(spec)

    def encoder(self, spec: InputSpec, files: Mapping[str, bytes]) -> Encoder:
        return TokensEncoder(spec, files)

    def raw(self, spec: InputSpec, row: Mapping[str, Any], root: str) -> list[str]:
        del root
        words = _words(cell(row, spec.columns[0]))
        require_whole("".join(words))
        return words

    def typed(self, text: str) -> list[str]:
        return words_of(text)

    def nothing(self, spec: InputSpec) -> list[str]:
        del spec
        return []

    def probes(self, spec: InputSpec, files: Mapping[str, bytes]) -> Probes:
        longest = int(spec.options.get("max_length", DEFAULT_MAX_LENGTH))
        return word_probes(self.open(spec, files), files["tokenizer"], longest, list)


@final
class TokensEncoder(Encoder):
    """Lists of words to piece ids, mask and perhaps casing.

    A word that the tokenizer drops whole (a lone zero-width character) has no piece, like one that
    the length limit cut off.
    """

    def __init__(self, spec: InputSpec, files: Mapping[str, bytes]) -> None:
        self._subwords = Subwords(spec, files)
        self.arrays = self._subwords.arrays

    def encode(self, values: Sequence[Any]) -> Encoded:
        rows = self._checked(values)
        encodings = self._subwords.encodings(rows, are_words=True)
        owners = [encoding.word_ids for encoding in encodings]
        starts = [first_pieces(own, len(row)) for own, row in zip(owners, rows, strict=True)]
        return self._subwords.encoded(encodings, starts, owners, ListWords(rows))

    def length(self, encoded: Encoded) -> npt.NDArray[np.int64]:
        return self._subwords.lengths(encoded)

    def truncated(self, value: Any) -> bool:
        return self._subwords.cuts(self._checked([value])[0], are_words=True)

    def edge_values(self) -> Mapping[str, Any]:
        return {
            "empty": [],
            "empty word": ["", "a"],
            "one letter": ["a"],
            "longest": ["word"] * (2 * self._subwords.max_length),
            "one long word": ["a" * 1000],
            "unusual characters": ["\u00e9\u0130", "\u6f22\u5b57", "\U0001f642", "\ufe0f", "a b"],
            "control tokens": ["[CLS]", "[SEP]", "[PAD]", "<s>"],
        }

    def piece_counts(self, values: Sequence[Any]) -> PieceCounts:
        found = PieceCounts()
        rows = self._checked(values)
        encodings = self._subwords.encodings(rows, are_words=True)
        for row, one in zip(rows, encodings, strict=True):
            spans = zip(one.word_ids, one.offsets, strict=True)
            parts = ["" if word is None else row[word][start:end] for word, (start, end) in spans]
            pieces = zip(one.ids, one.word_ids, parts, strict=True)
            found += counted(pieces, [*map(len, row)], self._subwords.unknown)
        return found

    def _checked(self, values: Sequence[Any]) -> list[list[str]]:
        rows: list[list[str]] = []
        for row, value in enumerate(values):
            try:
                rows.append(_words(value))
            except ValueError as error:
                raise InputError(str(error), name=self._subwords.name, row=row) from error
        return rows


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        raise ValueError(
            f"expected a list of words, found the string {reprlib.repr(value)}; cut it into words"
            " first, as in text.split(), the way the training data was cut"
        )
    words = listed(value)
    if words is None:
        raise ValueError(f"expected a list of words, found {described(value)}{advice(value)}")
    for at, word in enumerate(words):
        if not isinstance(word, str):
            raise ValueError(f"word {at + 1}: expected a string, found {described(word)}")
    return words
