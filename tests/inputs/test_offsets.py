"""Where words stand in a raw text, whatever cuts it: letters at both ends, never blanks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inputs.starts import rows_of
from inputs.tokenizers_of import every
from kd2edge.inputs import Encoded, InputSpec, input_kind
from kd2edge.inputs.tokenizer import open_tokenizer
from kd2edge.inputs.words import TITLE, UPPER, _cut_at_blanks, casing, cut_of

BLANKS = " \t\n\r\u00a0\u2003\u3000\u2028\u202f"
NAMES = sorted(every())
#: Those that cut at blanks alone: no punctuation stands in these texts.
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(["Anna", "Bert", "the", "NATO", "é", "漢字", "😀", "x", "ab"]),
        st.text(alphabet=BLANKS, min_size=1, max_size=3),
    ),
    max_size=8,
).map("".join)


def encoded(name: str, text: str, **options: Any) -> Encoded:
    spec = InputSpec("said", "text", ("said",), options, {"tokenizer": "t.json"})
    return input_kind("text").open(spec, {"tokenizer": every()[name]}).encode([text])


def words(name: str, text: str, **options: Any) -> list[tuple[int, int, str]]:
    found = encoded(name, text, **options).words
    assert found is not None
    return list(found[0])


@pytest.mark.parametrize("name", NAMES)
def test_an_entity_begins_at_its_first_letter(name: str) -> None:
    text = "the train and Anna Bert was very"
    assert words(name, text)[3:5] == [(14, 18, "Anna"), (19, 23, "Bert")]
    assert words(name, "the train  and Anna")[-1] == (15, 19, "Anna")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("around", ["", " ", "  ", "\t", "\n\n", "\u00a0", " \u3000 "])
def test_blanks_are_no_words_and_in_none(name: str, around: str) -> None:
    text = f"{around}Anna  {around}NATO{around}"
    found = words(name, text)
    assert [word for _, _, word in found] == ["Anna", "NATO"]
    assert all(text[start:end] == word for start, end, word in found)
    assert words(name, around) == []


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(text=TEXTS)
def test_words_are_what_stands_between_blanks(name: str, text: str) -> None:
    found = words(name, text)
    assert "".join(word for _, _, word in found) == "".join(text.split())
    before = 0
    for start, end, word in found:
        assert before <= start < end
        assert text[start:end] == word == "".join(word.split())
        before = end


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(text=TEXTS, limit=st.integers(4, 12))
def test_a_limit_moves_no_word(name: str, text: str, limit: int) -> None:
    whole, cut = encoded(name, text, max_length=512), encoded(name, text, max_length=limit)
    assert list((cut.words or ())[0]) == list((whole.words or ())[0])
    assert rows_of(cut) == [[at if at < limit else -1 for at in rows_of(whole)[0]]]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(text=TEXTS)
def test_every_word_has_its_pieces_and_its_casing(name: str, text: str) -> None:
    tokenizer = open_tokenizer(every()[name], None)
    (encoding,) = tokenizer.encode_batch([text], are_words=False)
    cut = cut_of(text, encoding)
    kinds = encoded(name, text, casing=True, max_length=512).arrays["casing_ids"][0].tolist()
    assert cut.starts == sorted(cut.starts)
    for at, (start, end) in enumerate(cut.words):
        assert encoding.offsets[cut.starts[at]][0] < end
        own = [position for position, word in enumerate(cut.owners) if word == at]
        assert all(encoding.offsets[position][0] < end for position in own)
        assert all(kinds[position] == casing(text[start:end]) for position in own)
    blank = [position for position, word in enumerate(cut.owners) if word is None]
    assert all(not kinds[position] for position in blank)


@pytest.mark.parametrize("name", NAMES)
def test_casing_looks_at_letters(name: str) -> None:
    kinds = encoded(name, "a Anna  NATO", casing=True).arrays["casing_ids"][0].tolist()
    assert set(kinds) <= {0, 1, TITLE, UPPER}
    assert {TITLE, UPPER} <= set(kinds)


def test_offsets_count_characters_not_bytes() -> None:
    for name in NAMES:
        assert words(name, "😀😀 Anna")[-1] == (3, 7, "Anna")


@pytest.mark.parametrize("gone", ["\u200b", "\ufeff", "\u0000", "\u200b\u200b"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_printed_is_no_word_and_at_no_end_of_one(name: str, gone: str) -> None:
    assert words(name, f"{gone} {gone}Anna{gone} {gone}")[:1] == [(3, 7, "Anna")] or len(gone) > 1
    assert words(name, gone) == []


def test_a_piece_that_reaches_over_a_blank_begins_both_words() -> None:
    found = encoded("no pre-tokenizer", "Anna Bert")
    assert [word for _, _, word in (found.words or ())[0]] == ["Anna", "Bert"]
    llama = encoded("llama", "Anna Bert x")
    assert [word for _, _, word in (llama.words or ())[0]] == ["Anna", "Bert", "x"]
    assert rows_of(llama)[0][:2] == [0, 0]


def test_words_of_which_no_piece_is_left_are_none() -> None:
    """A BPE model without a piece for the unknown leaves it out."""
    model = {"type": "BPE", "vocab": {"A": 0, "n": 1, "a": 2}, "merges": []}
    content = b'{"model": %s, "pre_tokenizer": {"type": "WhitespaceSplit"}}'
    spec = InputSpec("said", "text", ("said",), {}, {"tokenizer": "t.json"})
    encoder = input_kind("text").open(spec, {"tokenizer": content % json.dumps(model).encode()})
    found = encoder.encode(["☃ Anna ☃☃ a"])
    assert list((found.words or ())[0]) == [(2, 6, "Anna"), (10, 11, "a")]
    assert rows_of(found) == [[0, 4]]


@given(text=TEXTS, name=st.sampled_from(NAMES))
def test_the_short_way_is_the_long_one(text: str, name: str) -> None:
    (encoding,) = open_tokenizer(every()[name], None).encode_batch([text], are_words=False)
    assert cut_of(text, encoding) == _cut_at_blanks(text, encoding)
