"""``teachers`` that are there already: a graph, estimators of scikit-learn, an object of Python."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from kd2edge.recipe.schema.base import Count, Label, LocalPath, Name, Natural, Part, Text, Texts
from kd2edge.recipe.schema.choices import ByKey, ByTask


class FedArray(Part):
    """An array that an encoder of the teacher's `inputs` gives."""

    array: Text
    """Its name: `input_ids`, `attention_mask`, `pixel_values`, `numbers`, `categories`; with the
    input's name in front where two inputs have arrays of one name.  Pixels are whole numbers where
    the graph takes these, else scaled by the input's `mean` and `std`;
    `numbers` and `categories` are as this recipe's training rows have them."""


class FedColumns(Part):
    """Columns of the rows as they are, side by side, of the teacher's `inputs`."""

    columns: Annotated[Texts, Field(min_length=1)]
    """Their names, at least one.  Of a table numbers (NaN where one is missing) or categories
    (their text, empty where one is missing); of a text the text."""
    vocabulary: dict[Text, Annotated[tuple[Label, ...], Field(min_length=1)]] = {}
    """Column -> its categories, in the order of their ids from 0; what has none is a number, or a
    text where the graph takes texts."""
    unknown: Natural | None = None
    """The id of categories that the vocabulary lacks, missing ones too; null: they are refused."""


class FedZeros(Part):
    """Zeros, for what a graph asks for and the rows do not have, such as `token_type_ids`."""

    zeros: Text
    """The array whose shape they have."""


#: What feeds an input of a graph.
Fed = Annotated[
    FedArray | FedColumns | FedZeros, ByKey(("array", "columns", "zeros"), short="array")
]


class Gives(Part):
    """What the numbers that a teacher gives for a task are."""

    gives: Literal["logits", "probabilities"] = "logits"
    """Logits of the task, or probabilities; of a regression its values, in the task's own unit."""
    labels: tuple[Label, ...] | None = None
    """The task's labels in the order of these numbers; null: as the task's own `labels` are
    written."""


class GraphOutput(Gives):
    """An output of a graph: `[batch, label]`, or `[batch, length, label]` over pieces of words.

    One number a row is a regression's value, or for the second of two labels; two are one each.
    """

    output: Text
    """Its name in the graph."""


class OnnxModel(Part):
    """An ONNX graph, asked through ONNX Runtime; it teaches and is not trained.

    What it reads is encoded as the teacher's `inputs` say: its own tokenizer, size of pictures,
    columns.
    """

    family: Literal["onnx"] = "onnx"
    path: LocalPath
    """The file; weights beside it are taken from its folder and those below."""
    outputs: dict[Name, Annotated[GraphOutput, ByKey(("output",), short="output")]]
    """Task -> what the graph gives for it."""
    inputs: dict[Text, Fed] = {}
    """Input of the graph -> what feeds it; without a word the array of the same name, else the
    column."""
    batch_size: Count = 64
    """Rows that it is asked about at once; a graph of one row at a time is asked so."""


class EstimatorOutput(Part):
    """What an estimator is asked about a task."""

    call: Literal["predict_proba", "decision_function", "predict"] | None = None
    """The method that is called; null: `predict_proba`, else `decision_function`, of a regression
    `predict`.  The scores of `decision_function` count as logits; of a classifier `predict` decides
    without a doubt."""
    output: Natural | None = None
    """Which of its outputs it is, counted from 0, where it was fitted to several targets."""
    labels: tuple[Label, ...] | None = None
    """The task's labels in the order of its classes; null: its classes are the labels.  Of several
    labels a row those in the order of its outputs; null: as the task's own `labels` are written."""


class SklearnModel(Part):
    """Estimators or pipelines of scikit-learn in skops' form; they teach and are not trained.

    They are asked about columns of the teacher's `inputs`: one text column as a list, else numbers
    and categories (their text) side by side, NaN where one is missing.
    """

    family: Literal["sklearn"] = "sklearn"
    path: ByTask[LocalPath]
    """The file that `skops.io.dump` wrote; of several estimators a map of tasks to files."""
    columns: Texts = ()
    """The columns in the order of the fit; without a word those that it was fitted to, where it
    knows their names, else all columns of tables and texts, as `inputs` name them."""
    trusted: Texts = ()
    """Types that skops does not trust by itself, by their full names; only with `--allow-code`."""
    outputs: dict[Name, EstimatorOutput] = {}
    """Task -> how it is asked."""
    batch_size: Count = 512
    """Rows that it is asked about at once."""


class PythonModel(Part):
    """An object of Python, asked about rows; it runs only with `--allow-code`.

    It is called with a list of rows, each a mapping of the columns that the teacher's `inputs`
    name, and gives a mapping of tasks to numbers, `[row, label]`.
    """

    family: Literal["python"] = "python"
    object: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")]
    """`package.module:factory`: what is called with the options and gives the object.  Where it has
    a `version` (a text) caches are known by that, else by the module's source file."""
    options: dict[str, Any] = {}
    """Keywords of the factory."""
    folder: LocalPath | None = None
    """Where the module is looked for first; null: where Python finds modules."""
    outputs: dict[Name, Gives] = {}
    """Task -> what its numbers are; without a word logits, in the order of the task's labels."""
    batch_size: Count = 64
    """Rows that it is asked about at once."""
