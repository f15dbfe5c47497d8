"""``teachers`` and ``student``: what nets are made of and start from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Strict
from pydantic_core import PydanticCustomError

from kd2edge.recipe.schema.base import (
    Count,
    Flag,
    LocalPath,
    Name,
    Names,
    Natural,
    NotNegative,
    Part,
    Positive,
    Rate,
    Text,
)
from kd2edge.recipe.schema.choices import ByKey, ByKind
from kd2edge.recipe.schema.given import OnnxModel, PythonModel, SklearnModel
from kd2edge.recipe.schema.inputs import Input
from kd2edge.recipe.schema.teaching import Teaching
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
    """Pretrained weights on this machine.

    `config.json` and safetensors; without these a `pytorch_model.bin` that holds tensors alone.
    """

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


class MlpModel(Part):
    """A multi-layer perceptron of our own, for tables."""

    family: Literal["mlp"] = "mlp"
    config: dict[str, Any] = {}
    """`hidden` (units of each layer), `norm` (batch, layer, none), `residual`, `dropout`,
    `embedding` (width of a category), `numbers` (plain, periodic, quantile), `bins`, `width`,
    `sigma`."""
    dropout: Rate = 0.1
    """Dropout in front of every head."""


def _odd(kernel: int) -> int:
    if kernel % 2 == 0:
        message = "expected an odd number, as many positions on either side, found {kernel}"
        raise PydanticCustomError("even_kernel", message, {"kernel": kernel})
    return kernel


class StaticShape(Part):
    """The layers of a static net."""

    embedding: Count = 256
    """Width of the embedding table."""
    weighted: Flag = True
    """Whether the mean weighs each piece by a number of its own, which is learned; it starts as
    `a / (a + p)` (Arora et al. 2017): by Zipf's law from the place in the vocabulary, or from
    what the training rows hold where `init` gives output embeddings.  `max` has no use for it."""
    hidden: tuple[Count, ...] = ()
    """Units of each layer behind the pooled vector; none: heads read it as it is."""
    norm: Literal["batch", "layer", "none"] = "batch"
    """What stands between each of these layers and its ReLU."""
    dropout: Rate = 0.0
    """Dropout behind each of these layers."""


class StaticModel(Part):
    """A table of embeddings of our own, for text: a row is the mean of its pieces."""

    family: Literal["static"] = "static"
    config: StaticShape = StaticShape()
    """Its layers."""
    pooling: Literal["mean", "max", "both"] = "mean"
    """How pieces become one vector for a row: their mean, the largest value of each channel, or
    these two side by side."""
    dropout: Rate = 0.1
    """Dropout in front of every head."""


class ConvShape(Part):
    """The layers of a convolutional net for text."""

    embedding: Count = 96
    """Width of the embedding table."""
    width: Count | None = None
    """Width of the layers; null: as the embeddings."""
    layers: Count = 4
    """How many there are."""
    kernel: Annotated[Count, AfterValidator(_odd)] = 3
    """Positions that a layer sees at once, odd: as many on either side."""
    activation: Literal["maxout", "relu", "gelu"] = "maxout"
    """What stands behind the matrix of a layer."""
    pieces: Annotated[int, Strict(), Field(ge=2)] = 3
    """Values that `maxout` takes the largest of: as many times the matrix of the others."""
    depthwise: Flag = False
    """Weigh each channel's window on its own, then mix the channels of one position: about a
    `kernel`-th of the products."""
    norm: Literal["layer", "none"] = "layer"
    """What stands behind the embeddings, and behind each activation."""
    dropout: Rate = 0.1
    """Dropout of embeddings, and behind each layer."""


class ConvModel(Part):
    """A small convolutional net of our own, for text: rows and words share its layers."""

    family: Literal["conv"] = "conv"
    config: ConvShape = ConvShape()
    """Its layers."""
    pooling: Literal["mean", "max", "both"] = "mean"
    """How positions become one vector for a row: their mean, the largest value of each channel, or
    these two side by side."""
    dropout: Rate = 0.1
    """Dropout in front of every head."""


#: What reads one input.
OneInput = TransformersModel | CnnModel | ConvModel | MlpModel | StaticModel
Encoder = Annotated[OneInput, ByKind("family")]


class Concat(Part):
    """Vectors side by side, zeros for an input that is absent."""

    kind: Literal["concat"] = "concat"
    hidden: Natural = 0
    """Units of a layer behind them, which sees inputs together; 0: none."""


class Gated(Part):
    """A weighted mean of the vectors, weighed anew for every row."""

    kind: Literal["gated"] = "gated"
    width: Count = 128
    """Size that every vector is brought to."""


Fusion = Annotated[Concat | Gated, ByKind()]


class JointModel(Part):
    """Several inputs: something that reads each, and what makes one vector of theirs."""

    family: Literal["joint"] = "joint"
    encoders: Annotated[dict[Name, Encoder], Field(min_length=2)]
    """What reads each input, by its name."""
    fusion: Fusion = Concat()
    """How their vectors become one."""
    dropout: Rate = 0.1
    """Dropout in front of every head; what the encoders say of theirs does not count."""


Model = Annotated[OneInput | JointModel, ByKind("family")]


class BoostingModel(Part):
    """Gradient-boosted trees of scikit-learn, for tables; they teach and are no student.

    The keys are scikit-learn's own.
    """

    family: Literal["boosting"] = "boosting"
    max_iter: Count = 300
    """Trees of a channel (a class of several, a label, a value), at most."""
    learning_rate: Positive = 0.1
    """What a tree counts for."""
    max_leaf_nodes: Annotated[int, Strict(), Field(ge=2)] | None = 31
    """Leaves of a tree; null: as many as `max_depth` lets grow."""
    max_depth: Count | None = None
    """Splits between root and leaf; null: as many as it takes."""
    min_samples_leaf: Count = 20
    """Rows that a leaf has at least."""
    l2_regularization: NotNegative = 0.0
    """What draws the values of leaves to 0."""
    max_features: Annotated[float, Strict(), Field(gt=0, le=1)] = 1.0
    """Share of the columns that a split is chosen among."""
    max_bins: Annotated[int, Strict(), Field(ge=3, le=255)] = 255
    """Different numbers that a column is told apart by, and most categories of one."""
    early_stopping: Flag = True
    """Trees end where the validation rows gain nothing any more; those up to the best are kept."""
    n_iter_no_change: Count = 20
    """Trees without a gain that end it."""
    tol: NotNegative = 1e-7
    """A gain in the loss below it is none."""


#: Teachers that are there already, and only asked.
GivenModel = OnnxModel | SklearnModel | PythonModel
#: Teachers that are no nets of ours: they have no features, and nothing starts from them.
NoNet = BoostingModel | OnnxModel | SklearnModel | PythonModel
#: What a teacher may be made of: a net, or what is none.
TeacherModel = Annotated[
    OneInput | JointModel | BoostingModel | OnnxModel | SklearnModel | PythonModel,
    ByKind("family"),
]


def single_models(model: TeacherModel) -> dict[tuple[str, ...], OneInput]:
    """Every part of a net that reads one input, by the way from the model to it."""
    if isinstance(model, JointModel):
        return {("encoders", name): one for name, one in model.encoders.items()}
    return {} if isinstance(model, NoNet) else {(): model}


def pretrained_of(model: TeacherModel, name: str) -> Weights | None:
    """The weights that what reads an input starts from; of the only one, whatever its name."""
    one = models_of(model, [name]).get(name)
    return one.source if isinstance(one, TransformersModel) else None


def models_of(model: TeacherModel, inputs: Iterable[str]) -> dict[str, OneInput]:
    """Input -> the net that reads it, as far as the recipe says so."""
    names = list(inputs)
    if isinstance(model, NoNet):
        return {}
    if isinstance(model, JointModel):
        return {name: model.encoders[name] for name in names if name in model.encoders}
    return dict.fromkeys(names[:1], model)


class Teacher(Part):
    """A teacher: trained here, or loaded."""

    name: Name
    """Name of the teacher."""
    model: TeacherModel
    """What it is made of."""
    tasks: Names
    """Tasks that it teaches; by default all.  Several that teach one task to the same net need
    a `join`."""
    taught_by: Names = ()
    """Teachers in front of it in the list that teach this one, a net that is trained here: like the
    student it then learns from what they say of the training rows, unlabelled ones included."""
    distill: Teaching | None = None
    """How they are listened to: what it does not state is as in the recipe's `distill`."""
    train: TeacherTrain | None = None
    """How a net is trained; with a `checkpoint` it is not."""
    seed: Natural | None = None
    """Of its weights, order and folds; null: the recipe's.  Runs that state it share the teacher
    whatever their own seeds are."""
    folds: Annotated[int, Field(ge=2, le=20)] | None = None
    """So many further teachers are trained, each without one part of the labelled rows, and every
    such row is answered by the one that never saw it; null: the teacher answers rows that it was
    trained on."""
    checkpoint: LocalPath | None = None
    """A trained teacher (`NAME.safetensors`, of trees `NAME.npz`, with `NAME.json` beside it).  Its
    run's folder has what its tables were fitted to; without `inputs`, also its tokenizer."""
    inputs: dict[Name, Input] | None = None
    """Its own inputs, where they differ from the student's."""
    top_k: Annotated[int, Strict(), Field(ge=2)] | None = 64
    """Of a training row of a task with more than 256 classes, so many of the likeliest are cached,
    and the mass of all others as one more, at every temperature; null: all are, which `mse`,
    `dist`, `ranked_probability` and `standardise` need."""


