"""Tokenizers of every family that is in use, trained on a few words: what tests of offsets need."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

LETTERS = "abcdefghijklmnopqrstuvwxyzABNTOé漢字😀"
_TEXTS = ["the train and Anna Bert was very NATO", "Anna Bert", "order NATO the the"] * 5
_ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())


def byte_level(*, trim: bool = False, prefix: bool = False, regex: bool = True) -> bytes:
    """Byte-level BPE, as GPT-2 and RoBERTa have it."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)
    made.post_processor = processors.ByteLevel(trim_offsets=trim, add_prefix_space=prefix)
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=_ALPHABET, show_progress=False, special_tokens=["[PAD]"]
    )
    made.train_from_iterator(_TEXTS, trainer)
    return made.to_str().encode()


def unigram(cutter: Any = None, normalizer: Any = None, *, joined: bool = False) -> bytes:
    """Unigram over "▁", as T5 and XLM-R have it; ``joined``: a piece reaches over a blank."""
    pieces = ["▁the", "▁Anna", "▁Bert", "Anna", "the", "▁", "An", "rt"]
    pieces += ["▁Anna▁Bert"] * joined
    scored = [("<unk>", -20.0), ("<pad>", -20.0)]
    scored += [(piece, -1.0) for piece in pieces] + [(letter, -5.0) for letter in LETTERS]
    made = Tokenizer(models.Unigram(scored, unk_id=0))
    if cutter is not None:
        made.pre_tokenizer = cutter
    if normalizer is not None:
        made.normalizer = normalizer
    return made.to_str().encode()


def word_piece(normalizer: Any, cutter: Any) -> bytes:
    """WordPiece, as BERT has it."""
    pieces = ["[PAD]", "[UNK]", "the", "anna", "Anna", "an", "##na", "##t"]
    pieces += [mark + letter for letter in LETTERS for mark in ("", "##")]
    vocabulary = {piece: at for at, piece in enumerate(dict.fromkeys(pieces))}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizer, cutter
    return made.to_str().encode()


@cache
def every() -> dict[str, bytes]:
    """All of them by name."""
    llama = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made = {
        f"byte-level trim={trim} prefix={prefix} regex={regex}": byte_level(
            trim=trim, prefix=prefix, regex=regex
        )
        for trim in (False, True)
        for prefix in (False, True)
        for regex in (False, True)
    }
    for scheme in ("always", "first", "never"):
        for split in (False, True):
            cutter = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
            made[f"metaspace {scheme} split={split}"] = unigram(cutter, joined=not split)
    made["no pre-tokenizer"] = unigram()
    made["llama"] = unigram(normalizer=llama, joined=True)
    made["bert"] = word_piece(normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer())
    made["cased bert"] = word_piece(
        normalizers.BertNormalizer(lowercase=False, handle_chinese_chars=False),
        pre_tokenizers.BertPreTokenizer(),
    )
    return made


def changed(content: bytes, **changes: Any) -> bytes:
    """A file with other values at its top, or (``model_x``) in its model."""
    whole = json.loads(content)
    for key, value in changes.items():
        model, name = (whole["model"], key[6:]) if key.startswith("model_") else (whole, key)
        model[name] = value
    return json.dumps(whole).encode()
