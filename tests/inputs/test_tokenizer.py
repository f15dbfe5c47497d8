from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from kd2edge.errors import BackendError, IntegrityError, UsageError
from kd2edge.inputs import tokenizer
from kd2edge.inputs.cut import cut_vocabulary
from kd2edge.inputs.tokenizer import open_tokenizer
from kd2edge.inputs.tokenizer_json import id_rules, pad_id, vocabulary_size

TEXTS = ("Playing music in Paris!", "unplayable", ["The", "players", "in", "Paris"])


def segmented(
    tokenizer_json: bytes, text: str | Sequence[str], limit: int | None = None
) -> list[str]:
    tokenizer = open_tokenizer(tokenizer_json, limit)
    return tokenizer.encode_batch([text], are_words=not isinstance(text, str))[0].tokens


def test_own_truncation_and_padding_of_the_file_are_put_aside(tokenizer_json: bytes) -> None:
    assert segmented(tokenizer_json, "in") == ["[CLS]", "in", "[SEP]"]
    assert len(segmented(tokenizer_json, "in " * 40)) == 42


def test_what_is_beyond_the_limit_is_cut_from_the_right(tokenizer_json: bytes) -> None:
    assert segmented(tokenizer_json, "the music in paris", 4) == ["[CLS]", "the", "music", "[SEP]"]


def test_all_that_the_limit_cuts_off_stays_known(tokenizer_json: bytes) -> None:
    cut = open_tokenizer(tokenizer_json, 4).encode_batch(["in " * 9], are_words=False)[0]
    words = [word for part in (cut, *cut.overflowing) for word in part.word_ids if word is not None]
    assert words == list(range(9))


def test_a_release_that_forgets_what_is_cut_off_is_refused(
    tokenizer_json: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "keeps_what_is_cut", lambda: False)
    open_tokenizer(tokenizer_json, None)  # nothing is cut
    with pytest.raises(BackendError, match=r'pip install "tokenizers!=0.23.1,!=0.23.2"'):
        open_tokenizer(tokenizer_json, 8)


def test_control_tokens_in_a_text_are_ordinary_characters(tokenizer_json: bytes) -> None:
    pieces = segmented(tokenizer_json, "the [SEP] [MASK]")
    assert pieces.count("[SEP]") == 1
    assert "[MASK]" not in pieces


@pytest.mark.parametrize("limit", [-1, 0, 1, 2])
def test_a_limit_without_room_for_a_piece_is_refused(tokenizer_json: bytes, limit: int) -> None:
    with pytest.raises(UsageError, match="more than the 2 control tokens"):
        open_tokenizer(tokenizer_json, limit)


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"{}", b'{"model": null}', b'{"model": {}}']
)
def test_other_bytes_are_no_tokenizer(content: bytes) -> None:
    with pytest.raises(IntegrityError, match="tokenizer.json"):
        open_tokenizer(content, None)


def test_the_rules_of_the_ids_leave_out_what_is_put_aside(tokenizer_json: bytes) -> None:
    content = json.loads(tokenizer_json)
    aside = {**content, "padding": None, "truncation": None}
    pieces = content["model"]["vocab"]
    swapped = {**pieces, "in": pieces["paris"], "paris": pieces["in"]}
    other = {**content, "model": {**content["model"], "vocab": swapped}}
    own = id_rules(tokenizer_json)
    assert id_rules(json.dumps(aside, indent=1).encode()) == own
    assert id_rules(json.dumps(other).encode()) != own


def test_vocabulary_size_is_that_of_the_embedding_table(tokenizer_json: bytes) -> None:
    assert vocabulary_size(tokenizer_json) == len(json.loads(tokenizer_json)["model"]["vocab"])


def test_vocabulary_size_counts_added_tokens_and_gaps(tokenizer_json: bytes) -> None:
    content = json.loads(tokenizer_json)
    content["added_tokens"].append({**content["added_tokens"][0], "id": 500, "content": "[NEW]"})
    assert vocabulary_size(json.dumps(content).encode()) == 501


def test_vocabulary_size_of_a_unigram_tokenizer() -> None:
    model = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0]]}
    assert vocabulary_size(json.dumps({"model": model}).encode()) == 2


def test_a_tokenizer_without_a_vocabulary_is_refused() -> None:
    with pytest.raises(IntegrityError, match="no vocabulary"):
        vocabulary_size(b'{"model": {"type": "WordPiece", "vocab": {}}}')


@pytest.mark.parametrize(
    ("change", "wanted"),
    [({}, 2), ({"padding": None}, 2), ({"padding": {"pad_id": 7}}, 7)],
)
def test_the_id_that_pads(tokenizer_json: bytes, change: dict[str, Any], wanted: int) -> None:
    assert pad_id(json.dumps(json.loads(tokenizer_json) | change).encode()) == wanted


def test_without_a_padding_token_zero_pads() -> None:
    assert pad_id(b'{"model": {"vocab": {"a": 0, "b": 1}}}') == 0


@cache
def cut(tokenizer_json: bytes, minimum_count: int = 1) -> tuple[bytes, Any]:
    return cut_vocabulary(tokenizer_json, TEXTS, minimum_count=minimum_count)


def pieces_of(tokenizer_json: bytes) -> list[str]:
    vocabulary = Tokenizer.from_buffer(tokenizer_json).get_vocab(with_added_tokens=True)
    return sorted(vocabulary, key=lambda piece: vocabulary[piece])


