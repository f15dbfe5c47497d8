"""The JSON in a ``tokenizer.json``: checked before ``tokenizers`` sees it, and what it says of ids.

The library trusts its file: what does not fit ends in a panic, in an abort that no ``except`` sees,
in a table of four billion rows or in hours for one text.  The numbers here lie far above those of
the largest tokenizers that are in use (a million pieces, thousands of added tokens).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from kd2edge.errors import IntegrityError
from kd2edge.inputs.tokenizer_parts import require_sound_parts
from kd2edge.json_text import json_value

#: Bytes of the file; ids of pieces; added tokens, and the characters of one.
_BYTES, _IDS, _ADDED, _CONTENT = 1 << 28, 1 << 21, 1 << 16, 512
#: Ids that may stand for no piece, beside three for each that does.
_HOLES = 1024
#: Characters of the mark inside or at the end of a word.
_MARK = 32
#: Letters of a word that WordPiece tries: the time it takes grows with their cube.
_LETTERS = 1000


def parsed(tokenizer_json: bytes) -> dict[str, Any]:
    """The JSON object in a ``tokenizer.json``.

    Raises:
        IntegrityError: no JSON, not that of a tokenizer, or one that cannot be handed on.
    """
    try:
        content = json_value(tokenizer_json, limit=_BYTES, strict=False)
    except ValueError as error:
        raise fault(f"it is no JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(
        cast("dict[str, Any]", content).get("model"), dict
    ):
        raise fault("expected an object with a model, as tokenizers saves it")
    found = cast("dict[str, Any]", content)
    _require_sound(found)
    return found


def fault(what: str) -> IntegrityError:
    """The error that says what is wrong with a file."""
    return IntegrityError(
        f"tokenizer.json: {what}; copy it anew, or save it again with `tokenizers`"
    )


def vocabulary_size(tokenizer_json: bytes) -> int:
    """Rows that an embedding table needs for it: the largest id and one, added tokens included.

    Raises:
        IntegrityError: no tokenizer, or one without a vocabulary.
    """
    return size_of(parsed(tokenizer_json))


def size_of(content: dict[str, Any]) -> int:
    """The largest id and one, of a parsed file."""
    return 1 + max(piece_ids(content).values())


def id_rules(tokenizer_json: bytes) -> dict[str, Any]:
    """All of the file that gives texts their ids: two tokenizers of one size may differ in it.

    Truncation and padding settings are left out, as :func:`open_tokenizer` puts them aside.

    Raises:
        IntegrityError: bytes that are no tokenizer.
    """
    aside = {"padding", "truncation", "version"}
    return {key: value for key, value in parsed(tokenizer_json).items() if key not in aside}


def pad_id(tokenizer_json: bytes) -> int:
    """The id that fills up short rows: of the padding settings, of "[PAD]" or "<pad>", else 0."""
    content = parsed(tokenizer_json)
    padding = section(content, "padding")
    if "pad_id" in padding:
        return int(padding["pad_id"])
    ids = piece_ids(content)
    return next((ids[name] for name in ("[PAD]", "<pad>") if name in ids), 0)


def unknown_id(content: dict[str, Any]) -> int | None:
    """The id that stands for what has no piece; None where there is none."""
    model = content["model"]
    if isinstance(model.get("vocab"), list):
        return cast("int | None", model.get("unk_id"))
    name = _unknown_piece(model)
    return None if name is None else model["vocab"].get(name)


def _unknown_piece(model: dict[str, Any]) -> str | None:
    return model.get("unk_token", "[UNK]" if model.get("type") == "WordPiece" else None)


def piece_ids(content: dict[str, Any]) -> dict[str, int]:
    """Piece -> id, added tokens included."""
    vocabulary = content["model"].get("vocab")
    if isinstance(vocabulary, list):  # Unigram: [piece, score] in the order of the ids
        pieces = cast("list[tuple[str, float]]", vocabulary)
        ids = {piece: index for index, (piece, _) in enumerate(pieces)}
    else:
        ids = dict(cast("dict[str, int]", vocabulary or {}))
    if not ids:
        raise IntegrityError("tokenizer.json: the model has no vocabulary")
    return ids | {token["content"]: token["id"] for token in added_tokens(content)}


def added_tokens(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Tokens that stand beside the model's pieces."""
    return content.get("added_tokens") or []


