"""How the pieces of a vocabulary are written in a text: marks of beginning and bytes undone."""

from __future__ import annotations

from typing import Any, cast

from kd2edge.inputs.tokenizer_json import added_tokens, parsed

__all__ = ["written"]

_BEGIN = "\u2581"


def written(tokenizer_json: bytes) -> dict[int, str]:
    """Id -> the letters of its piece; "" for bytes that are no letters alone.  In id order.

    A blank at the beginning is kept where it is a letter of the piece, as in those of bytes.
    Added tokens are left out: as text they are cut like any other word.

    Raises:
        IntegrityError: bytes that are no tokenizer.
    """
    content = parsed(tokenizer_json)
    model = content["model"]
    added = {token["content"] for token in added_tokens(content)}
    pieces = _pieces(model.get("vocab") or {})
    inside = str(model.get("continuing_subword_prefix") or "")
    end = str(model.get("end_of_word_suffix") or "")
    bytes_of = _bytes_of() if '"ByteLevel"' in tokenizer_json.decode("utf-8", "replace") else None
    return {
        at: _letters(piece.removeprefix(inside).removesuffix(end), bytes_of)
        for at, piece in pieces
        if piece not in added
    }


def _pieces(vocabulary: Any) -> list[tuple[int, str]]:
    if isinstance(vocabulary, list):  # Unigram: [piece, score] in the order of the ids
        return [(at, str(piece)) for at, (piece, _) in enumerate(cast("list[Any]", vocabulary))]
    named = cast("dict[str, int]", vocabulary)
    return sorted((at, piece) for piece, at in named.items())


def _letters(piece: str, bytes_of: dict[str, int] | None) -> str:
    if bytes_of is None or not all(sign in bytes_of for sign in piece):
        return piece.replace(_BEGIN, " ").strip()
    try:
        return bytes(bytes_of[sign] for sign in piece).decode()
    except UnicodeDecodeError:  # half a letter
        return ""


def _bytes_of() -> dict[str, int]:
    """The letter that byte-level tokenizers write for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {
        chr(256 + at): byte for at, byte in enumerate(others)
    }
