"""Probes ask every tokenizer for every piece that a text can ask for."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.pieces import written
from kd2edge.inputs.spec import InputSpec

TEXTS = [
    "where is my new card", "please cancel the order now", "cancelling cards is slow",
    "Berlin and Paris are cities", "the waiter waited for an undefined while",
    "na\u00efve caf\u00e9 owners",
] * 8  # fmt: skip


def trained(kind: str) -> bytes:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    if kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer: Any = trainers.WordPieceTrainer(vocab_size=120, special_tokens=["[PAD]", "[UNK]"])
    elif kind == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=360, special_tokens=["<pad>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )  # fmt: skip
    elif kind == "bpe":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.BpeTrainer(vocab_size=90)
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=90, special_tokens=["<unk>"], unk_token="<unk>"
        )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer.to_str().encode()


def opened(kind: str, content: bytes, max_length: int = 16) -> tuple[Any, Any]:
    spec = InputSpec("text", kind, ("text",), {"max_length": max_length}, {"tokenizer": "t.json"})
    files = {"tokenizer": content}
    return input_kind(kind).open(spec, files), input_kind(kind).probes(spec, files)


def asked_by(encoder: Any, values: Any) -> set[int]:
    rows = [encoder.encode([value]).arrays["input_ids"][0] for value in values]
    return {int(one) for row in rows for one in row}


@pytest.mark.parametrize("kind", ["text", "tokens"])
@pytest.mark.parametrize(("model", "least"), [("wordpiece", 0.9), ("bpe", 0.9), ("unigram", 0.8)])
def test_nearly_every_piece_is_asked_for(kind: str, model: str, least: float):
    content = trained(model)
    encoder, probes = opened(kind, content)
    asked = asked_by(encoder, probes.pieces)
    pieces = written(content)
    assert len(asked & set(pieces)) >= least * len(pieces)


def test_whole_pieces_of_bytes_are_asked_for():
    content = trained("bytes")
    encoder, probes = opened("text", content)
    asked = asked_by(encoder, probes.pieces)
    whole = [at for at, word in written(content).items() if len(word) > 1]
    assert len(asked & set(whole)) >= 0.4 * len(whole)  # most others are parts of longer ones


@pytest.mark.parametrize("model", ["wordpiece", "bytes", "bpe", "unigram"])
@pytest.mark.parametrize("kind", ["text", "tokens"])
def test_every_id_has_a_row_of_its_own(kind: str, model: str):
    content = trained(model)
    _, probes = opened(kind, content)
    (ids,) = probes.ids
    rows = ids.rows(3, 9)
    assert rows["input_ids"][:, ids.slot].tolist() == [*range(3, 9)]
    assert (rows["attention_mask"] == 1).all()
    assert ids.size >= max(written(content)) + 1


@pytest.mark.parametrize("kind", ["text", "tokens"])
def test_values_can_be_encoded_and_the_longest_is_cut_at_its_end(kind: str):
    encoder, probes = opened(kind, trained("wordpiece"))
    for name, value in probes.values.items():
        arrays = encoder.encode([value]).arrays
        assert arrays["input_ids"].shape[1] <= 16, name
    longest = probes.values["own words, longest"]
    assert encoder.truncated(longest)
    other = longest[::-1]
    assert not np.array_equal(
        encoder.encode([longest]).arrays["input_ids"], encoder.encode([other]).arrays["input_ids"]
    )


def test_the_same_tokenizer_gives_the_same_probes():
    content = trained("wordpiece")
    one, other = (opened("text", content)[1] for _ in range(2))
    assert (one.values, one.pieces) == (other.values, other.pieces)


def test_pieces_are_written_without_their_marks():
    added = [{"id": 0, "content": "[PAD]"}]
    pieces = {"[PAD]": 0, "##ing": 1, "a": 2, "[UNK]": 3}
    model = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##"}
    content = json.dumps({"model": {**model, "vocab": pieces}, "added_tokens": added})
    assert written(content.encode()) == {1: "ing", 2: "a", 3: "[UNK]"}
    unigram = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["\u2581the", -1.5]]}
    assert written(json.dumps({"model": unigram}).encode()) == {0: "<unk>", 1: "the"}
