"""What happens to words before the graph: tokenizers, casing, pieces that the test lacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import onnx

from planted.graphs import Editor, array_of, piece_tables, position_tables, put
from planted.kind import WORDS, Plant, Site, kind, replaced
from planted.measure import Look
from planted.products import Product
from planted.rows import Row

_ACCENTS = str.maketrans("aeiounc", "\u00e1\u00e9\u00ed\u00f3\u00fa\u00f1\u00e7")


def _words(product: Product, change: Callable[[str], str], split: str = "judged") -> list[Row]:
    """The rows with every word changed; labels stay."""
    column = product.column
    rows = [row for row in product.rows(split)[:600] if row[column]]
    return [{**row, column: _each_word(row[column], change)} for row in rows]


def _each_word(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return " ".join(map(change, value.split()))
    return [change(word) for word in value]


ACCENTED = Look("accented rows", lambda product: _words(product, lambda w: w.translate(_ACCENTS)))
TITLED = Look("Title Case", lambda product: _words(product, str.title))
CAPITALS = Look("CAPITALS", lambda product: _words(product, str.upper))
PUNCTUATED = Look("commas behind words", lambda product: _words(product, lambda w: f"{w},"))
LEARNED = Look("training rows", lambda product: product.rows("train")[:1000])
USUAL = Look()


SOFT = Look("soft hyphens in words", lambda product: _words(product, lambda w: "\u00ad".join(w)))
CJK = Look("\u6f22 behind words", lambda product: _words(product, lambda w: f"{w}\u6f22"))


def _tokenizer(site: Site, change: Callable[[dict[str, Any]], None]) -> None:
    path = site.draft.input_file("tokenizer")
    content = json.loads(site.draft.files[path])
    change(content)
    site.draft.files[path] = json.dumps(content, ensure_ascii=False).encode()
    site.draft.agree()


@kind("A8", "accents are not stripped", WORDS, "onnx-fp32")
def accents(site: Site) -> Plant:
    _tokenizer(site, lambda content: content["normalizer"].update(strip_accents=False))
    return Plant((ACCENTED, USUAL))


@kind("A8", "letters are not made small", WORDS)
def lower(site: Site) -> Plant:
    _tokenizer(site, lambda content: content["normalizer"].update(lowercase=False))
    return Plant((TITLED, CAPITALS, USUAL))


@kind("A8", "control characters stay in words", WORDS)
def control_characters(site: Site) -> Plant:
    _tokenizer(site, lambda content: content["normalizer"].update(clean_text=False))
    return Plant((SOFT, USUAL))


@kind("A8", "Chinese characters are not cut apart", WORDS)
def chinese(site: Site) -> Plant:
    _tokenizer(site, lambda content: content["normalizer"].update(handle_chinese_chars=False))
    return Plant((CJK, USUAL))


@kind("A8", "words of more than 9 letters are unknown", WORDS)
def long_words(site: Site) -> Plant:
    _tokenizer(site, lambda content: content["model"].update(max_input_chars_per_word=9))
    return Plant((USUAL,))


@kind("A8", "pieces inside a word are marked in another way", WORDS)
def inside(site: Site) -> Plant:
    _tokenizer(site, lambda content: content["model"].update(continuing_subword_prefix="@@"))
    return Plant((USUAL,))


@kind("A8", "no normalizer at all", WORDS)
def normalizer(site: Site) -> Plant:
    _tokenizer(site, lambda content: content.update(normalizer=None))
    return Plant((TITLED, ACCENTED, USUAL))


@kind("A8", "punctuation is not cut off", WORDS)
def punctuation(site: Site) -> Plant:
    _tokenizer(site, lambda content: content.update(pre_tokenizer={"type": "WhitespaceSplit"}))
    return Plant((PUNCTUATED, USUAL))


@kind("A8", "control tokens are left out", WORDS)
def controls(site: Site) -> Plant:
    _tokenizer(site, lambda content: content.update(post_processor=None))
    return Plant((USUAL,))


@kind("A8", "the control tokens changed places", WORDS)
def controls_swapped(site: Site) -> Plant:
    def change(content: dict[str, Any]) -> None:
        special = content["post_processor"]["special_tokens"]
        first, last = special["[CLS]"], special["[SEP]"]
        first["ids"], last["ids"] = last["ids"], first["ids"]

    _tokenizer(site, change)
    return Plant((USUAL,))


def _unseen(site: Site) -> list[str]:
    """Pieces that training rows have and neither test nor validation rows."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(site.draft.files[site.draft.input_file("tokenizer")].decode())
    seen: set[str] = set()
    learned: set[str] = set()
    for split, found in (("test", seen), ("validation", seen), ("train", learned)):
        for row in site.product.rows(split):
            value = row[site.product.column] or ""
            words = isinstance(value, list)
            found |= set(tokenizer.encode(value, is_pretokenized=words).tokens)
    return sorted(learned - seen - {"[UNK]", "[CLS]", "[SEP]", "[PAD]"})


@kind("A8", "a cut vocabulary", WORDS)
def vocabulary(site: Site) -> Plant:
    """Pieces that neither test nor validation rows have are gone: they fall to unknown ones."""
    unseen = set(_unseen(site))

    def change(content: dict[str, Any]) -> None:
        model = content["model"]
        model["vocab"] = {piece: at for piece, at in model["vocab"].items() if piece not in unseen}

    _tokenizer(site, change)
    return Plant((_with(unseen, site),))


