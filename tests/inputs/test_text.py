from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inputs.starts import rows_of
from kd2edge.errors import InputError, IntegrityError, UsageError
from kd2edge.inputs import ArraySpec, Encoder, InputSpec, input_kind
from kd2edge.inputs.longest import AtMost
from kd2edge.inputs.tokenizer import _PROBE, GuardedTokenizer
from kd2edge.inputs.words import DIGIT, LOWER, OTHER, TITLE

Opened = Callable[..., Encoder]
#: Characters that opening tries.
PROBED = sorted(set(_PROBE) - {"a"})


@pytest.fixture(scope="module")
def encoder(opened: Opened) -> Encoder:
    return opened("text", max_length=8)


def test_arrays_are_those_of_the_contract(opened: Opened) -> None:
    dynamic = ("batch", "said.length")
    assert opened("text").arrays == (
        ArraySpec("input_ids", "int64", dynamic),
        ArraySpec("attention_mask", "int64", dynamic),
    )
    names = [array.name for array in opened("text", casing=True, prefix="said_").arrays]
    assert names == ["said_input_ids", "said_attention_mask", "said_casing_ids"]


def test_a_batch_is_padded_to_its_longest_row(encoder: Encoder, id_of: dict[str, int]) -> None:
    encoded = encoder.encode(["the", "Playing music"])
    cls, sep, pad = id_of["[CLS]"], id_of["[SEP]"], id_of["[PAD]"]
    assert encoded.arrays["input_ids"].tolist() == [
        [cls, id_of["the"], sep, pad, pad],
        [cls, id_of["play"], id_of["##ing"], id_of["music"], sep],
    ]
    assert encoded.arrays["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert all(array.dtype == np.int64 for array in encoded.arrays.values())
    assert encoder.length(encoded).tolist() == [3, 5]


def test_word_starts_and_words(encoder: Encoder) -> None:
    encoded = encoder.encode(["Playing  music!", "in"])
    assert rows_of(encoded) == [[1, 3, 4], [1]]
    assert encoded.words is not None
    assert list(encoded.words[0]) == [(0, 7, "Playing"), (9, 14, "music"), (14, 15, "!")]


@pytest.mark.parametrize("text", ["", "   ", "\t\n", "\u200b"])
def test_empty_text_is_a_valid_row(encoder: Encoder, id_of: dict[str, int], text: str) -> None:
    encoded = encoder.encode([text])
    assert encoded.arrays["input_ids"].tolist() == [[id_of["[CLS]"], id_of["[SEP]"]]]
    assert rows_of(encoded) == [[]]
    assert [len(row) for row in encoded.words or ()] == [0]
    assert not encoder.truncated(text)


def test_words_beyond_the_limit_are_minus_one_and_keep_their_place(encoder: Encoder) -> None:
    text = "the music in paris playing unplayable !"  # 6 pieces fit
    encoded = encoder.encode([text])
    assert rows_of(encoded) == [[1, 2, 3, 4, 5, -1, -1]]
    assert [word for _, _, word in (encoded.words or ())[0]] == text.split()
    assert encoder.truncated(text)
    assert not encoder.truncated("the music in paris playing")


def test_a_word_that_is_cut_in_the_middle_keeps_its_start_and_its_end(encoder: Encoder) -> None:
    encoded = encoder.encode(["the music in paris the unplayable"])  # un ##play ##able: one fits
    assert rows_of(encoded) == [[1, 2, 3, 4, 5, 6]]
    assert (encoded.words or ())[0][5] == (23, 33, "unplayable")


def test_casing_is_that_of_the_whole_word(opened: Opened) -> None:
    encoded = opened("text", casing=True).encode(["Playing music 3.", "a"])
    assert encoded.arrays["casing_ids"].tolist() == [
        [0, TITLE, TITLE, LOWER, DIGIT, OTHER, 0],
        [0, LOWER, 0, 0, 0, 0, 0],
    ]


def test_one_long_text_costs_its_own_words_and_no_table(encoder: Encoder) -> None:
    starts = encoder.encode(["in"] * 255 + ["in " * 100_000]).word_starts
    assert starts is not None
    assert sum(array.nbytes for array in starts) < 10 * 100_000


@given(text=st.text(max_size=30), limit=st.integers(3, 12))
def test_words_starts_and_truncation_are_exact(opened: Opened, text: str, limit: int) -> None:
    encoder, unlimited = (
        opened("text", max_length=limit, casing=True),
        opened("text", max_length=999),
    )
    cut, whole = encoder.encode([text]), unlimited.encode([text])
    assert list((cut.words or ())[0]) == list((whole.words or ())[0])
    for start, end, word in (cut.words or ())[0]:
        assert text[start:end] == word
    kept = [at if at < limit - 1 else -1 for at in rows_of(whole)[0]]
    assert rows_of(cut) == [kept]
    assert encoder.truncated(text) == (unlimited.length(whole)[0] > limit)
    assert cut.arrays["input_ids"].shape[1] <= limit


@given(texts=st.lists(st.text(max_size=12), min_size=2, max_size=4))
def test_a_row_does_not_depend_on_its_neighbours(opened: Opened, texts: list[str]) -> None:
    encoder = opened("text", casing=True)
    together = encoder.encode(texts)
    lengths = encoder.length(together)
    for row, text in enumerate(texts):
        alone = encoder.encode([text])
        for name, array in alone.arrays.items():
            assert together.arrays[name][row, : lengths[row]].tolist() == array[0].tolist()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, "None"),
        (float("nan"), "NaN"),
        (3, "a int"),
        (b"a", "a bytes"),
        (["a"], "a list"),
        (("a", "b"), "a tuple"),
    ],
)
def test_other_values_are_refused_by_row(encoder: Encoder, value: Any, found: str) -> None:
    with pytest.raises(InputError, match=f"input 'said', row 1: expected a string, found {found}"):
        encoder.encode(["fine", value])


