"""Tiny recipes of every scenario, and the rows that they are about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The gallery's quick start, small enough to be trained in seconds.
QUICKSTART = (
    "data.sources.0.options={train: 96, validation: 40, test: 64}",
    "data.unlabelled.0.options={unlabelled: 32}",
    (
        "teachers.0.model.config={model_type: resnet, num_channels: 1, embedding_size: 4,"
        " hidden_sizes: [4, 8], depths: [1, 1], layer_type: basic, pool: [1, 2]}"
    ),
    "teachers.0.train={epochs: 2, batch_size: 32}",
    "student.model.config={channels: [4, 8], pool: [1, 2], hidden: 8}",
    "train={epochs: 2, batch_size: 32, threads: 1, device: cpu, precision: fp32}",
    "export.calibration.rows=16",
)

_INTENTS = {
    "greet": ("hello", "good morning", "hi", "good evening"),
    "order": ("i want a card", "order a new card", "send me a card", "please order"),
    "cancel": ("cancel my card", "stop the order", "block my card", "please cancel"),
}
_NAMES = ("Anna", "Berta", "Carl", "Dora", "Emil", "Fritz", "Gerda", "Hans", "Ida", "Jens")
_PLACES = ("Rome", "Paris", "Oslo", "Bern", "Kiel")
_VERBS = ("sees", "likes", "knows")

BERT = """
      config: {model_type: bert, hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2,
        intermediate_size: 24, max_position_embeddings: 16}"""
_ELECTRA = """
    config: {model_type: electra, embedding_size: 8, hidden_size: 16, num_hidden_layers: 1,
      num_attention_heads: 2, intermediate_size: 24, max_position_embeddings: 16}"""

TEXT_RECIPE = f"""\
version: 1
name: tiny-text
seed: 3
data:
  sources:
    - name: bank
      kind: jsonl
      train: train.jsonl
      validation: validation.jsonl
      test: test.jsonl
  unlabelled:
    - {{name: more, kind: jsonl, train: more.jsonl}}
inputs:
  text:
    kind: text
    columns: [text]
    tokenizer: {{path: tokenizer.json, vocab: cut}}
    max_length: 12
tasks:
  intent: {{kind: classification, metric: macro_f1}}
  urgent: {{kind: binary, positive: "yes", metric: accuracy}}
teachers:
  - name: bert
    model:
      family: transformers{BERT}
    train: {{epochs: 2, lr: 5.0e-3, batch_size: 16}}
student:
  model:
    family: transformers{_ELECTRA}
  init: {{from: bert, embeddings: svd}}
distill:
  alpha: {{intent: 0.7, urgent: 0.5}}
  temperature: 2.0
  features: [{{teacher: bert, from: encoder.layer.1, to: encoder.layer.0, loss: cosine}}]
  balance: uncertainty
baseline: true
train: {{epochs: 3, lr: 5.0e-3, batch_size: 16, threads: 1, device: cpu, precision: fp32}}
export: {{targets: [onnx, openvino, tensorrt], precisions: [fp32, int8], calibration: {{rows: 16}}}}
"""

TOKEN_RECIPE = f"""\
version: 1
name: tiny-token
seed: 4
data:
  sources:
    - name: names
      kind: jsonl
      train: train.jsonl
      validation: validation.jsonl
      test: test.jsonl
inputs:
  tokens:
    kind: tokens
    tokenizer: {{path: tokenizer.json, vocab: cut}}
    max_length: 12
    casing: true
tasks:
  ner: {{kind: token_classification, metric: entity_f1}}
  pos: {{kind: token_classification, metric: accuracy}}
teachers:
  - name: bert
    model:
      family: transformers{BERT}
    train: {{epochs: 2, lr: 5.0e-3, batch_size: 16}}
student:
  model:
    family: transformers{_ELECTRA}
baseline: true
train: {{epochs: 2, lr: 5.0e-3, batch_size: 16, threads: 1, device: cpu, precision: fp32}}
export: {{targets: [onnx, openvino, tensorrt], precisions: [fp32], calibration: {{rows: 16}}}}
"""

_TEXT_ENCODER = f"""{{family: transformers,{_ELECTRA}}}"""
REVIEW_RECIPE = f"""\
version: 1
name: tiny-review
seed: 5
data:
  sources:
    - name: shop
      kind: jsonl
      train: train.jsonl
      validation: validation.jsonl
      test: test.jsonl
  leaks: keep
inputs:
  review: {{kind: text, tokenizer: {{path: tokenizer.json}}, max_length: 12, absent: 0.3}}
  details: {{kind: tabular, numeric: [age], categorical: [town], absent: 0.3}}
tasks:
  intent: {{kind: classification, metric: macro_f1}}
  urgent: {{kind: binary, positive: "yes", metric: accuracy}}
teachers:
  - name: both
    model:
      encoders:
        review: {_TEXT_ENCODER}
        details: {{family: mlp, config: {{hidden: [16]}}}}
      fusion: {{kind: gated, width: 8}}
    tasks: [intent]
    train: {{epochs: 6, lr: 1.0e-2, batch_size: 16}}
  - name: reader
    inputs:
      text: {{kind: text, columns: [review], tokenizer: {{path: tokenizer.json}}, max_length: 12}}
    model: {_TEXT_ENCODER}
    tasks: [urgent]
    train: {{epochs: 1, lr: 1.0e-2, batch_size: 16}}
student:
  model:
    encoders:
      review: {_TEXT_ENCODER}
      details: {{family: mlp, config: {{hidden: [8]}}}}
    fusion: {{kind: concat, hidden: 8}}
