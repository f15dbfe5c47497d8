"""The vocabulary of a ``tokenizer.json``, cut to the data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.errors import UsageError
from kd2edge.inputs.tokenizer import TokenizerFaultError, open_tokenizer
from kd2edge.inputs.tokenizer_json import (
    added_tokens,
    fault,
    pad_id,
    parsed,
    piece_ids,
    processors,
    section,
)

#: Texts that are counted together: enough to keep all cores busy, little memory.
_CHUNK = 1024


def cut_vocabulary(
    tokenizer_json: bytes, texts: Iterable[str | Sequence[str]], *, minimum_count: int = 1
) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Keep only the pieces of a WordPiece vocabulary that some texts use.

    Kept are the control and other added tokens, every single character (alone and inside a word)
    and every piece that occurs ``minimum_count`` times.  A known word whose pieces are all kept is
    cut into them as before: WordPiece takes the longest piece that fits, and pieces only went away.
    Other words fall into shorter pieces.

    Args:
        tokenizer_json: the whole tokenizer.
        texts: raw texts or lists of words; read once, in chunks.
        minimum_count: how often a piece must occur.

    Returns:
        The new ``tokenizer.json``, and the old id of each new id ``[new vocabulary]``: the padding
        token first (it is 0), then the other control tokens, then pieces, each in their old order.
        The same arguments give the same bytes.

    Raises:
        UsageError: a tokenizer that is not WordPiece.
        IntegrityError: bytes that are no tokenizer.
    """
    content = parsed(tokenizer_json)
    model = content["model"]
    if model.get("type") != "WordPiece":
        raise UsageError(
            f"only the vocabulary of a WordPiece tokenizer can be cut, found {model.get('type')};"
            " leave out `vocab: cut`"
        )
    counts = _piece_counts(tokenizer_json, texts)
    kept = _kept_ids(content, pad_id(tokenizer_json), counts, minimum_count)
    _renumber(content, {old: new for new, old in enumerate(kept)})
    written = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return written, np.array(kept, dtype=np.int64)


def _piece_counts(tokenizer_json: bytes, texts: Iterable[str | Sequence[str]]) -> Counter[int]:
    """How often each id occurs, control tokens around the rows left out."""
    tokenizer = open_tokenizer(tokenizer_json, None)
    counts: Counter[int] = Counter()
    for chunk, are_words in _chunks(texts):
        try:
            rows = tokenizer.ids(chunk, are_words=are_words)
        except TokenizerFaultError as error:
            raise fault(f"a training text cannot be cut into pieces ({error})") from error
        for ids in rows:
            counts.update(ids)
    return counts


def _chunks(texts: Iterable[str | Sequence[str]]) -> Iterator[tuple[list[Any], bool]]:
    """Texts of one form in lists of bounded length, and whether they are lists of words."""
    for are_words, group in groupby(texts, key=lambda text: not isinstance(text, str)):
        while chunk := [list(text) if are_words else text for text in islice(group, _CHUNK)]:
            yield chunk, are_words


def _kept_ids(
    content: dict[str, Any], padding: int, counts: Counter[int], minimum_count: int
) -> list[int]:
    """Old ids in their new order."""
    ids = piece_ids(content)
    inside = content["model"].get("continuing_subword_prefix", "##")
    added = {token["id"] for token in added_tokens(content)}
    controls = {ids[name] for name in _control_names(content) if name in ids} | added
    pieces = {
        index
        for piece, index in ids.items()
        if len(piece.removeprefix(inside)) == 1 or counts[index] >= minimum_count
    }
    return [padding, *sorted(controls - {padding}), *sorted(pieces - controls - {padding})]


def _control_names(content: dict[str, Any]) -> Iterator[str]:
    """Names of the tokens that the file itself refers to."""
    yield content["model"].get("unk_token", "[UNK]")
    if padding := section(content, "padding"):
        yield padding.get("pad_token", "[PAD]")
    for processor in processors(content):
        yield from processor.get("special_tokens") or ()
        yield from (processor[end][0] for end in ("cls", "sep") if end in processor)


def _renumber(content: dict[str, Any], new: dict[int, int]) -> None:
    """Give every id in the file its new number, and drop the pieces without one."""
    ids = {piece: new[old] for piece, old in piece_ids(content).items() if old in new}
    # Added tokens stand in the vocabulary too: `tokenizers` would number the others by itself.
    content["model"]["vocab"] = dict(sorted(ids.items(), key=lambda item: item[1]))
    for token in added_tokens(content):
        token["id"] = new[token["id"]]
    content["added_tokens"] = sorted(added_tokens(content), key=lambda token: token["id"])
    if padding := section(content, "padding"):
        padding["pad_id"] = new[padding["pad_id"]]
    for processor in processors(content):
        for token in section(processor, "special_tokens").values():
            token["ids"] = [new[old] for old in token["ids"]]
        for end in ("cls", "sep"):
            if end in processor:
                processor[end] = [processor[end][0], new[processor[end][1]]]
