"""``tasks``: what is to be decided, and how it is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, Strict
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function

from kd2edge.metrics.kinds import METRICS
from kd2edge.recipe.schema.base import Inner, Label, Name, Number, Part, Positive, Text
from kd2edge.recipe.schema.choices import ByKind
from kd2edge.tasks.cut import STATED_CUT, cut_settings
from kd2edge.tasks.reject import ScoreKind

_Labels = Annotated[tuple[Label, ...], Field(min_length=2)]


def _metrics_of(kind: str) -> list[str]:
    return [name for name, metric in METRICS.items() if kind in metric.kinds]


@dataclass(frozen=True)
class _MetricOf:
    """A metric that is defined for a task kind."""

    kind: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(schema), "enum": _metrics_of(self.kind)}

    def _checked(self, name: str) -> str:
        known = _metrics_of(self.kind)
        if name not in known:
            context: dict[str, Any] = {"key": "metric", "known": known, "found": name}
            raise PydanticCustomError("unknown_word", "no such metric", context)
        return name


_Rows = Annotated[str, _MetricOf("classification")]
_Binary = Annotated[str, _MetricOf("binary")]
_Labelled = Annotated[str, _MetricOf("multi_label")]
_Ordered = Annotated[str, _MetricOf("ordinal")]
_Valued = Annotated[str, _MetricOf("regression")]
_Words = Annotated[str, _MetricOf("token_classification")]


#: Where decisions are cut: stated, or left to the validation rows.
_Cut = Inner | Literal["fitted"]


def _cut_settings(key: str, cut: float | str) -> dict[str, float]:
    return cut_settings(key, None if isinstance(cut, str) else cut)


class TaskPart(Part):
    """What every task has."""

    column: Text
    """Column of the label; by default the one with the task's name."""

    @property
    def decode(self) -> dict[str, float]:
        """Settings of the decision, as the manifest has them."""
        return {}


class Reject(Part):
    """One label, such as `oos`, answers where no other is sure enough: the row is out of scope.

    The threshold is fitted to the validation rows once training is over.
    """

    label: Label
    """The label that means none of the others. It may have training rows, too: then it is a class
    like any other, and also answers where its own logit is the largest."""
    by: ScoreKind = "probability"
    """What tells how far a row is in scope: the largest `probability` of another label, the
    `energy` of their logits, or the `distance` of what the head reads from the nearest prototype of
    another label. Prototypes are fitted to labelled training rows once a net is trained, the
    student's and the baseline's; epochs are judged, and teachers decide, by probability."""
    prototypes: Annotated[int, Strict(), Field(ge=1, le=1024)] = 16
    """How many prototypes a label has, by distance: centres of clusters of its rows. Each is as
    many numbers as the head reads, and counts among the student's parameters."""
    temperature: Positive = 1.0
    """What logits are divided by for a probability or an energy: above 1 the labels behind the
    first have more of a say."""
    in_scope_recall: Annotated[float, Strict(), Field(gt=0, le=1)] | None = None
    """Share of the validation rows in scope that must not be rejected: the threshold is the highest
    that keeps it. null: the threshold with the best accuracy on validation rows, those of the
    reject label among them."""


class Classification(TaskPart):
    """One of several labels a row."""

    kind: Literal["classification"] = "classification"
    labels: _Labels | None = None
    """The labels; null: those that occur in the data.  A label outside the list is an error."""
    reject: Reject | None = None
    """One of the labels answers where no other is sure enough; null: the largest logit decides."""
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
    threshold: _Cut = STATED_CUT
    """Score from which on a row is positive; `fitted`: the one that does best by `metric` on the
    validation rows, each model's own."""
    metric: _Binary = "binary_f1"
    """The metric that decides: best checkpoint, tables, gate."""
    metrics: tuple[_Binary, ...] = ()
    """Further metrics of the report; empty: the usual ones of the kind."""

    @property
    def decode(self) -> dict[str, float]:
        return _cut_settings("threshold", self.threshold)


class MultiLabel(TaskPart):
    """Any number of labels a row: the column holds a list of them."""

    kind: Literal["multi_label"] = "multi_label"
    labels: Annotated[tuple[Label, ...], Field(min_length=1)] | None = None
    """The labels; null: those that occur in the data.  A label outside the list is an error."""
    threshold: _Cut = STATED_CUT
    """Score from which on a row has a label; `fitted`: the one that does best by `metric` on the
    validation rows, each model's own."""
    metric: _Labelled = "micro_f1"
    """The metric that decides: best checkpoint, tables, gate."""
    metrics: tuple[_Labelled, ...] = ()
    """Further metrics of the report; empty: the usual ones of the kind."""

    @property
    def decode(self) -> dict[str, float]:
        return _cut_settings("threshold", self.threshold)


class Ordinal(TaskPart):
    """One of several levels a row, which stand in an order."""

    kind: Literal["ordinal"] = "ordinal"
    labels: _Labels | None = None
    """The levels, lowest first; null: the whole numbers of the data, by size.  A label outside the
    list is an error."""
    quantile: _Cut = STATED_CUT
    """Which quantile of a row's levels is decided on, 0.5 the median; `fitted`: the one that does
    best by `metric` on the validation rows, each model's own."""
    metric: _Ordered = "level_mae"
    """The metric that decides: best checkpoint, tables, gate."""
    metrics: tuple[_Ordered, ...] = ()
    """Further metrics of the report; empty: the usual ones of the kind."""

    @property
    def decode(self) -> dict[str, float]:
        return {} if self.quantile == STATED_CUT else _cut_settings("quantile", self.quantile)


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


class OfInput(TaskPart):
    """A task that decides what stands in one input."""

    input: Name
    """The input whose words are labelled; by default the only one that has words."""


class TokenClassification(OfInput):
    """A label for every word of a row."""

    kind: Literal["token_classification"] = "token_classification"
    labels: _Labels | None = None
    """The labels; null: those that occur in the data.  A label outside the list is an error."""
    metric: _Words = "accuracy"
    """The metric that decides: best checkpoint, tables, gate."""
    metrics: tuple[_Words, ...] = ()
    """Further metrics of the report; empty: the usual ones of the kind."""


Task = Annotated[
    Classification | Binary | MultiLabel | Ordinal | Regression | TokenClassification, ByKind()
]
