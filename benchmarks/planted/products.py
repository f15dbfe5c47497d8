"""The products that faults are planted in: trained once into a cache, exported with every change.

A run is trained again when its rows or its recipe change; it is exported again when kd2edge
changes, and trained again too where a run of before does not export any more.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kd2edge.files import fingerprint
from kd2edge.pipeline.steps.provenance import code_fingerprint
from planted.reviews import clothing_rows, made_review_rows
from planted.rows import (
    Row,
    Splits,
    clinc_rows,
    made_text_rows,
    made_token_rows,
    picture_rows,
    read_rows,
    uner_rows,
    write_rows,
)

#: What the gate allows a task to lose; a fault that costs twice that has to be stopped.
BUDGET = 0.01
#: Test rows that faults are judged on: enough for a clean artefact to pass at that budget.
JUDGED = {"pictures": 1500, "texts": 2000, "sentences": 1500, "reviews": 1200}

_BERT = "hidden_size: {width}, num_hidden_layers: {layers}, num_attention_heads: 4, \
intermediate_size: {inner}, max_position_embeddings: 128"
_TEACHER = _BERT.format(width=96, layers=2, inner=192)
_STUDENT = _BERT.format(width=64, layers=2, inner=128)

_WORDS = """\
version: 1
name: {name}
seed: 17
data:
  sources:
    - name: {name}
      kind: jsonl
      train: train.jsonl
      validation: validation.jsonl
      test: test.jsonl
inputs:
  {input}:
    kind: {kind}
    tokenizer: {{path: tokenizer.json, vocab: keep}}
    max_length: {length}
    casing: {casing}
tasks: {tasks}
teachers:
  - name: bert
    model: {{family: transformers, config: {{model_type: bert, {teacher}}}}}
    train: {{epochs: {epochs}, lr: 2.0e-3, batch_size: 32}}
student:
  model:
    family: transformers
    config: {{model_type: electra, embedding_size: 48, {student}}}
  init: {{from: bert, embeddings: svd}}
distill: {{alpha: 0.5, temperature: 2.0}}
train: {{epochs: {epochs}, batch_size: 32, lr: 2.0e-3, threads: 1, device: cpu, precision: fp32}}
baseline: false
export: {{targets: [onnx, openvino], precisions: [fp32, int8], calibration: {{rows: 256}}}}
validate: {{max_drop: {budget}, confidence: 0.95}}
"""

_PICTURES = """\
version: 1
name: {name}
seed: 17
data:
  sources:
    - name: {name}
      kind: jsonl
      train: train.jsonl
      validation: validation.jsonl
      test: test.jsonl
inputs:
  image: {{kind: image, size: [28, 48], channels: 3, resize: true, mean: 0.1, std: 0.3}}
tasks:
  left: {{kind: classification}}
  right: {{kind: classification}}
  colour: {{kind: classification}}
  larger: {{kind: binary, positive: "yes", metric: auc}}
teachers:
  - name: cnn
    model: {{family: cnn, config: {{channels: [16, 32, 48], kernel: 5, pool: [1, 2], hidden: 96}}}}
    train: {{epochs: {epochs}, lr: 3.0e-3, batch_size: 64}}
student:
  model: {{family: cnn, config: {{channels: [12, 24, 32], kernel: 5, pool: [1, 2], hidden: 64}}}}
distill: {{alpha: 0.5, temperature: 2.0}}
train: {{epochs: {epochs}, batch_size: 64, lr: 4.0e-3, threads: 1, device: cpu, precision: fp32}}
baseline: false
export: {{targets: [onnx, openvino], precisions: [fp32, int8], calibration: {{rows: 256}}}}
validate: {{max_drop: {budget}, confidence: 0.95}}
"""

_REVIEWS = """\
version: 1
name: {name}
seed: 17
data:
  sources:
    - name: {name}
      kind: jsonl
      train: train.jsonl
      validation: validation.jsonl
      test: test.jsonl
