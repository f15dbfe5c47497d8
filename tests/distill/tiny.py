"""Tiny data and nets for the tests of data, teacher and distill."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from kd2edge.data import Batch, EncodedSplit, Views, encode_split
from kd2edge.distill import (
    DistillSettings,
    Explosion,
    FeatureSpec,
    Knowledge,
    Method,
    Time,
    TrainSettings,
)
from kd2edge.distill.balance import LossKey
from kd2edge.distill.cohort import take_together
from kd2edge.distill.step import Stepper, Turn
from kd2edge.files import fingerprint, fingerprint_bytes
from kd2edge.inputs import InputSpec, input_kind
from kd2edge.nets import ModelSpec, Net, build_net
from kd2edge.recipe.schema.choices import kind_of, members
from kd2edge.recipe.schema.features import FeatureLoss, Projector
from kd2edge.recipe.schema.train import Train
from kd2edge.rows.join import JoinedRows, Source, joined
from kd2edge.rows.rows import Row, Rows
from kd2edge.tasks.outputs import outputs_of
from kd2edge.tasks.spec import TaskName, TaskSpec
from kd2edge.teacher import NetTeacher


class MemoryRows(Rows):
    """Rows that a test wrote down."""

    root = ""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = list(rows)
        self.fingerprint = fingerprint(
            json.loads(json.dumps(self._rows, default=np.ndarray.tolist))
        )

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Row:
        return self._rows[position]

    def place(self, position: int) -> str:
        return f"memory:{position + 1}"


@dataclass(frozen=True)
class World:
    """One kind of data, and the nets that can learn it."""

    spec: InputSpec
    files: Mapping[str, bytes]
    tasks: tuple[TaskSpec, ...]
    student: ModelSpec
    teacher: ModelSpec
    vocabulary: int | None = None

    def split(
        self, directory: Path, rows: JoinedRows, *, views: Views | None = None, tasks: Any = None
    ) -> EncodedSplit:
        encoder = input_kind(self.spec.kind).open(self.spec, self.files)
        hashes = {
            path: fingerprint_bytes(self.files[role]) for role, path in self.spec.files.items()
        }
        pair = {self.spec.name: (self.spec, encoder)}
        chosen = self.tasks if tasks is None else tasks
        return encode_split(rows, pair, chosen, directory, file_hashes=hashes, views=views)

    def net(self, *, seed: int = 1, teacher: bool = False, tasks: Any = None) -> Net:
        model = self.teacher if teacher else self.student
        chosen = self.tasks if tasks is None else tasks
        return build_net(model, [self.spec], chosen, vocabulary=self.vocabulary, seed=seed)

    def net_teacher(self, *, seed: int = 2, tasks: Any = None) -> NetTeacher:
        chosen = self.tasks if tasks is None else tasks
        name = fingerprint(["teacher", seed])
        return NetTeacher(lambda: self.net(seed=seed, teacher=True, tasks=chosen), chosen, name)


SHAPE = TaskSpec(TaskName("shape"), "classification", ("a", "b", "c"), "accuracy", column="shape")
DARK = TaskSpec(TaskName("dark"), "binary", ("no", "yes"), "binary_f1", column="dark")
TAG = TaskSpec(
    TaskName("tag"), "token_classification", ("X", "Y"), "accuracy", column="tag", input="words"
)
TOPIC = TaskSpec(TaskName("topic"), "classification", ("p", "q"), "accuracy", column="topic")

IMAGES = World(
    InputSpec("image", "image", ("image",), {"size": [6, 6], "channels": 1}),
    {},
    (SHAPE, DARK),
    ModelSpec("cnn", {"channels": [4, 6]}, dropout=0.2),
    ModelSpec("cnn", {"channels": [8, 10]}, dropout=0.2),
)

#: What a recipe says that says nothing of it.
DISTILL = DistillSettings(
    alpha=0.5,
    temperature=1.0,
    sample_weight=1.0,
    weight=1.0,
    logits=Method("kl", {"standardise": False}),
    features=(),
    feed=(),
    balance=Method("static"),
    long_tail={},
    mutual=0.0,
)
TRAIN = TrainSettings(
    **Train().model_dump(
        exclude={"epochs", "lr", "batch_size", "device", "precision", "explosion"}
    ),
    explosion=Explosion(**Train().model_dump()["explosion"]),
    epochs=3,
    batch_size=8,
    lr=1e-2,
    seed=0,
    max_steps=None,
    device="cpu",
    precision="fp32",
    distill=DISTILL,
)


def follow(
    source: str | tuple[str, ...],
    target: str | tuple[str, ...],
    loss: str = "cosine",
    *,
    teacher: str = "t",
    projector: str | None = None,
    standardise: str = "none",
    **options: Any,
) -> FeatureSpec:
    """A feature of a teacher that is followed; ``options`` of the loss in place of the recipe's."""
    stated = {kind_of(part, "kind"): part for part in members(get_args(FeatureLoss)[0])}
    usual = stated[loss]().model_dump(exclude={"kind"}) if loss in stated else {}
    return FeatureSpec(
        teacher=teacher,
        sources=(source,) if isinstance(source, str) else source,
        targets=(target,) if isinstance(target, str) else target,
        loss=Method(loss, usual | options),
        projector=None if projector is None else method_of(projector),
        weight=1.0,
        standardise=standardise,
    )