class Init(Part):
    """What the student has of a teacher at its start."""

    teacher: Annotated[Name, Field(alias="from")]
    """Name of the teacher."""
    embeddings: Literal["svd", "output", "channels", "none"] = "svd"
    """`svd`: the embedding table is the teacher's, brought to the student's width; `output`: it is
    what the teacher makes of each piece alone, likewise; `channels`: of a transformer, tables and
    `layers` are cut to those channels of the teacher that vary most over training rows."""
    weighing: Literal["sif", "none"] | None = None
    """What each piece of `output` embeddings weighs: `sif`, the less the more often it stands in
    the training rows; `none`, all the same; null: `sif` for a student of family `static`, whose
    mean frequent pieces would fill, `none` for others."""
    layers: Literal["first", "last", "strided"] | tuple[Natural, ...] | None = None
    """Teacher's layers (counted from 0) that the student's start from, where the widths agree, or
    with `embeddings: channels` where the student's is smaller: a list, or as many as the student
    has: the `first`, the `last`, or `strided`, in even steps from the first layer to the last."""
    convolutions: Literal["l1_norm"] | None = None
    """How convolutions of a `cnn` are cut to a student with fewer channels: `l1_norm`, to those of
    the teacher's filters that have the largest sum of absolute weights."""


class InitOfRun(Part):
    """What another student was, which the student starts as: a net of the same shapes."""

    run: LocalPath
    """The run's folder, or a net in it: `phases/NAME.safetensors`, with `NAME.json` beside it.
    Tables are scaled as that run fitted them."""
    heads: Flag = True
    """Take over the heads, too, of tasks of the same name, kind and labels; others start from
    chance."""


class Student(Part):
    """The student."""

    model: Model
    """What it is made of."""
    init: Annotated[Init | InitOfRun, ByKey(("from", "run"))] | None = None
    """What it starts from; null: from chance."""
    taught_by: Names | None = None
    """The teachers that teach it; null: of each task those that teach it to no other teacher."""

    @property
    def started_by(self) -> Init | None:
        """What it has of a teacher at its start."""
        return self.init if isinstance(self.init, Init) else None

    @property
    def started_as(self) -> InitOfRun | None:
        """The student of another run that it starts as."""
        return self.init if isinstance(self.init, InitOfRun) else None