inputs:
  text:
    kind: text
    tokenizer: {{path: tokenizer.json, vocab: keep}}
    max_length: 36
    absent: 0.1
  table:
    kind: tabular
    numeric: [age, feedback]
    categorical: [item, item_class]
    rare: 2
    absent: 0.1
tasks:
  stars: {{kind: ordinal}}
  recommended: {{kind: binary, positive: "yes", metric: auc}}
  department: {{kind: classification, metric: accuracy}}
  seconds: {{kind: regression, unit: s, low: 10, high: 60}}
  topics: {{kind: multi_label, metric: micro_f1}}
teachers:
  - name: both
    model:
      family: joint
      encoders:
        text: {{family: transformers, config: {{model_type: bert, {teacher}}}}}
        table: {{family: mlp, config: {{hidden: [64], embedding: 16}}}}
      fusion: {{kind: concat, hidden: 96}}
    train: {{epochs: {epochs}, lr: 2.0e-3, batch_size: 32}}
student:
  model:
    family: joint
    encoders:
      text:
        family: transformers
        config: {{model_type: electra, embedding_size: 48, {student}}}
      table: {{family: mlp, config: {{hidden: [48], embedding: 16}}}}
    fusion: {{kind: concat, hidden: 64}}
  init: {{from: both, embeddings: svd}}
distill: {{alpha: 0.5, temperature: 2.0}}
train: {{epochs: {epochs}, batch_size: 32, lr: 2.0e-3, threads: 1, device: cpu, precision: fp32}}
baseline: false
export: {{targets: [onnx, openvino], precisions: [fp32, int8], calibration: {{rows: 256}}}}
validate: {{max_drop_share: {budget}, confidence: 0.95}}
"""


@dataclass(frozen=True, slots=True)
class Task:
    """What is measured of a product's answers.

    Args:
        name: of the task, and of the column of its labels.
        kind: of the task.
        metric: its leading one.
    """

    name: str
    kind: str
    metric: str = "accuracy"


@dataclass(frozen=True, slots=True)
class Product:
    """A trained and exported student, and the rows that it is judged by.

    Args:
        folder: its part of the cache; bundles with faults go below it, so that the run is found.
        weak: the bundle of another run of the same recipe, stopped after one epoch; tiny products
            have none.
        inputs: input -> the columns that it reads; words or pictures first.
        asked: the tasks, in the order of the recipe.
    """

    name: str
    folder: Path
    run: Path
    bundle: Path
    weak: Path
    inputs: Mapping[str, tuple[str, ...]]
    asked: tuple[Task, ...]

    @property
    def column(self) -> str:
        """The column of words or pictures."""
        return next(iter(self.inputs.values()))[0]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks."""
        return tuple(task.name for task in self.asked)

    @property
    def data(self) -> Path:
        """The rows that faults are judged on: the first test rows."""
        return self.folder / "judged.jsonl"

    def rows(self, split: str = "judged") -> list[Row]:
        """The rows of a split."""
        return read_rows(self.folder / f"{split}.jsonl")

    def labels(self, split: str, task: str) -> list[Any]:
        """The labels of a task, as far as rows of a split have them."""
        return [row[task] for row in self.rows(split) if row[task] is not None]

    def placed(self, rows: Iterable[Row]) -> list[Row]:
        """Rows that a file anywhere may hold: pictures are named in full."""
        return [
            {**row, "image": str(self.folder / row["image"])} if "image" in row else row
            for row in rows
        ]


@dataclass(frozen=True, slots=True)
class Scale:
    """How large the products are.

    Args:
        rows: product -> split -> number of rows.
        epochs: product -> epochs.
    """

    name: str
    rows: Mapping[str, Mapping[str, int]]
    epochs: Mapping[str, int]