#: What has a state beside the net: a projector, learned task weights.
FULL = replace(
    TRAIN,
    warmup=0.2,
    distill=replace(
        DISTILL,
        alpha=0.7,
        temperature=2.0,
        features=(follow("stages.1", "stages.0"),),
        balance=Method("uncertainty"),
    ),
)


def method_of(projector: str) -> Method:
    """A projector with the options of a recipe that states none."""
    stated = {kind_of(part, "kind"): part for part in members(get_args(Projector)[0])}
    return Method(projector, stated[projector]().model_dump(exclude={"kind"}))


def taught(
    knowledge: Knowledge, task: TaskSpec, batch: Batch, temperature: float | Tensor
) -> Tensor:
    """What the teachers of a task of one array say together ``[item, channel]``."""
    ((name, output),) = outputs_of(task).items()
    words = batch.words_of(task.name)
    return knowledge.heard(name, task.name, output, batch, words).at(temperature)


def step_alone(
    stepper: Stepper, batch: Batch, time: Time, lr: float
) -> Mapping[LossKey, Tensor | float]:
    """A step of a net alone; its losses."""
    return take_together({"": stepper}, {"": Turn(batch, {}, time, lr)})


def random_logits(seed: int, items: int = 6, channels: int = 4) -> Tensor:
    """Logits ``[item, channel]`` in float64, spread widely enough to tell formulas apart."""
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(items, channels, generator=generator, dtype=torch.float64)


LETTERS = "abcdefgh"


def tokenizer_file() -> bytes:
    """A WordPiece tokenizer that knows single letters."""
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *LETTERS,
        *(f"##{letter}" for letter in LETTERS),
    ]
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                {
                    "id": index,
                    "content": name,
                    "single_word": False,
                    "lstrip": False,
                    "rstrip": False,
                    "normalized": False,
                    "special": True,
                }
                for index, name in enumerate(vocabulary[:4])
            ],
            "normalizer": None,
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {
                "type": "BertProcessing",
                "sep": ["[SEP]", 3],
                "cls": ["[CLS]", 2],
            },
            "decoder": None,
            "model": {
                "type": "WordPiece",
                "unk_token": "[UNK]",
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
                "vocab": {name: index for index, name in enumerate(vocabulary)},
            },
        }
    ).encode()


def _electra(width: int, layers: int, dropout: float) -> ModelSpec:
    return ModelSpec(
        "transformers",
        {
            "model_type": "electra",
            "embedding_size": 8,
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "max_position_embeddings": 16,
        },
        dropout=dropout,
        pooling="mean",
    )


TOKENS = World(
    InputSpec(
        "words",
        "tokens",
        ("words",),
        {"max_length": 9, "casing": False},
        {"tokenizer": "tokenizer/words.json"},
    ),
    {"tokenizer": tokenizer_file()},
    (TAG, TOPIC),
    _electra(8, 1, 0.1),
    _electra(12, 2, 0.1),
    4 + 2 * len(LETTERS),
)


def image_rows(labelled: int = 30, unlabelled: int = 20, *, seed: int = 0) -> JoinedRows:
    """Images whose brightness and shape say their labels; every third lacks ``dark``."""
    random = np.random.default_rng(seed)

    def row(at: int) -> dict[str, Any]:
        image = random.integers(0, 256, (6, 6), dtype=np.uint8)
        dark = None if at % 3 == 2 else ("yes" if image.mean() < 128 else "no")
        return {"image": image, "shape": "abc"[int(image[0, 0]) % 3], "dark": dark}

    sources = [
        Source("labelled", MemoryRows([row(at) for at in range(labelled)]), ("shape", "dark"))
    ]
    if unlabelled:
        sources.append(Source("more", MemoryRows([row(at) for at in range(unlabelled)]), ()))
    return joined(sources)


def token_rows(labelled: int = 24, unlabelled: int = 8, *, seed: int = 0) -> JoinedRows:
    """Sentences of 1 to 6 words of 1 to 3 letters: the longest ones are cut off at 9 pieces."""
    random = np.random.default_rng(seed)

    def row() -> dict[str, Any]:
        words = [
            "".join(random.choice(list(LETTERS), random.integers(1, 4)))
            for _ in range(random.integers(1, 7))
        ]
        tags = ["X" if word[0] in "abcd" else "Y" for word in words]
        return {"words": words, "tag": tags, "topic": "p" if len(words) > 3 else "q"}

    sources = [Source("labelled", MemoryRows([row() for _ in range(labelled)]), ("tag", "topic"))]
    if unlabelled:
        sources.append(Source("more", MemoryRows([row() for _ in range(unlabelled)]), ()))
    return joined(sources)
