"""``tasks``: what is to be decided, and how it is measured."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from kd2edge.metrics.kinds import METRICS
from kd2edge.recipe.schema.base import Inner, Label, Name, Number, Part, Text
from kd2edge.recipe.schema.choices import ByKind

_Labels = Annotated[tuple[Label, ...], Field(min_length=2)]


def _metrics_of(kind: str) -> list[str]:
    return [name for name, metric in METRICS.items() if kind in metric.kinds]


def _checked(kind: str, name: str) -> str:
    known = _metrics_of(kind)
    if name not in known:
        context: dict[str, Any] = {"key": "metric", "known": known, "found": name}
        raise PydanticCustomError("unknown_word", "no such metric", context)
    return name


def _enum(kind: str) -> dict[str, Any]:
    return {"enum": _metrics_of(kind)}


_Rows = Annotated[
    str,
    AfterValidator(partial(_checked, "classification")),
    Field(json_schema_extra=_enum("classification")),
]
_Binary = Annotated[
    str, AfterValidator(partial(_checked, "binary")), Field(json_schema_extra=_enum("binary"))
]
_Words = Annotated[
    str,
    AfterValidator(partial(_checked, "token_classification")),
    Field(json_schema_extra=_enum("token_classification")),
]


_Labelled = Annotated[
    str,
    AfterValidator(partial(_checked, "multi_label")),
    Field(json_schema_extra=_enum("multi_label")),
]


_Ordered = Annotated[
    str, AfterValidator(partial(_checked, "ordinal")), Field(json_schema_extra=_enum("ordinal"))
]


_Valued = Annotated[
    str,
    AfterValidator(partial(_checked, "regression")),
    Field(json_schema_extra=_enum("regression")),
]


class TaskPart(Part):
    """What every task has."""

    column: Text
    """Column of the label; by default the one with the task's name."""

    @property
    def decode(self) -> dict[str, float]:
        """Settings of the decision, as the manifest has them."""
        return {}


class Classification(TaskPart):
    """One of several labels a row."""

    kind: Literal["classification"] = "classification"
    labels: _Labels | None = None
    """The labels; null: those that occur in the data.  A label outside the list is an error."""
    metric: _Rows = "accuracy"
    """The metric that decides: best checkpoint, tables, gate."""
    metrics: tuple[_Rows, ...] = ()
    """Further metrics of the report; empty: the usual ones of the kind."""


class Binary(TaskPart):
    """Yes or no a row."""

    kind: Literal["binary"] = "binary"
    labels: tuple[Label, Label] | None = None
    """The negative and the positive label; null: those that occur in the data."""
    positive: Label | None = None
    """The positive label; null: the second one of `labels`, or of the sorted ones of the data."""
    threshold: Inner = 0.5
    """Score from which on a row is positive."""
    metric: _Binary = "binary_f1"
    """The metric that decides: best checkpoint, tables, gate."""
    metrics: tuple[_Binary, ...] = ()
    """Further metrics of the report; empty: the usual ones of the kind."""

    @property
    def decode(self) -> dict[str, float]:
        return {"threshold": self.threshold}


class MultiLabel(TaskPart):
    """Any number of labels a row: the column holds a list of them."""

    kind: Literal["multi_label"] = "multi_label"
    labels: Annotated[tuple[Label, ...], Field(min_length=1)] | None = None
    """The labels; null: those that occur in the data.  A label outside the list is an error."""
    threshold: Inner = 0.5
    """Score from which on a row has a label."""
    metric: _Labelled = "micro_f1"
    """The metric that decides: best checkpoint, tables, gate."""
    metrics: tuple[_Labelled, ...] = ()
    """Further metrics of the report; empty: the usual ones of the kind."""

    @property
    def decode(self) -> dict[str, float]:
        return {"threshold": self.threshold}


class Ordinal(TaskPart):
    """One of several levels a row, which stand in an order."""

    kind: Literal["ordinal"] = "ordinal"
    labels: _Labels | None = None
    """The levels, lowest first; null: the whole numbers of the data, by size.  A label outside the
    list is an error."""
    metric: _Ordered = "level_mae"
    """The metric that decides: best checkpoint, tables, gate."""
    metrics: tuple[_Ordered, ...] = ()
    """Further metrics of the report; empty: the usual ones of the kind."""


class Regression(TaskPart):
    """A number a row."""

    kind: Literal["regression"] = "regression"
    unit: str = ""
    """What the values are in, for people: `EUR`, `minutes`."""
    low: Number | None = None
    """The least value that there can be: a label below is an error, an answer is never below."""
    high: Number | None = None
    """The largest value that there can be; likewise."""
    metric: _Valued = "mae"
    """The metric that decides: best checkpoint, tables, gate."""
    metrics: tuple[_Valued, ...] = ()
    """Further metrics of the report; empty: the usual ones of the kind."""

    @property
    def labels(self) -> None:
        """A number has no names."""

    @property
    def decode(self) -> dict[str, float]:
        stated = {"low": self.low, "high": self.high}
        return {key: value for key, value in stated.items() if value is not None}


class TokenClassification(TaskPart):
    """A label for every word of a row."""

    kind: Literal["token_classification"] = "token_classification"
    labels: _Labels | None = None
    """The labels; null: those that occur in the data.  A label outside the list is an error."""
    input: Name
    """The input whose words are labelled; by default the only one that has words."""
    metric: _Words = "accuracy"
    """The metric that decides: best checkpoint, tables, gate."""
    metrics: tuple[_Words, ...] = ()
    """Further metrics of the report; empty: the usual ones of the kind."""


Task = Annotated[
    Classification | Binary | MultiLabel | Ordinal | Regression | TokenClassification, ByKind()
]