FULL = Scale(
    "full",
    {
        "pictures": {"train": 4000, "validation": 200, "test": 1500},
        "texts": {"train": 15_100, "validation": 500, "test": 2000},
        "sentences": {"train": 4000, "validation": 328, "test": 1500},
        "reviews": {"train": 10_000, "validation": 400, "test": 2000},
    },
    {"pictures": 8, "texts": 5, "sentences": 6, "reviews": 6},
)
SMALL = Scale(
    "small",
    {
        "pictures": {"train": 1200, "validation": 64, "test": 500},
        "texts": {"train": 1200, "validation": 100, "test": 500},
        "sentences": {"train": 800, "validation": 100, "test": 400},
        "reviews": {"train": 2000, "validation": 100, "test": 500},
    },
    {"pictures": 6, "texts": 3, "sentences": 3, "reviews": 4},
)
TINY = Scale(
    "tiny",
    {
        "pictures": {"train": 800, "validation": 40, "test": 300},
        "texts": {"train": 600, "validation": 40, "test": 1000},
        "sentences": {"train": 400, "validation": 40, "test": 300},
        "reviews": {"train": 600, "validation": 40, "test": 300},
    },
    {"pictures": 4, "texts": 6, "sentences": 3, "reviews": 4},
)
SCALES = {one.name: one for one in (FULL, SMALL, TINY)}


def product(
    name: str, cache: Path, scale: Scale = FULL, say: Callable[[str], None] = lambda text: None
) -> Product:
    """One of ``PRODUCTS``, from the cache where it is still good."""
    folder = (cache / folder_name(name, scale)).resolve()
    recipe, splits = _PARTS[name](scale)
    folder.mkdir(parents=True, exist_ok=True)
    key = fingerprint([recipe, scale.rows[name]])
    if _stamp(folder / "rows.key") != key:
        say(f"{name}: rows")
        shutil.rmtree(folder)
        folder.mkdir(parents=True)
        _write_project(folder, recipe, splits(folder))
        (folder / "rows.key").write_text(key)
    write_rows(folder / "judged.jsonl", read_rows(folder / "test.jsonl")[: JUDGED[name]])
    code = code_fingerprint()
    if _stamp(folder / "code.key") != code:
        _distilled(folder, scale, say)
        (folder / "code.key").write_text(code)
    models = folder / "models"
    return Product(
        name, folder, folder / "runs" / "good", models / "good", models / "weak",
        INPUTS[name], TASKS[name],
    )  # fmt: skip


def folder_name(name: str, scale: Scale) -> str:
    """A product's part of the cache: real and made rows stand apart."""
    real = name != "pictures" and scale is FULL and _data() is not None
    return f"{name}-{scale.name}{'-real' if real else ''}"


def _distilled(folder: Path, scale: Scale, say: Callable[[str], None]) -> None:
    """Train (or go on with what was trained), and export; also a student of one epoch."""
    from kd2edge.api import distill, export
    from kd2edge.errors import Interrupted, Kd2edgeError

    short = ("train.epochs=1", "teachers.0.train.epochs=1")
    runs = {"good": ()} if scale is TINY else {"good": (), "weak": short}
    for name, overrides in runs.items():
        run, bundle = folder / "runs" / name, folder / "models" / name
        bundle.parent.mkdir(exist_ok=True)
        shutil.rmtree(bundle, ignore_errors=True)
        say(f"{folder.name}: {name} run")
        try:
            distill(folder / "recipe.yaml", run_dir=run, resume=run.is_dir(), overrides=overrides)
            export(run, out=bundle)
        except Interrupted:
            raise
        except Kd2edgeError:  # a run of before: its layout or its settings changed
            shutil.rmtree(run, ignore_errors=True)
            distill(folder / "recipe.yaml", run_dir=run, overrides=overrides)
            export(run, out=bundle)


