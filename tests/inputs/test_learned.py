"""Tokenizers that are learned from rows: the same bytes each time, and what they are good for."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inputs.starts import rows_of
from kd2edge.errors import UsageError
from kd2edge.inputs import InputSpec, input_kind, vocabulary_size
from kd2edge.inputs.learned import CONTROLS, TokenizerTraining, learned_tokenizer
from kd2edge.inputs.learned_unigram import _otherwise, unigram_pieces
from kd2edge.inputs.tokenizer import open_tokenizer
from kd2edge.inputs.tokenizer_json import pad_id

KINDS = ("unigram", "bpe", "wordpiece")


def texts(seed: int = 0) -> list[str]:
    """Some thousand words of two scripts, many of them equally frequent."""
    rng = random.Random(seed)
    letters = "абвгдежзиклмнопрстуфхцчшщьэюя"
    known = ["".join(rng.choices(letters, k=rng.randint(1, 9))) for _ in range(600)]
    lines = [" ".join(rng.choices(known, k=8)) for _ in range(500)]
    return lines + ["".join(rng.choices("今天气很好我们去北京上海", k=9)) + "。" for _ in range(99)]


def learned(kind: str, rows: Any = None, size: int = 500, **changes: Any) -> bytes:
    options = {"lowercase": False, "strip_accents": False, "min_frequency": 2} | changes
    training = TokenizerTraining(kind=kind, size=size, **options)
    return learned_tokenizer(texts() if rows is None else rows, training)


def pieces(content: bytes, text: str) -> list[str]:
    return open_tokenizer(content, None).encode_batch([text], are_words=False)[0].tokens


PROGRAM = """
import hashlib
from inputs.test_learned import KINDS, learned
print(*(hashlib.sha256(learned(kind)).hexdigest() for kind in KINDS))
"""


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_same_rows_give_the_same_bytes_in_every_process(threads: str) -> None:
    tests = Path(__file__).parent.parent
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}",
        "RAYON_NUM_THREADS": threads,
        "TOKENIZERS_PARALLELISM": "true" if threads != "1" else "false",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [hashlib.sha256(learned(kind)).hexdigest() for kind in KINDS]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_in_another_order_give_the_same(kind: str) -> None:
    assert learned(kind, texts()[::-1]) == learned(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_control_tokens_come_first_and_stand_around_rows(kind: str) -> None:
    content = learned(kind)
    assert pad_id(content) == 0
    assert vocabulary_size(content) <= 500
    found = pieces(content, "абв")
    assert (found[0], found[-1]) == ("[CLS]", "[SEP]")
    added = {token["content"]: token["id"] for token in json.loads(content)["added_tokens"]}
    assert added == {name: at for at, name in enumerate(CONTROLS)}


@pytest.mark.parametrize("kind", KINDS)
def test_words_fall_into_fewer_pieces_than_letters_and_none_is_unknown(kind: str) -> None:
    content = learned(kind)
    lines = texts()[:100]
    found = [piece for line in lines for piece in pieces(content, line)[1:-1]]
    assert "[UNK]" not in found
    assert len(found) < 0.8 * sum(map(len, lines))


def test_bytes_know_every_letter() -> None:
    assert "[UNK]" not in pieces(learned("bpe", ["a b"]), "漢 😀 é Ж")


@pytest.mark.parametrize("kind", KINDS)
def test_capitals_and_accents_go_where_asked(kind: str) -> None:
    rows = ["Épée Café ЁЖ"] * 20
    folded = learned(kind, rows, lowercase=True, strip_accents=True)
    assert pieces(folded, "Épée Café ЁЖ") == pieces(folded, "epee cafe еж")
    kept = learned(kind, rows)
    assert pieces(kept, "Épée") != pieces(kept, "epee")
    assert pieces(kept, "ﬁＡ") == pieces(kept, "fiA")  # NFKC


@pytest.mark.parametrize("kind", KINDS)
def test_words_in_lists_and_in_texts_are_cut_alike(kind: str) -> None:
    content = learned(kind)
    tokenizer = open_tokenizer(content, None)
    line = texts()[0]
    (words,) = tokenizer.encode_batch([line.split()], are_words=True)
    assert words.tokens == pieces(content, line)
    assert learned(kind, [row.split() for row in texts()]) == content


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15)
@given(
    text=st.lists(st.sampled_from(["абв", "Anna", ",", " ", "  ", "\t", "今天", "😀", "."])).map(
        "".join
    )
)
def test_offsets_are_letters_at_both_ends(kind: str, text: str) -> None:
    spec = InputSpec("said", "text", ("said",), {"max_length": 256})
    encoded = input_kind("text").open(spec, {"tokenizer": learned_once(kind)}).encode([text])
    words = list((encoded.words or ())[0])
    assert "".join(word for _, _, word in words) == "".join(text.split())
    assert all(text[start:end] == word == word.strip() for start, end, word in words)
    assert all(start > 0 for start in rows_of(encoded)[0])


_ONCE: dict[str, bytes] = {}


def learned_once(kind: str) -> bytes:
    return _ONCE.setdefault(kind, learned(kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [[], [""], [" \n"], [[]]])
def test_no_words_no_tokenizer(kind: str, rows: list[Any]) -> None:
    with pytest.raises(UsageError, match="no words"):
        learned(kind, rows)


def test_the_rarest_letters_are_unknown_where_there_are_too_many() -> None:
    rows = ["".join(map(chr, range(0x4E00, 0x4E00 + 900)))] + ["今天"] * 50
    for kind in ("unigram", "wordpiece"):
        content = learned(kind, rows, size=400)
        assert vocabulary_size(content) <= 400
        assert "[UNK]" not in pieces(content, "今天")


def test_unigram_pieces_are_counted_in_whole_numbers() -> None:
    found = dict(unigram_pieces({"abab": 4, "ab": 2, "c": 1}, 5, ["a", "b", "c"]))
    assert {"a", "b", "c"} <= set(found)
    assert len(found) <= 5
    assert all(score <= 0 for score in found.values())


def test_what_stands_in_a_pieces_place() -> None:
    scores = {"a": -1.0, "b": -2.0, "ab": -1.5, "c": -3.0, "abc": -0.5}
    assert _otherwise("abc", scores) == -4.5
    assert _otherwise("x", scores) == float("-inf")
