"""What inputs of text and of words share: from encodings of `tokenizers` to padded arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import InputError, UsageError
from kd2edge.inputs.cell import described, require_whole
from kd2edge.inputs.spec import BATCH, LENGTH, ArraySpec, Encoded, InputSpec, WordStarts, dimension
from kd2edge.inputs.tokenizer import TokenizerFaultError, open_tokenizer
from kd2edge.inputs.tokenizer_json import pad_id, parsed, unknown_id
from kd2edge.inputs.words import Word, casing

if TYPE_CHECKING:
    from tokenizers import Encoding

#: Longest row in pieces when the input does not say.
DEFAULT_MAX_LENGTH = 128
#: Most pieces a row: as many characters are given to a tokenizer.
_LONGEST = 1 << 18

#: The arrays of every input of words: the pieces, and which of them are there.
_NAMES = ("input_ids", "attention_mask")

Ints = npt.NDArray[np.int64]


def word_arrays(spec: InputSpec) -> tuple[ArraySpec, ...]:
    """The arrays of an input of words."""
    names = (*_NAMES, "casing_ids") if spec.options.get("casing") else _NAMES
    shape = (BATCH, dimension(spec.name, LENGTH))
    return tuple(ArraySpec(spec.prefix + name, "int64", shape) for name in names)


def word_ranges(spec: InputSpec) -> dict[str, tuple[int, int]]:
    """How many pieces a row may have; two: an empty text is still the control tokens around it."""
    return {dimension(spec.name, LENGTH): (2, max(2, _max_length(spec)))}


@final
class Subwords:
    """A tokenizer with its limits.  Thread-safe: nothing of it changes once it is open.

    Options: ``max_length`` (pieces a row, control tokens included), ``casing`` (also give how each
    word was written), ``prefix`` (of the arrays' names).  File: ``tokenizer``, a tokenizer.json.
    """

    def __init__(self, spec: InputSpec, files: Mapping[str, bytes]) -> None:
        self.name = spec.name
        self.max_length = _max_length(spec)
        self.arrays = word_arrays(spec)
        self._names = [array.name for array in self.arrays]
        self.casing = len(self._names) > len(_NAMES)
        content = files.get("tokenizer")
        if content is None:
            raise UsageError(f"input {spec.name!r} needs the file `tokenizer` (a tokenizer.json)")
        self._tokenizer = open_tokenizer(content, self.max_length)
        self._pad = pad_id(content)
        self.unknown = unknown_id(parsed(content))

    def encodings(self, rows: list[Any], *, are_words: bool) -> list[Encoding]:
        """Pieces of checked ``rows``: texts, or lists of words.

        Raises:
            InputError: a row that cannot be tokenized, as text that is not whole (half a surrogate
                pair), naming it.
        """
        try:
            return self._tokenizer.encode_batch(rows, are_words=are_words)
        except TokenizerFaultError:
            return [self._alone(row, value, are_words) for row, value in enumerate(rows)]

    def encoded(
        self,
        encodings: Sequence[Encoding],
        starts: Sequence[Sequence[int]],
        owners: Sequence[Sequence[int | None]],
        words: Sequence[Sequence[Word]],
    ) -> Encoded:
        """Padded arrays.

        Args:
            encodings: of the rows.
            starts: position of each word's first piece, a row; -1 where none is left.
            owners: the word that each piece belongs to, a row; None where there is none.
            words: of the rows.
        """
        ids = [encoding.ids for encoding in encodings]
        masks = [encoding.attention_mask for encoding in encodings]
        arrays = [padded(ids, self._pad), padded(masks, 0)]
        if self.casing:
            arrays.append(padded([*map(_casing_ids, owners, words)], 0))
        named = dict(zip(self._names, arrays, strict=True))
        return Encoded(named, _joined(starts), words)

    def lengths(self, encoded: Encoded) -> Ints:
        """Pieces of each row, control tokens included."""
        return encoded.arrays[self._names[1]].sum(axis=1)

    def cuts(self, row: Any, *, are_words: bool) -> bool:
        """Whether the length limit cuts something off."""
        whole = self._tokenizer.at_most.of(row) is row
        return not whole or bool(self.encodings([row], are_words=are_words)[0].overflowing)

    def _alone(self, row: int, value: Any, are_words: bool) -> Encoding:
        """One row of a batch that cannot be tokenized; the others have no part in that."""
        try:
            return self._tokenizer.encode_batch([value], are_words=are_words)[0]
        except TokenizerFaultError as error:
            self._require_whole(row, "".join(value))
            reason = f"the tokenizer cannot cut it into pieces ({error})"
            raise InputError(reason, name=self.name, row=row) from error

    def _require_whole(self, row: int, text: str) -> None:
        try:
            require_whole(text)
        except ValueError as error:
            raise InputError(str(error), name=self.name, row=row) from error


def padded(rows: Sequence[Sequence[int]], fill: int) -> Ints:
    """Rows of unequal length as ``[row, longest]``, filled up at the end."""
    lengths = [len(row) for row in rows]
    longest = max(lengths, default=0)
    if longest and longest * len(rows) == sum(lengths):
        return np.array(rows, dtype=np.int64)
    full = np.full((len(rows), longest), fill, dtype=np.int64)
    inside = np.arange(longest) < np.array(lengths)[:, None]
    full[inside] = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=sum(lengths))
    return full


def _joined(starts: Sequence[Sequence[int]]) -> WordStarts:
    counts = [*map(len, starts)]
    values = np.fromiter(chain.from_iterable(starts), dtype=np.int64, count=sum(counts))
    return WordStarts(values, np.array([0, *accumulate(counts)], dtype=np.int64))


def _casing_ids(owners: Sequence[int | None], words: Sequence[Word]) -> list[int]:
    kinds = [casing(text) for _, _, text in words]
    return [0 if word is None else kinds[word] for word in owners]


def _max_length(spec: InputSpec) -> int:
    value = spec.options.get("max_length", DEFAULT_MAX_LENGTH)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LONGEST:
        raise UsageError(
            f"input {spec.name!r}: max_length must be a whole number from 1 to {_LONGEST:,}, found"
            f" {described(value)}"
        )
    return value
