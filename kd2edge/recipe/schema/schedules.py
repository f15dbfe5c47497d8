"""Values of ``distill`` where they change: a union a value."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kd2edge.recipe.schema.base import Label, NotNegative, Part, Positive, Share, Some
from kd2edge.recipe.schema.choices import ByKind, OrMethod


class AlphaOverTime(Part):
    """An alpha that goes from one value to another; as it stands, from teacher to labels."""

    first: Annotated[Share, Field(alias="from")] = 1.0
    """At the first step."""
    last: Annotated[Share, Field(alias="to")] = 0.0
    """At the last step."""


class LinearAlpha(AlphaOverTime):
    """As much at every step: teacher annealing (Clark et al. 2019)."""

    kind: Literal["linear"] = "linear"


class CosineAlpha(AlphaOverTime):
    """Along half a cosine: slow at both ends, fast in between."""

    kind: Literal["cosine"] = "cosine"


class Confidence(Part):
    """An alpha or weight an item: the surer the teacher is of it, the larger.  Not for values."""

    kind: Literal["confidence"] = "confidence"
    low: Share = 0.0
    """Where all labels are as likely to the teacher."""
    high: Share = 1.0
    """Where it has no doubt."""
    by: Literal["probability", "entropy"] = "probability"
    """What tells how sure it is: its largest probability, or its entropy."""


class Correct(Part):
    """An alpha or weight an item: where the teacher is right, and where not (Meng et al. 2019).

    Not for values.
    """

    kind: Literal["correct"] = "correct"
    low: Share = 0.0
    """Where the teacher's likeliest label is wrong."""
    high: Share = 1.0
    """Where it is right, and where there is no label."""


class Labelled(Part):
    """An alpha or weight an item: one for those with a label, another for those without."""

    kind: Literal["labelled"] = "labelled"
    labelled: Share = 0.5
    """Where there is a label."""
    unlabelled: Share = 1.0
    """Where there is none, and the teacher's part stands alone."""


class AlphaByClass(Part):
    """An alpha or weight an item: by how rare its label is.  For tasks of one label an item.

    Between the most frequent class and the rarest by the logarithm of their numbers of items.
    """

    kind: Literal["by_class"] = "by_class"
    rare: Share = 0.8
    """Of items of the rarest class."""
    frequent: Share = 0.5
    """Of items of the most frequent class."""
    unlabelled: Share = 1.0
    """Where there is no label, and the teacher's part stands alone."""
    labels: dict[Label, Share] = {}
    """Label -> the alpha of its items, whatever their number."""


class Progress(Part):
    """An alpha by a task's progress: the nearer the student is to its teacher, the less.

    By what the leading metrics of both lack of a perfect one on the validation rows: of a student
    that lacks twice as much as its teacher it is half-way from `far` to `near`.
    """

    kind: Literal["progress"] = "progress"
    before: Share = 1.0
    """Before the first validation."""
    far: Share = 1.0
    """Of a student that lacks far more than its teacher."""
    near: Share = 0.0
    """Of one as good as its teacher, or better."""


class TemperatureOverTime(Part):
    """A temperature that goes from one value to another."""

    first: Annotated[Positive, Field(alias="from")]
    """At the first step."""
    last: Annotated[Positive, Field(alias="to")]
    """At the last step."""


class LinearTemperature(TemperatureOverTime):
    """As much at every step."""

    kind: Literal["linear"] = "linear"


class CosineTemperature(TemperatureOverTime):
    """Along half a cosine: slow at both ends, fast in between."""

    kind: Literal["cosine"] = "cosine"


class WeightOverTime(Part):
    """A weight that goes from one value to another."""

    first: Annotated[NotNegative, Field(alias="from")]
    """At the first step."""
    last: Annotated[NotNegative, Field(alias="to")]
    """At the last step."""


class LinearWeight(WeightOverTime):
    """As much at every step."""

    kind: Literal["linear"] = "linear"


class CosineWeight(WeightOverTime):
    """Along half a cosine: slow at both ends, fast in between."""

    kind: Literal["cosine"] = "cosine"


class Curriculum(Part):
    """A temperature that is learned against the student (CTKD, Li et al. 2023).

    It grows or falls to where the teacher's part of the loss is larger, more and more freely. Not
    for values, nor for losses on logits without a temperature.
    """

    kind: Literal["curriculum"] = "curriculum"
    first: Annotated[Positive, Field(alias="from")] = 4.0
    """At the first step, between `low` and `high`."""
    low: Positive = 1.0
    """It stays above."""
    high: Positive = 21.0
    """It stays below."""
    strength: Positive = 1.0
    """How fast it may learn in the end: what its learning rate is multiplied with."""
    rising: Share = 0.5
    """Share of the training over which that grows from 0, along half a cosine."""


AlphaSchedule = Annotated[
    LinearAlpha | CosineAlpha | Confidence | Correct | Labelled | AlphaByClass | Progress, ByKind()
]
TemperatureSchedule = Annotated[LinearTemperature | CosineTemperature | Curriculum, ByKind()]

WeightSchedule = Annotated[LinearWeight | CosineWeight, ByKind()]
AnItem = Annotated[Confidence | Correct | Labelled | AlphaByClass, ByKind()]

Alpha = Annotated[Share | AlphaSchedule, OrMethod()]
Temperature = Annotated[Positive | TemperatureSchedule, OrMethod()]
SampleWeight = Annotated[Some | AnItem, OrMethod()]
Weight = Annotated[NotNegative | WeightSchedule, OrMethod()]