def _stamp(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def _data() -> Path | None:
    """The folder of the real data sets, where it has those that are wanted."""
    root = os.environ.get("KD2EDGE_DATA")
    wanted = (
        "nlu_clinc150", "tok_uner_ewt", "tok_ud_ewt", "tok_wikigold", "rev_womens_clothing",
    )  # fmt: skip
    if root and all(Path(root, name).is_dir() for name in wanted):
        return Path(root)
    return None


#: Product -> input -> the columns that it reads.
INPUTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "pictures": {"image": ("image",)},
    "texts": {"text": ("text",)},
    "sentences": {"tokens": ("tokens",)},
    "reviews": {"text": ("text",), "table": ("age", "feedback", "item", "item_class")},
}
#: Product -> what it is asked.
TASKS: Mapping[str, tuple[Task, ...]] = {
    "pictures": (
        Task("left", "classification"),
        Task("right", "classification"),
        Task("colour", "classification"),
        Task("larger", "binary", "auc"),
    ),
    "texts": (Task("intent", "classification", "macro_f1"), Task("domain", "classification")),
    "sentences": (
        Task("ner", "token_classification", "entity_f1"),
        Task("upos", "token_classification"),
    ),
    "reviews": (
        Task("stars", "ordinal", "level_mae"),
        Task("recommended", "binary", "auc"),
        Task("department", "classification"),
        Task("seconds", "regression", "mae"),
        Task("topics", "multi_label", "micro_f1"),
    ),
}
_Part = tuple[str, Callable[[Path], Splits]]


def _pictures(scale: Scale) -> _Part:
    recipe = _PICTURES.format(name="pictures", epochs=scale.epochs["pictures"], budget=BUDGET)
    return recipe, partial(picture_rows, counts=scale.rows["pictures"])


def _texts(scale: Scale) -> _Part:
    root = _data() if scale is FULL else None
    recipe = _WORDS.format(
        name="texts", input="text", kind="text", length=32, casing="false",
        tasks="{intent: {kind: classification, metric: macro_f1},"
        " domain: {kind: classification, metric: accuracy}}",
        teacher=_TEACHER, student=_STUDENT, epochs=scale.epochs["texts"], budget=BUDGET,
    )  # fmt: skip
    if root is None:
        return recipe, lambda folder: made_text_rows(_smaller(scale.rows["texts"]))
    return recipe, lambda folder: clinc_rows(root, scale.rows["texts"])


def _sentences(scale: Scale) -> _Part:
    root = _data() if scale is FULL else None
    recipe = _WORDS.format(
        name="sentences", input="tokens", kind="tokens", length=64, casing="true",
        tasks="{ner: {kind: token_classification, metric: entity_f1},"
        " upos: {kind: token_classification, metric: accuracy}}",
        teacher=_TEACHER, student=_STUDENT, epochs=scale.epochs["sentences"], budget=BUDGET,
    )  # fmt: skip
    if root is None:
        return recipe, lambda folder: made_token_rows(_smaller(scale.rows["sentences"]))
    return recipe, lambda folder: uner_rows(root, scale.rows["sentences"])


def _reviews(scale: Scale) -> _Part:
    root = _data() if scale is FULL else None
    recipe = _REVIEWS.format(
        name="reviews", teacher=_TEACHER, student=_STUDENT, epochs=scale.epochs["reviews"],
        budget=BUDGET,
    )  # fmt: skip
    if root is None:
        return recipe, lambda folder: made_review_rows(_smaller(scale.rows["reviews"]))
    return recipe, lambda folder: clothing_rows(root, scale.rows["reviews"])


def _smaller(counts: Mapping[str, int]) -> Mapping[str, int]:
    """Made rows are learned from few of them."""
    return {**counts, "train": min(counts["train"], 3000)}


_PARTS: Mapping[str, Callable[[Scale], _Part]] = {
    "pictures": _pictures,
    "texts": _texts,
    "sentences": _sentences,
    "reviews": _reviews,
}
PRODUCTS = tuple(_PARTS)


def _write_project(folder: Path, recipe: str, splits: Splits) -> None:
    for split, rows in splits.items():
        write_rows(folder / f"{split}.jsonl", rows)
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    if "tokenizer" in recipe:
        texts = [
            row["text"] if "text" in row else " ".join(row["tokens"]) for row in splits["train"]
        ]
        _write_tokenizer(folder / "tokenizer.json", filter(None, texts))


def _write_tokenizer(path: Path, texts: Iterable[str]) -> None:
    """A WordPiece tokenizer learned from ``texts``: small letters, no accents."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=5000, special_tokens=special, show_progress=False, min_frequency=2
    )
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, ends)
    tokenizer.save(str(path))
