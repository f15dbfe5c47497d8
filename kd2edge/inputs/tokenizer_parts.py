"""What stands around the model of a ``tokenizer.json``: normaliser, pre-tokenizer, post-processor.

Each is a tree of named parts.  Checked are the tree's depth and size, its regular expressions, how
far a normaliser can lengthen a text, and the ids that control tokens have.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any, cast

from kd2edge.inputs.patterns import refused

#: Nesting and number of values in one part of the file; items of a list; characters of a text, and
#: of the table of a Precompiled normaliser.
_DEPTH, _VALUES, _ITEMS, _TEXT, _TABLE = 16, 4096, 256, 256, 1 << 23
#: How many times longer the steps of one part may make a text, and characters that one becomes in a
#: table (Unicode's own longest is 18).
_GROWTH, _EXPANSION = 8, 32
#: The same of steps that do so by what they are: bytes become letters of two bytes, blanks stand
#: around Chinese ones, a mark before a word.  Each step more of them grows what is there already.
_LONGER = {"ByteLevel": 4, "BertNormalizer": 3, "Metaspace": 2}

#: The steps that `tokenizers` has; of any other type it guesses one by the other keys.
_STEPS = {
    "normalizer": (
        "BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt",
        "Precompiled", "Prepend", "Replace", "Sequence", "Strip", "StripAccents",
    ),
    "pre_tokenizer": (
        "BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "FixedLength", "Metaspace",
        "Punctuation", "Sequence", "Split", "UnicodeScripts", "Whitespace", "WhitespaceSplit",
    ),
    "post_processor": (
        "BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing",
    ),
    "decoder": (
        "BPEDecoder", "ByteFallback", "ByteLevel", "CTC", "Fuse", "Metaspace", "Replace",
        "Sequence", "Strip", "WordPiece",
    ),
}  # fmt: skip
_CHARSMAP = "precompiled_charsmap"
#: Processors that put control tokens around a row.
_ADDING = ("BertProcessing", "RobertaProcessing", "TemplateProcessing")


def require_sound_parts(content: Mapping[str, Any], size: int) -> None:
    """Refuse parts that ``tokenizers`` would not survive, or that no time bounds.

    Args:
        content: a parsed ``tokenizer.json``.
        size: its largest id and one.

    Raises:
        ValueError: what is wrong; ArithmeticError, AttributeError, LookupError, TypeError: another
            form altogether.
    """
    for name, known in _STEPS.items():
        part = content.get(name)
        if part is not None:
            _require_small(name, part)
        odd = [step.get("type") for step in _walk(part) if step.get("type") not in known]
        if odd:
            raise ValueError(f"{name}: no step has the type {odd[0]!r:.40}")
    for name in ("normalizer", "pre_tokenizer"):
        growth = math.prod(map(_growth, _walk(content.get(name))))
        if growth > _GROWTH:
            times = f"{growth:,}" if growth < 10**6 else "millions of"
            raise ValueError(f"the {name} makes texts up to {times} times longer")
    tables = [step for step in _walk(content.get("normalizer")) if step["type"] == "Precompiled"]
    if len(tables) > 1:
        raise ValueError(f"{len(tables)} tables of characters (Precompiled), one is taken")
    for step in _walk(content.get("pre_tokenizer")):
        if step["type"] == "FixedLength" and step.get("length", 1) < 1:
            raise ValueError("FixedLength: expected a length of at least 1")
    adding = 0
    for step in _walk(content.get("post_processor")):
        _require_sound_processor(step, size)
        adding += step["type"] in _ADDING
    if adding > 1:  # the library cuts rows as if each were alone: they get longer than max_length
        raise ValueError(f"post_processor: {adding} parts add control tokens, one is taken")


def _require_small(name: str, part: Any) -> None:
    """Depth, number and length of values, and all patterns among them."""
    left, pending = _VALUES, [(part, 1, "")]
    while pending:
        value, depth, key = pending.pop()
        left -= 1
        if depth > _DEPTH or left < 0:
            raise ValueError(
                f"{name}: nested deeper than {_DEPTH}, or more than {_VALUES:,} values"
            )
        if isinstance(value, str):
            _require_small_text(name, key, value)
        elif isinstance(value, dict):
            named = cast("dict[str, Any]", value)
            pending += [(one, depth + 1, own) for own, one in named.items()]
        elif isinstance(value, list):
            items = cast("list[Any]", value)
            if len(items) > _ITEMS and key != _CHARSMAP:
                raise ValueError(f"{name}: a list of {len(items):,} items, {_ITEMS} are taken")
            pending += [(one, depth + 1, key) for one in items]


def _require_small_text(name: str, key: str, text: str) -> None:
    if key == "Regex":
        reason = refused(text)
        if reason is not None:
            raise ValueError(f"{name}: the pattern {text!r:.80} is not taken: {reason}")
    elif len(text) > (_TABLE if key == _CHARSMAP else _TEXT):
        raise ValueError(f"{name}: {key!r:.40} has {len(text):,} characters")
    elif key == "String" and not text:
        raise ValueError(f"{name}: an empty pattern")


def _walk(part: Any) -> Iterator[dict[str, Any]]:
    """The steps of a part, those of sequences in sequences too."""
    if part is None:
        return
    for key in ("normalizers", "pretokenizers", "processors", "decoders"):
        for step in part.get(key) or ():
            yield from _walk(step)
    yield part


def _growth(step: Mapping[str, Any]) -> int:
    """How many times longer a step may make a text, or a word of a list."""
    kind = step["type"]
    if kind == "Precompiled":
        _require_sound_table(step.get(_CHARSMAP))
    if kind == "Prepend":
        return 1 + len(step["prepend"])
    if kind != "Replace":
        return _LONGER.get(kind, 1)
    found = step["pattern"]
    least = len(found["String"]) if "String" in found else 1
    return max(1, math.ceil(len(step["content"]) / least))


def _require_sound_table(table: Any) -> None:
    """The table of ``sentencepiece``: a trie, then the texts that its leaves point to."""
    try:
        content = base64.b64decode(table, validate=True)
        (size,) = struct.unpack_from("<I", content)
        texts = content[4 + size :].decode()
    except (binascii.Error, struct.error, ValueError, TypeError) as error:
        raise ValueError(f"Precompiled: no table of characters ({error})") from error
    if not size or size % 4 or 4 + size > len(content):
        raise ValueError("Precompiled: its table is shorter than it says")
    longest = max(map(len, texts.split("\0")))
    if longest > _EXPANSION:
        raise ValueError(f"Precompiled: a character becomes {longest:,} in its table")


def _require_sound_processor(step: Mapping[str, Any], size: int) -> None:
    known: dict[str, Any] = step.get("special_tokens") or {}
    if step["type"] == "TemplateProcessing":
        pieces: list[Any] = step["single"]
        tokens = [piece["SpecialToken"]["id"] for piece in pieces if "SpecialToken" in piece]
        rows = [piece["Sequence"]["id"] for piece in pieces if "Sequence" in piece]
        lacking = [token for token in tokens if token not in known]
        if lacking or rows != ["A"]:
            raise ValueError(
                f"TemplateProcessing: expected the row A once and known tokens around it, found"
                f" {rows!r:.40} and {lacking!r:.40} that is not among special_tokens"
            )
    ids: list[Any] = [one for token in known.values() for one in token["ids"]]
    ids += [step[end][1] for end in ("cls", "sep") if end in step]
    odd = [one for one in ids if type(one) is not int or not 0 <= one < size]
    if odd:
        raise ValueError(f"post_processor: {odd[0]!r:.40} is no id of the vocabulary")