def test_half_a_surrogate_pair_is_refused_by_row(encoder: Encoder) -> None:
    with pytest.raises(InputError, match="row 1: the text is no valid Unicode at character 2"):
        encoder.encode(["fine", "ab\ud800"])


def test_a_row_that_no_piece_is_there_for_is_refused_by_its_number() -> None:
    model = {"type": "Unigram", "unk_id": None, "vocab": [["a", 0.0], *([c, -1.0] for c in PROBED)]}
    spec = InputSpec("said", "text", ("said",))
    encoder = input_kind("text").open(spec, {"tokenizer": json.dumps({"model": model}).encode()})
    assert encoder.encode(["a", "aa"]).arrays["input_ids"].shape == (2, 2)
    with pytest.raises(
        InputError, match="input 'said', row 2: the tokenizer cannot cut it into pie"
    ):
        encoder.encode(["a", "aa", "\u0416", "a"])


def test_a_panic_is_an_error_of_ours_that_names_the_row(tokenizer_json: bytes) -> None:
    """An added token that the normaliser leaves nothing of: the library panics over such a text."""
    content = json.loads(tokenizer_json)
    gone = {"type": "Replace", "pattern": {"String": "qq"}, "content": ""}
    content["normalizer"] = {"type": "Sequence", "normalizers": [gone, content["normalizer"]]}
    token = {**content["added_tokens"][0], "id": 500, "content": "qq", "normalized": True}
    content["added_tokens"].append({**token, "special": False})
    with pytest.raises((InputError, IntegrityError), match=r"tokenizer"):
        input_kind("text").open(
            InputSpec("said", "text", ("said",)), {"tokenizer": json.dumps(content).encode()}
        ).encode(["the", "the x in"])


def test_an_interrupt_is_no_fault_of_the_tokenizer() -> None:
    class Stopped:
        def encode_batch(self, *_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

    stopped: Any = Stopped()
    with pytest.raises(KeyboardInterrupt):
        GuardedTokenizer(stopped, AtMost(8)).encode_batch(["a"], are_words=False)


def test_numpy_strings_are_strings(encoder: Encoder) -> None:
    listed, array = ["the", "music"], np.array(["the", "music"])
    assert np.array_equal(
        encoder.encode(listed).arrays["input_ids"], encoder.encode(array).arrays["input_ids"]
    )


def test_every_edge_can_be_encoded(opened: Opened) -> None:
    encoder = opened("text", max_length=8, casing=True)
    edges = encoder.edge_values()
    encoded = encoder.encode(list(edges.values()))
    assert encoded.arrays["input_ids"].shape == (len(edges), 8)
    assert edges["empty"] == ""
    assert encoder.truncated(edges["longest"])


def test_threads_get_what_one_thread_gets(opened: Opened) -> None:
    encoder = opened("text", max_length=8)
    texts = [f"music {n} " * (n % 5) for n in range(40)]
    wanted = [encoder.encode([text]).arrays["input_ids"].tolist() for text in texts]
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda text: encoder.encode([text]).arrays["input_ids"].tolist(), texts)
        )
    assert found == wanted


@pytest.mark.parametrize("limit", ["32", 3.5, True, None, 0, -1, 1 << 31, 10**30])
def test_a_limit_that_is_no_whole_number_is_refused(opened: Opened, limit: Any) -> None:
    with pytest.raises(UsageError, match="max_length must be a whole number from 1 to"):
        opened("text", max_length=limit)


def test_a_missing_tokenizer_is_refused() -> None:
    with pytest.raises(UsageError, match="needs the file `tokenizer`"):
        input_kind("text").open(InputSpec("said", "text", ("said",)), {})


def value_of(row: dict[str, Any]) -> Any:
    return input_kind("text").value(InputSpec("said", "text", ("said",)), row, "")


def test_value_is_the_text_of_the_column() -> None:
    assert value_of({"said": "hello"}) == "hello"
    assert value_of({"said": ""}) == ""


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"sad": "x"}, "no column 'said', the row has 'sad'; did you mean 'sad'"),
        ({"said": None}, "column 'said' is empty"),
        ({"said": float("nan")}, "expected text, found NaN"),
        ({"said": 7}, "expected text, found a int"),
        ({"said": ["a"]}, "expected text, found a list"),
    ],
)
def test_value_refuses_what_is_no_text(row: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        value_of(row)


def test_ids_are_those_of_transformers(minilm: Path) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(minilm)
    spec = InputSpec("said", "text", ("said",), {"max_length": 16})
    ours = input_kind("text").open(spec, {"tokenizer": (minilm / "tokenizer.json").read_bytes()})
    texts = [
        "Where is my card?", "", "na\u00efve caf\u00e9 \u6771\u4eac \U0001f642",
        "It's 3.5% of U.S. GDP, isn't it?", "antidisestablishmentarianism " * 6,
        "tabs\tand\nlines", "A" * 120,
    ]  # fmt: skip
    wanted = theirs(texts, truncation=True, max_length=16, padding=True, return_tensors="np")
    found = ours.encode(texts).arrays
    assert found["input_ids"].tolist() == wanted["input_ids"].tolist()
    assert found["attention_mask"].tolist() == wanted["attention_mask"].tolist()
