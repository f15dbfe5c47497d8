"""Raw texts that ask a preprocessing for all it does; what PyTorch made of them is kept as golden.

The rows of a test split ask for little: no accents where the data has none, no piece that no test
row has.  A preprocessing that lost a step, or a table with two rows swapped, shows here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.kind import Encoder, IdRows, Probes
from kd2edge.inputs.pieces import written
from kd2edge.inputs.tokenizer_json import vocabulary_size

__all__ = ["word_probes"]

#: Makes a raw value of words: a text, or the list itself.
Join = Callable[[Sequence[str]], Any]

_ACCENTS = "Crème brûlée, façade, naïve Señor Über Ångström Łódź ấn tiếng"

_TEXTS: Mapping[str, str] = {
    "empty": "",
    "blank": " ",
    "one letter": "a",
    "ordinary": "where is my card, and why was it declined in new york?",
    "capitals": "WHERE IS MY NATO CARD",
    "title case": "Where Is My New Card From Berlin",
    "mixed case": "iPhone McDonald eBay PhD a.M. 3D",
    "special casing": "İstanbul ıssız Straße STRAẞE ΌΣΟΣ ǅ ﬁne",
    "accents, composed": _ACCENTS,
    "accents, decomposed": unicodedata.normalize("NFD", _ACCENTS),
    "emoji": "great \U0001f642 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea ❤\ufe0f ok\U0001f642ok",
    "joined emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308",
    "chinese": "\u6211\u60f3\u53d6\u6d88\u4fe1\u7528\u5361\u3002 \u6f22\u5b57 a\u6f22b",
    "japanese": "\u30ab\u30fc\u30c9\u306f\u3069\u3053\u3067\u3059\u304b \uff76\uff70\uff84\uff9e",
    "korean": "\uce74\ub4dc \uc5b4\ub514 \u1112\u1161\u11ab",
    "cyrillic": "Где моя карта? Ёлка йод",
    "greek": "Πού είναι η κάρτα",
    "arabic": "\u0623\u064a\u0646 \u0628\u0637\u0627\u0642\u062a\u064a\u061f \u0661\u0662\u0663",
    "arabic with points": "\u0645\u064f\u062d\u064e\u0645\u064e\u0651\u062f",
    "hebrew": "\u05d0\u05d9\u05e4\u05d4 \u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd",
    "devanagari": "म\u0947र\u093e क\u093eर\u094dड कह\u093e\u0901 ह\u0948",
    "thai": "\u0e1a\u0e31\u0e15\u0e23\u0e02\u0e2d\u0e07\u0e09\u0e31\u0e19",
    "digits": "3.14 1,000 007 5e-3 12:30 \u00bd \u00b2 \u0663 \uff11\uff12 \u2163",
    "punctuation": "Hi,you!(yes)... \"a\"-'b' «c» “d” — e/f\\g @h #i $5 50% a_b don't `x` a+b=c",
    "wide forms": "\ufb01 \u2122 \u2460 \u338f \uff26\uff55\uff4c\uff4c \u1d00",
    "odd blanks": "  two  blanks\ttab\r\nline\u00a0no\u3000wide\u2009thin\u2028sep ",
    "blanks of no width": "zero\u200bwidth join\u200der mark\ufeffed",
    "control characters": "a\u0000b\u0007c\u001bd\u007fe\u0085f\u00adg\u202eh\ufffdi\U000f0000",
    "addresses": "mail me@example.org or see https://example.org/a?b=c&d=1#e",
    "control tokens": "[CLS] [SEP] [PAD] [MASK] [UNK] <s> </s> <pad> <unk> <mask> <|endoftext|>",
    "one long word": "abcdefghij" * 100,
    "long words": " ".join("pneumonoultramicroscopic" * n for n in (1, 2, 4, 5)),
}  # fmt: skip

#: What continuing pieces are written behind, until the tokenizer cuts them off there.
_STEMS = ("a", "e", "s", "1", "x", "th", "un", ".")
#: Pieces in a text of the vocabulary, as far as the length limit lets them.
_PIECES = 48
#: Words of the vocabulary in texts about letters: the last, which are the rare and long ones.
_OWN = 24
_MARKS = str.maketrans("aeiouncyAEIOUNCY", "áéíóúñçýÁÉÍÓÚÑÇÝ")
#: Values that are encoded together.
_CHUNK = 512


def word_probes(encoder: Encoder, tokenizer_json: bytes, max_length: int, join: Join) -> Probes:
    """The probes of an input that a tokenizer cuts into pieces.

    Args:
        encoder: the input's.
        tokenizer_json: its tokenizer.
        max_length: pieces in a row.
        join: makes a raw value of words.
    """
    own = own_texts([*written(tokenizer_json).values()], max_length)
    texts = odd_texts(max_length) | own
    return Probes(
        {name: join(_words(text)) for name, text in texts.items()},
        vocabulary_texts(tokenizer_json, encoder, join),
        tuple(filter(None, [id_rows(encoder, tokenizer_json, join)])),
    )


def own_texts(pieces: Sequence[str], max_length: int) -> dict[str, str]:
    """Texts of the vocabulary's own words: one of few words knows no others' letters."""
    words = [word for word in map(str.strip, pieces) if len(word) > 2 and word.isalpha()][-_OWN:]
    if not words:
        return {}
    text = " ".join(words)
    accented = text.translate(_MARKS)
    return {
        "own words": text,
        "own words, capitals": text.upper(),
        "own words, title case": text.title(),
        "own words, accents composed": accented,
        "own words, accents decomposed": unicodedata.normalize("NFD", accented),
        "own words, punctuation": f"({words[0]}),{','.join(words[1:])}!",
        "own words, odd blanks": "\u3000".join(words).replace("\u3000", "\t", 1),
        "own words, longest": " ".join([words[0]] * max_length + [words[-1]] * max_length),
    }


def odd_texts(max_length: int) -> dict[str, str]:
    """Texts by name; the long ones say something else at their end than at their beginning."""
    count = 2 * max_length
    return {
        **_TEXTS,
        "longest": " ".join(str(number) for number in range(count)),
        "longest, of words": " ".join(("where", "Is", "my", "CARD")[at % 4] for at in range(count)),
    }


def vocabulary_texts(tokenizer_json: bytes, encoder: Encoder, join: Join) -> list[Any]:
    """Raw values that together ask for every piece of the vocabulary that can be asked for."""
    surfaces = written(tokenizer_json)
    covered: set[int] = set()
    words: list[tuple[str, int]] = []
    bare = len(next(_ids(encoder, [join([])])))

    def take(candidates: Sequence[str]) -> None:
        cut = _ids(encoder, [join([one]) for one in candidates])
        for word, ids in zip(candidates, cut, strict=True):
            if not covered.issuperset(ids):
                covered.update(ids)
                words.append((word, len(ids) - bare))

    take([word for word in surfaces.values() if word.strip()])
    for stem in _STEMS:
        take([stem + word for at, word in surfaces.items() if at not in covered and word.strip()])
    return [join(part) for part in _packed(words, max(1, _room(encoder, join) - bare))]


def id_rows(encoder: Encoder, tokenizer_json: bytes, join: Join) -> IdRows | None:
    """The place of a lone piece among control tokens; None where no word is a piece alone."""
    bare = len(next(_ids(encoder, [join([])])))
    candidates = [*"aeino159.", *(word for word in written(tokenizer_json).values() if word)]
    known: npt.NDArray[Any] | None = None
    for word in candidates[:_CHUNK]:
        arrays = encoder.encode([join([word])]).arrays
        name, ids = next(iter(arrays.items()))
        if ids.shape[1] != bare + 1:
            continue
        if known is not None:
            places = np.flatnonzero(ids[0] != known[0])
            if len(places) == 1:
                return IdRows(arrays, name, int(places[0]), vocabulary_size(tokenizer_json))
        known = ids
    return None


def _words(text: str) -> list[str]:
    return text.split(" ") if text else []


def _ids(encoder: Encoder, values: Sequence[Any]) -> Iterator[list[int]]:
    """The ids of each value, control tokens included, padding not."""
    for start in range(0, len(values), _CHUNK):
        encoded = encoder.encode(values[start : start + _CHUNK])
        lengths = encoder.length(encoded)
        rows = next(iter(encoded.arrays.values()))
        yield from (row[:length].tolist() for row, length in zip(rows, lengths, strict=True))


def _room(encoder: Encoder, join: Join) -> int:
    """Pieces that a row may have, at most :data:`_PIECES`."""
    return min(_PIECES, len(next(_ids(encoder, [join(["a"] * (2 * _PIECES))]))))


def _packed(words: Sequence[tuple[str, int]], room: int) -> Iterator[list[str]]:
    """Words in rows of at most ``room`` pieces."""
    row: list[str] = []
    used = 0
    for word, pieces in words:
        if row and used + pieces > room:
            yield row
            row, used = [], 0
        row.append(word)
        used += pieces
    if row:
        yield row