distill: {{alpha: 0.5}}
baseline: true
train: {{epochs: 8, lr: 1.0e-2, batch_size: 16, threads: 1, device: cpu, precision: fp32}}
export: {{targets: [onnx], precisions: [fp32, int8], calibration: {{rows: 16}}}}
validate: {{max_drop: 0.5}}
"""


@dataclass(frozen=True, slots=True)
class Product:
    """A recipe that went all the way.

    Args:
        folder: stands for the working directory: it holds ``runs/`` and ``models/``.
        overrides: the ``--set`` values that it was distilled with.
    """

    folder: Path
    recipe: Path
    overrides: tuple[str, ...]
    run: Path
    bundle: Path

    @property
    def settings(self) -> list[str]:
        """The overrides as arguments."""
        return [part for value in self.overrides for part in ("--set", value)]


def write_text_project(folder: Path) -> Path:
    """Rows, tokenizer and recipe of a text scenario; the recipe's path."""
    rows = list(text_rows())
    test = rows[2::4]
    write_jsonl(folder / "train.jsonl", rows[0::4] + rows[1::4])
    write_jsonl(folder / "validation.jsonl", rows[3::4])
    write_jsonl(folder / "test.jsonl", test)
    more = [{"text": f"{row['text']} please"} for row in rows[:12]]
    # One of them stands in the test split: it must not be trained on.
    write_jsonl(folder / "more.jsonl", [*more, {"text": test[0]["text"]}])
    write_tokenizer(folder / "tokenizer.json", [row["text"] for row in rows])
    return _written(folder / "recipe.yaml", TEXT_RECIPE)


def write_token_project(folder: Path) -> Path:
    """Rows, tokenizer and recipe of a token scenario; the recipe's path."""
    rows = list(token_rows())
    write_jsonl(folder / "train.jsonl", rows[0::4] + rows[1::4])
    write_jsonl(folder / "validation.jsonl", rows[3::4])
    write_jsonl(folder / "test.jsonl", rows[2::4])
    write_tokenizer(folder / "tokenizer.json", [" ".join(row["tokens"]) for row in rows])
    return _written(folder / "recipe.yaml", TOKEN_RECIPE)


def write_review_project(folder: Path) -> Path:
    """Rows, tokenizer and recipe of reviews and tables of details; the recipe's path."""
    rows = list(review_rows())
    write_jsonl(folder / "train.jsonl", rows[0::4] + rows[1::4])
    write_jsonl(folder / "validation.jsonl", rows[3::4])
    write_jsonl(folder / "test.jsonl", rows[2::4])
    write_tokenizer(folder / "tokenizer.json", [row["review"] for row in rows])
    return _written(folder / "recipe.yaml", REVIEW_RECIPE)


def review_rows() -> Iterable[dict[str, Any]]:
    """192 sentences beside a table that says the same; some come without one."""
    towns = dict(zip(_INTENTS, _PLACES, strict=False))
    for at, row in enumerate([*text_rows(), *text_rows()]):
        intent, urgent = row["intent"], "yes" if row["text"].endswith("now") else "no"
        age = (60.0 if urgent == "yes" else 20.0) + at % 7
        found = {"review": row["text"], "age": age, "town": towns[intent]}
        if at % 11 == 5:
            found |= {"age": None, "town": None}
        yield {**found, "intent": intent, "urgent": urgent}


def text_rows() -> Iterable[dict[str, Any]]:
    """96 sentences; every fifth has no label for ``urgent``."""
    count = 0
    for name in _NAMES[:8]:
        for intent, phrases in _INTENTS.items():
            for phrase in phrases:
                urgent = ("yes", "no")[count % 3 == 0]
                label = None if count % 5 == 0 else urgent
                hurry = " now" if urgent == "yes" else ""
                yield {"text": f"{phrase} {name}{hurry}", "intent": intent, "urgent": label}
                count += 1


def token_rows() -> Iterable[dict[str, Any]]:
    """60 sentences with a name and sometimes a place of two words."""
    for at, name in enumerate(_NAMES):
        for verb in _VERBS:
            place = _PLACES[at % len(_PLACES)]
            yield {
                "tokens": [name, verb, place],
                "ner": ["B-PER", "O", "B-LOC"],
                "pos": ["NAME", "VERB", "NAME"],
            }
            yield {
                "tokens": [name, verb, "New", place, "."],
                "ner": ["B-PER", "O", "B-LOC", "I-LOC", "O"],
                "pos": ["NAME", "VERB", "NAME", "NAME", "MARK"],
            }


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    return _written(path, "\n".join(lines) + "\n")


def write_tokenizer(path: Path, texts: Iterable[str]) -> Path:
    """A WordPiece ``tokenizer.json`` that knows the words of ``texts``, letters, and more."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    words = sorted({word for text in texts for word in text.lower().split()})
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)] + ["."]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    pieces += [f"##{letter}" for letter in letters] + ["unused", "##ing"]
    vocabulary = {piece: at for at, piece in enumerate(dict.fromkeys([*pieces, *words]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, special)
    tokenizer.save(str(path))
    return path


def swap_pieces(path: Path, one: str, other: str) -> Path:
    """Give two pieces of a ``tokenizer.json`` each other's ids: another tokenizer, as large."""
    content = json.loads(path.read_text(encoding="utf-8"))
    pieces = content["model"]["vocab"]
    pieces[one], pieces[other] = pieces[other], pieces[one]
    return _written(path, json.dumps(content))


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