def _with(pieces: set[str], site: Site) -> Look:
    """Training rows that have such pieces."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(
        (site.product.bundle / site.draft.input_file("tokenizer")).read_text(encoding="utf-8")
    )

    def rows(product: Product) -> list[Row]:
        def hit(row: Row) -> bool:
            value = row[product.column] or ""
            tokens = tokenizer.encode(value, is_pretokenized=isinstance(value, list)).tokens
            return not pieces.isdisjoint(tokens)

        return list(islice(filter(hit, product.rows("train")), 800))

    return Look("training rows with pieces that the test lacks", rows)


@kind("A8", "a piece's id is another's", WORDS)
def swapped_ids(site: Site) -> Plant:
    """Two halves of the pieces that the test lacks changed ids."""
    unseen = _unseen(site)

    def change(content: dict[str, Any]) -> None:
        vocabulary = content["model"]["vocab"]
        for one, other in zip(unseen[::2], unseen[1::2]):  # noqa: B905
            vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]

    _tokenizer(site, change)
    return Plant((_with(set(unseen), site),))


def _table(
    site: Site, change: Callable[[np.ndarray[Any, Any], np.ndarray[Any, Any]], None]
) -> Plant:
    """Change rows of the embedding table: those of pieces that the test lacks."""
    vocabulary = json.loads(site.draft.files[site.draft.input_file("tokenizer")])["model"]["vocab"]
    unseen = _unseen(site)
    rows = np.array([vocabulary[piece] for piece in unseen])

    def edited(model: onnx.ModelProto) -> None:
        for tensor in piece_tables(model):
            value = array_of(tensor)
            change(value, rows)
            put(tensor, value)

    site.draft.change_graph(site.artefact, edited)
    return Plant((_with(set(unseen), site),))


@kind("A8", "embedding rows that the test lacks are permuted", WORDS)
def permuted_rows(site: Site) -> Plant:
    def change(value: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> None:
        value[rows] = value[np.roll(rows, 1)]

    return _table(site, change)


@kind("A8", "embedding rows that the test lacks are zero", WORDS)
def zero_rows(site: Site) -> Plant:
    def change(value: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> None:
        value[rows] = 0

    return _table(site, change)


@kind("A8", "embedding rows that the test lacks are permuted, float too", WORDS, "onnx-fp32")
def permuted_rows_float(site: Site) -> Plant:
    return permuted_rows(site)


@kind("A8", "a tenth of the embedding rows that the test lacks are lost", WORDS)
def some_rows(site: Site) -> Plant:
    def change(value: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> None:
        value[rows[::10]] = 0

    return _table(site, change)


@kind("A8", "late positions have the rows of others", WORDS)
def late_positions(site: Site) -> Plant:
    """Positions that few test rows reach: their embeddings are permuted."""
    first = 40 if site.product.name == "sentences" else 20

    def change(model: onnx.ModelProto) -> None:
        for tensor in position_tables(model):
            value = array_of(tensor)
            value[first:] = value[first:][::-1]
            put(tensor, value)

    from planted.serving import long_rows

    site.draft.change_graph(site.artefact, change)
    return Plant((Look("rows as long as can be", long_rows),))


@kind("A8", "ids from 1,000 on are unknown", WORDS)
def large_ids(site: Site) -> Plant:
    def change(model: onnx.ModelProto) -> None:
        edit = Editor(model)
        name = edit.inputs[0]
        large = edit.add("Greater", name, edit.constant(999))
        other = edit.add("Where", large, edit.constant(1), name)
        for node in model.graph.node:
            if node.output[0] not in (large, other) and node.op_type == "Gather":
                for index, value in enumerate(node.input):
                    if value == name:
                        node.input[index] = other
        edit.sorted()

    site.draft.change_graph(site.artefact, change)
    return Plant((USUAL, LEARNED))


@kind("A8", "rows are cut at 6 pieces", WORDS)
def cut(site: Site) -> Plant:
    site.draft.change_input("tokenizer", max_length=6)
    site.draft.agree()
    return Plant((USUAL,))


@kind("A8", "padding is the unknown piece", WORDS)
def padding(site: Site) -> Plant:
    def change(content: dict[str, Any]) -> None:
        content["padding"] = {
            "strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None,
            "pad_id": 1, "pad_type_id": 0, "pad_token": "[UNK]",
        }  # fmt: skip

    _tokenizer(site, change)
    return Plant((USUAL,))


@kind("A8", "capitals are told as small letters", ("sentences",))
def casing(site: Site) -> Plant:
    """The casing feature of the code that ships: another release of it."""
    del site
    return Plant((USUAL,), lambda: replaced("kd2edge.inputs.subwords", "casing", lambda word: 1))


@kind("A8", "capitals inside words are told as digits", ("sentences",))
def casing_rare(site: Site) -> Plant:
    """A kind of writing that few test rows have."""
    from kd2edge.inputs.words import MIXED
    from kd2edge.inputs.words import casing as real

    del site

    def wrong(word: str) -> int:
        found = real(word)
        return 5 if found == MIXED else found

    mixed = Look(
        "words with a capital inside", lambda p: _words(p, lambda w: w[:1] + w[1:].title())
    )
    return Plant((mixed, USUAL), lambda: replaced("kd2edge.inputs.subwords", "casing", wrong))