def test_cut_padding_comes_first_then_control_tokens(tokenizer_json: bytes) -> None:
    new, _ = cut(tokenizer_json)
    assert pieces_of(new)[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert pad_id(new) == 0


def test_cut_keeps_used_pieces_and_single_characters_alone(tokenizer_json: bytes) -> None:
    new, _ = cut(tokenizer_json)
    kept = set(pieces_of(new))
    assert {"play", "##ing", "##able", "paris", "the", "\u6f22", "z", "##z"} <= kept
    assert not {"[unused0]", "ing", "##ed"} & kept


def test_cut_kept_ids_name_the_same_pieces(tokenizer_json: bytes) -> None:
    new, kept = cut(tokenizer_json)
    old = pieces_of(tokenizer_json)
    assert kept.dtype == np.int64
    assert [old[index] for index in kept] == pieces_of(new)
    assert vocabulary_size(new) == len(kept)


def test_cut_pieces_that_are_too_rare_go(tokenizer_json: bytes) -> None:
    new, _ = cut(tokenizer_json, 2)
    kept = set(pieces_of(new))
    assert {"in", "paris", "play"} <= kept  # twice each
    assert "music" not in kept


@pytest.mark.parametrize("text", [*TEXTS, "[CLS] the [MASK]", "x\u00e9z", "", "\u6f22\u5b57"])
def test_cut_tokenizer_segments_the_texts_as_before(tokenizer_json: bytes, text: Any) -> None:
    assert segmented(cut(tokenizer_json)[0], text) == segmented(tokenizer_json, text)


WORDS = st.sampled_from(
    ["play", "playing", "played", "unplayed", "ing", "paris", "\u6f22", "\u2603", "[SEP]"]
)


@given(
    words=st.lists(
        st.one_of(WORDS, st.text(alphabet="aigns\u00e9 \u6f22.[]#\u2603", max_size=8)), max_size=6
    ),
    corpus=st.lists(WORDS, max_size=4),
    minimum_count=st.integers(1, 2),
)
def test_cut_segments_alike_whatever_pieces_survive(
    tokenizer_json: bytes, words: list[str], corpus: list[str], minimum_count: int
) -> None:
    new, kept = cut_vocabulary(
        tokenizer_json, [" ".join(corpus), corpus], minimum_count=minimum_count
    )
    before, after = (
        open_tokenizer(content, None).encode_batch([words], are_words=True)[0]
        for content in (tokenizer_json, new)
    )
    assert all(0 <= index < len(kept) for index in after.ids)
    if set(before.ids) <= set(kept.tolist()):
        assert after.tokens == before.tokens
        assert kept[after.ids].tolist() == before.ids


def test_cut_gives_the_same_bytes_again(tokenizer_json: bytes) -> None:
    first, second = (cut_vocabulary(tokenizer_json, iter(TEXTS)) for _ in range(2))
    assert first[0] == second[0]
    assert np.array_equal(first[1], second[1])


def test_cut_again_changes_nothing(tokenizer_json: bytes) -> None:
    new, _ = cut(tokenizer_json)
    again, kept = cut_vocabulary(new, TEXTS)
    assert again == new
    assert kept.tolist() == list(range(len(kept)))


def test_cut_to_no_text_at_all_leaves_controls_and_characters(tokenizer_json: bytes) -> None:
    new, kept = cut_vocabulary(tokenizer_json, [])
    assert len(kept) == 6 + 2 * len("abcdefghijklmnopqrstuvwxyz0123456789.,!?'-[]<>/")
    assert segmented(new, "play") == ["[CLS]", "p", "##l", "##a", "##y", "[SEP]"]


def test_cut_renumbers_other_post_processors_too(tokenizer_json: bytes) -> None:
    content = json.loads(tokenizer_json)
    content["post_processor"] = {
        "type": "Sequence",
        "processors": [{"type": "BertProcessing", "sep": ["[SEP]", 5], "cls": ["[CLS]", 4]}],
    }
    new, _ = cut_vocabulary(json.dumps(content).encode(), ["music"])
    assert segmented(new, "music") == ["[CLS]", "music", "[SEP]"]
    assert open_tokenizer(new, None).encode_batch(["music"], are_words=False)[0].ids[0] == 2


def test_cut_keeps_an_added_token_that_the_vocabulary_lacks(tokenizer_json: bytes) -> None:
    content = json.loads(tokenizer_json)
    size = len(content["model"]["vocab"])
    entity = {**content["added_tokens"][0], "id": size, "content": "<e>", "special": False}
    content["added_tokens"].append(entity)
    new, kept = cut_vocabulary(json.dumps(content).encode(), ["music"])
    (found,) = open_tokenizer(new, None).encode_batch(["<e> music"], are_words=False)
    assert found.tokens == ["[CLS]", "<e>", "music", "[SEP]"]
    assert kept[found.ids[1]] == size


def test_cut_refuses_what_is_no_wordpiece() -> None:
    with pytest.raises(UsageError, match="found BPE"):
        cut_vocabulary(b'{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}', [])


def test_cut_of_minilm_segments_its_texts_as_before(minilm: Path) -> None:
    whole = (minilm / "tokenizer.json").read_bytes()
    texts = [
        "Where is my card? It's been 3 days...",
        "na\u00efve caf\u00e9, \u00fcber-cool \u6771\u4eac",
        "bill_balance",
    ]
    new, kept = cut_vocabulary(whole, texts)
    assert len(kept) < 5000
    assert kept[:5].tolist() == [0, 100, 101, 102, 103]
    before, after = open_tokenizer(whole, None), open_tokenizer(new, None)
    for text in texts:
        (new_one,), (old_one,) = (
            one.encode_batch([text], are_words=False) for one in (after, before)
        )
        assert new_one.tokens == old_one.tokens
        assert kept[new_one.ids].tolist() == old_one.ids
    (unseen,) = after.encode_batch(
        ["An entirely different sentence, quizzically put."], are_words=False
    )
    assert "[UNK]" not in unseen.tokens
    assert max(unseen.ids) < len(kept)
