"""The file ``tokenizer.json``: open it, measure its vocabulary, cut the vocabulary to the data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from kd2edge.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Texts that are counted together: enough to keep all cores busy, little memory.
_CHUNK = 1024


def open_tokenizer(tokenizer_json: bytes, max_length: int | None) -> Tokenizer:
    """The tokenizer of a ``tokenizer.json``; its own truncation and padding settings are put aside.

    Text is data: a "[SEP]" in it is cut into its characters like any other word, so that nobody can
    write the model's control tokens into a row.

    Args:
        tokenizer_json: the file's bytes.
        max_length: longest row in pieces, control tokens included; the rest of a longer one is kept
            in ``Encoding.overflowing``.  None: no limit.

    Raises:
        IntegrityError: bytes that are no tokenizer.
        UsageError: a ``max_length`` that leaves no room beside the control tokens.
    """
    from tokenizers import Tokenizer

    parsed(tokenizer_json)
    try:
        tokenizer = Tokenizer.from_buffer(tokenizer_json)
    except Exception as error:  # noqa: BLE001  (tokenizers raises bare Exception)
        raise IntegrityError(f"tokenizer.json cannot be used: {error}") from error
    tokenizer.encode_special_tokens = True
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if max_length is not None:
        controls = tokenizer.num_special_tokens_to_add(is_pair=False)
        if max_length <= controls:
            raise UsageError(
                f"max_length must be more than the {controls} control tokens of the tokenizer,"
                f" found {max_length}"
            )
        # Its stub leaves the keywords untyped.  What is left out: from the right, longest first.
        tokenizer.enable_truncation(max_length)  # pyright: ignore[reportUnknownMemberType]
    return tokenizer


def parsed(tokenizer_json: bytes) -> dict[str, Any]:
    """The JSON object in a ``tokenizer.json``.

    Raises:
        IntegrityError: no JSON, or not that of a tokenizer.
    """
    try:
        content: Any = json.loads(tokenizer_json)
    except ValueError as error:
        raise IntegrityError(f"tokenizer.json is no JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(
        cast("dict[str, Any]", content).get("model"), dict
    ):
        raise IntegrityError(
            "tokenizer.json: expected an object with a model, as tokenizers saves it"
        )
    return cast("dict[str, Any]", content)


def vocabulary_size(tokenizer_json: bytes) -> int:
    """Rows that an embedding table needs for it: the largest id and one, added tokens included.

    Raises:
        IntegrityError: no tokenizer, or one without a vocabulary.
    """
    content = parsed(tokenizer_json)
    return 1 + max(_ids(content).values())


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
    padding = _section(content, "padding")
    if "pad_id" in padding:
        return int(padding["pad_id"])
    ids = _ids(content)
    return next((ids[name] for name in ("[PAD]", "<pad>") if name in ids), 0)


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


def _ids(content: dict[str, Any]) -> dict[str, int]:
    """Piece -> id, added tokens included."""
    vocabulary = content["model"].get("vocab")
    if isinstance(vocabulary, list):  # Unigram: [piece, score] in the order of the ids
        pieces = cast("list[tuple[str, float]]", vocabulary)
        ids = {piece: index for index, (piece, _) in enumerate(pieces)}
    else:
        ids = dict(cast("dict[str, int]", vocabulary or {}))
    if not ids:
        raise IntegrityError("tokenizer.json: the model has no vocabulary")
    return ids | {token["content"]: token["id"] for token in _added(content)}


def _added(content: dict[str, Any]) -> list[dict[str, Any]]:
    return content.get("added_tokens") or []


def _section(content: dict[str, Any], name: str) -> dict[str, Any]:
    """A part of the file that may be null."""
    return content.get(name) or {}


def _piece_counts(tokenizer_json: bytes, texts: Iterable[str | Sequence[str]]) -> Counter[int]:
    """How often each id occurs, control tokens around the rows left out."""
    tokenizer = open_tokenizer(tokenizer_json, None)
    counts: Counter[int] = Counter()
    for chunk, are_words in _chunks(texts):
        encodings = tokenizer.encode_batch_fast(
            chunk, is_pretokenized=are_words, add_special_tokens=False
        )
        for encoding in encodings:
            counts.update(encoding.ids)
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
    ids = _ids(content)
    inside = content["model"].get("continuing_subword_prefix", "##")
    added = {token["id"] for token in _added(content)}
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
    if padding := _section(content, "padding"):
        yield padding.get("pad_token", "[PAD]")
    for processor in _processors(content):
        yield from processor.get("special_tokens") or ()
        yield from (processor[end][0] for end in ("cls", "sep") if end in processor)


def _processors(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if processor := _section(content, "post_processor"):
        yield from processor["processors"] if processor["type"] == "Sequence" else [processor]


def _renumber(content: dict[str, Any], new: dict[int, int]) -> None:
    """Give every id in the file its new number, and drop the pieces without one."""
    ids = {piece: new[old] for piece, old in _ids(content).items() if old in new}
    # Added tokens stand in the vocabulary too: `tokenizers` would number the others by itself.
    content["model"]["vocab"] = dict(sorted(ids.items(), key=lambda item: item[1]))
    for token in _added(content):
        token["id"] = new[token["id"]]
    content["added_tokens"] = sorted(_added(content), key=lambda token: token["id"])
    if padding := _section(content, "padding"):
        padding["pad_id"] = new[padding["pad_id"]]
    for processor in _processors(content):
        for token in _section(processor, "special_tokens").values():
            token["ids"] = [new[old] for old in token["ids"]]
        for end in ("cls", "sep"):
            if end in processor:
                processor[end] = [processor[end][0], new[processor[end][1]]]
