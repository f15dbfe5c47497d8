"""``teachers`` and ``student``: what nets are made of and start from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from kd2edge.recipe.schema.base import LocalPath, Name, Names, Natural, Part, Rate, Text
from kd2edge.recipe.schema.choices import ByKey, ByKind
from kd2edge.recipe.schema.inputs import Input
from kd2edge.recipe.schema.train import TeacherTrain


class WeightsInPackage(Part):
    """Pretrained weights inside an installed Python package."""

    package: Text
    """Module name of the package."""
    path: Text = "."
    """The folder, relative to the package."""


class WeightsOfHub(Part):
    """Pretrained weights of a model hub."""

    hub: Text
    """`owner/name` of the model."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """The commit, 40 digits: branches and tags move."""


class WeightsFolder(Part):
    """Pretrained weights on this machine: `config.json` and safetensors."""

    path: LocalPath
    """The folder; a relative path starts at the recipe's folder."""


Weights = Annotated[
    WeightsInPackage | WeightsOfHub | WeightsFolder, ByKey(("package", "hub", "path"), short="path")
]


class TransformersModel(Part):
    """A backbone of the `transformers` package."""

    family: Literal["transformers"] = "transformers"
    source: Weights | None = None
    """Where pretrained weights come from; null: the net starts from chance."""
    config: dict[str, Any] = {}
    """`model_type` and fields of that model's own configuration; with a `source` they override
    what stands there."""
    pooling: Literal["mean", "cls"] = "mean"
    """How words become one vector for a row: their mean, or the first piece's vector."""
    dropout: Rate = 0.1
    """Dropout in front of every head."""


class CnnModel(Part):
    """A small convolutional net of our own, for images."""

    family: Literal["cnn"] = "cnn"
    config: dict[str, Any] = {}
    """`channels` (of each stage), `strides`, `depthwise`, `kernel`, `activation`, `pool`,
    `hidden`."""
    dropout: Rate = 0.1
    """Dropout in front of every head."""


Model = Annotated[TransformersModel | CnnModel, ByKind("family")]


class Teacher(Part):
    """A teacher: trained here, or loaded."""

    name: Name
    """Name of the teacher."""
    model: Model
    """What it is made of."""
    tasks: Names
    """Tasks that it teaches; by default all.  A task has at most one teacher."""
    train: TeacherTrain | None = None
    """How it is trained; with a `checkpoint` it is not."""
    checkpoint: LocalPath | None = None
    """A trained teacher (`NAME.safetensors` with `NAME.json` beside it)."""
    inputs: dict[Name, Input] | None = None
    """Its own inputs, where they differ from the student's."""


class Init(Part):
    """What the student starts from."""

    teacher: Annotated[Name, Field(alias="from")]
    """Name of the teacher."""
    embeddings: Literal["svd", "none"] = "svd"
    """`svd`: the embedding table is the teacher's, brought to the student's width."""
    layers: tuple[Natural, ...] | None = None
    """Teacher's layers (counted from 0) that the student's start from, where the widths agree."""


class Student(Part):
    """The student."""

    model: Model
    """What it is made of."""
    init: Init | None = None
    """What it starts from; null: from chance."""