def section(content: dict[str, Any], name: str) -> dict[str, Any]:
    """A part of the file that may be null."""
    return content.get(name) or {}


def processors(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What puts control tokens around a row, one after the other."""
    if processor := section(content, "post_processor"):
        yield from processor["processors"] if processor["type"] == "Sequence" else [processor]


def _require_sound(content: dict[str, Any]) -> None:
    """Refuse what ``tokenizers`` would not survive."""
    try:
        _require_sound_ids(content)
        _require_sound_model(content["model"])
        require_sound_parts(content, size_of(content))
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        # Another shape than a tokenizer has: a list that is too short, a text in place of a list.
        raise fault(f"it has not the form that tokenizers saves ({error!r})") from error
    except ValueError as error:
        raise fault(str(error)) from error


def _require_sound_ids(content: dict[str, Any]) -> None:
    added = added_tokens(content)
    if len(added) > _ADDED:
        raise ValueError(f"expected at most {_ADDED:,} added tokens, found {len(added):,}")
    for token in added:
        if not isinstance(token["content"], str) or len(token["content"]) > _CONTENT:
            raise ValueError(f"an added token is no text of at most {_CONTENT} characters")
    vocabulary: Any = content["model"].get("vocab")
    if isinstance(vocabulary, list):
        for entry in cast("list[Any]", vocabulary):
            piece, score = entry
            if not isinstance(piece, str) or type(score) not in {int, float}:
                raise ValueError(f"expected [piece, score] in the vocabulary, found {entry!r:.80}")
    ids = piece_ids(content)
    if set(map(type, ids.values())) != {int}:
        raise ValueError("an id of the vocabulary is no whole number")
    least, most = min(ids.values()), max(ids.values())
    if least < 0 or most >= min(_IDS, 4 * len(ids) + _HOLES):
        raise ValueError(
            f"{len(ids):,} pieces have ids from {least:,} to {most:,}; ids are expected to follow"
            f" one another, from 0, below {_IDS:,}"
        )
    padding = section(content, "padding").get("pad_id", 0)
    if type(padding) is not int or not 0 <= padding <= most:
        raise ValueError(f"pad_id: expected an id of the vocabulary, found {padding!r:.40}")


def _require_sound_model(model: dict[str, Any]) -> None:
    vocabulary = model["vocab"]
    for key in ("continuing_subword_prefix", "end_of_word_suffix"):
        mark = model.get(key)
        if mark is not None and (not isinstance(mark, str) or len(mark) > _MARK):
            raise ValueError(f"{key}: expected a short text, found {mark!r:.40}")
    if model.get("dropout"):
        raise ValueError("the model drops merges by chance (dropout), so no text has fixed ids")
    if isinstance(vocabulary, list):
        unknown = model.get("unk_id")
        if unknown is not None and not 0 <= unknown < len(cast("list[Any]", vocabulary)):
            raise ValueError(f"unk_id: expected an id of the vocabulary, found {unknown!r:.40}")
        return
    _require_known_unknown(model)
    letters = model.get("max_input_chars_per_word", 100)
    if type(letters) is not int or not 0 < letters <= _LETTERS:
        raise ValueError(
            f"max_input_chars_per_word: expected 1 to {_LETTERS:,}, found {letters!r:.40}"
        )
    prefix = len(model.get("continuing_subword_prefix") or "")
    for merge in model.get("merges") or ():
        first, second = merge.split(" ") if isinstance(merge, str) else merge
        known = first in vocabulary and second in vocabulary and len(second) > prefix
        if not known or first + second[prefix:] not in vocabulary:
            raise ValueError(f"the merge of {first!r:.40} and {second!r:.40} has no piece")


def _require_known_unknown(model: dict[str, Any]) -> None:
    name = _unknown_piece(model)
    if name is not None and name not in model["vocab"]:
        raise ValueError(f"unk_token: {name!r:.40} is no piece of the vocabulary")
