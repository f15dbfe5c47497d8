"""Raw text, cut into pieces by a tokenizer."""

from __future__ import annotations

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
from kd2edge.inputs.words import TextWords, cut_of
from kd2edge.ragged import listed


@final
class Text(InputKind):
    """One string a row.  Options and file: see ``Subwords``."""

    name = "text"
    words = True
    mask = "attention_mask"
    example = "where is my card"

    def arrays(self, spec: InputSpec) -> tuple[ArraySpec, ...]:
        return word_arrays(spec)

    def ranges(self, spec: InputSpec) -> Mapping[str, tuple[int, int]]:
        return word_ranges(spec)

    def encoder(self, spec: InputSpec, files: Mapping[str, bytes]) -> Encoder:
        return TextEncoder(spec, files)

    def raw(self, spec: InputSpec, row: Mapping[str, Any], root: str) -> str:
        del root
        value = cell(row, spec.columns[0])
        if not isinstance(value, str):
            words = listed(value)
            remedy = ": a list of words is an input of kind: tokens" if words is not None else ""
            raise ValueError(f"expected text, found {described(value)}{remedy}")
        require_whole(value)
        return value

    def typed(self, text: str) -> str:
        return text

    def nothing(self, spec: InputSpec) -> str:
        del spec
        return ""

    def probes(self, spec: InputSpec, files: Mapping[str, bytes]) -> Probes:
        longest = int(spec.options.get("max_length", DEFAULT_MAX_LENGTH))
        return word_probes(self.open(spec, files), files["tokenizer"], longest, " ".join)


@final
class TextEncoder(Encoder):
    """Strings to piece ids, mask and perhaps casing."""

    def __init__(self, spec: InputSpec, files: Mapping[str, bytes]) -> None:
        self._subwords = Subwords(spec, files)
        self.arrays = self._subwords.arrays

    def encode(self, values: Sequence[Any]) -> Encoded:
        texts = self._checked(values)
        encodings = self._subwords.encodings(texts, are_words=False)
        cuts = [cut_of(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]
        starts, owners = [cut.starts for cut in cuts], [cut.owners for cut in cuts]
        return self._subwords.encoded(encodings, starts, owners, TextWords(texts, cuts))

    def length(self, encoded: Encoded) -> npt.NDArray[np.int64]:
        return self._subwords.lengths(encoded)

    def truncated(self, value: Any) -> bool:
        return self._subwords.cuts(self._checked([value])[0], are_words=False)

    def edge_values(self) -> Mapping[str, Any]:
        return {
            "empty": "",
            "blank": " \t\n",
            "one letter": "a",
            "longest": "word " * (2 * self._subwords.max_length),
            "one long word": "a" * 1000,
            "unusual characters": "\u00e9\u0130 \u6f22\u5b57 \U0001f642\ufe0f \u0627 \u0000\u200b",
            "control tokens": "[CLS] [SEP] [PAD] [MASK] <s> </s>",
        }

    def piece_counts(self, values: Sequence[Any]) -> PieceCounts:
        found = PieceCounts()
        texts = self._checked(values)
        encodings = self._subwords.encodings(texts, are_words=False)
        for text, one in zip(texts, encodings, strict=True):
            cut = cut_of(text, one)
            parts = [text[start:end] for start, end in one.offsets]
            lengths = [end - start for start, end in cut.words]
            pieces = zip(one.ids, cut.owners, parts, strict=True)
            found += counted(pieces, lengths, self._subwords.unknown)
        return found

    def _checked(self, values: Sequence[Any]) -> list[str]:
        texts = values.tolist() if isinstance(values, np.ndarray) else list(values)
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                reason = f"expected a string, found {described(text)}{advice(text)}"
                raise InputError(reason, name=self._subwords.name, row=row)
        return texts
