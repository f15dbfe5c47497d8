"""``distill``: how teachers teach.  Each family of methods is a union: one class a method."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kd2edge.recipe.schema.base import Name, NotNegative, Part, Positive, Share, Text
from kd2edge.recipe.schema.choices import ByKind, ByTask
from kd2edge.recipe.schema.logits import Kl, LogitLoss


class Cosine(Part):
    """One minus the cosine of the two features."""

    kind: Literal["cosine"] = "cosine"


class Mse(Part):
    """Mean squared difference of the two features."""

    kind: Literal["mse"] = "mse"


FeatureLoss = Annotated[Cosine | Mse, ByKind()]


class Linear(Part):
    """A learned linear map from the student's width to the teacher's; dropped after training."""

    kind: Literal["linear"] = "linear"


class NoProjector(Part):
    """Nothing between the two features: their widths must agree."""

    kind: Literal["none"] = "none"


Projector = Annotated[Linear | NoProjector, ByKind()]


class Feature(Part):
    """A hidden feature of a teacher that one of the student's is to follow."""

    teacher: Name
    """Name of the teacher."""
    teacher_layer: Annotated[Text, Field(alias="from")]
    """Module path in the teacher's backbone, e.g. `encoder.layer.5`."""
    student_layer: Annotated[Text, Field(alias="to")]
    """Module path in the student's backbone."""
    loss: FeatureLoss = Cosine()
    """How they are compared."""
    projector: Projector = Linear()
    """What stands between them."""
    weight: Positive = 1.0
    """Weight of this loss."""


class Static(Part):
    """Fixed weights."""

    kind: Literal["static"] = "static"
    weights: ByTask[NotNegative] = 1.0
    """Weight of each task's losses."""


class Uncertainty(Part):
    """Weights that are learned with the net (homoscedastic uncertainty, Kendall et al. 2018)."""

    kind: Literal["uncertainty"] = "uncertainty"


Balance = Annotated[Static | Uncertainty, ByKind()]


class Distill(Part):
    """The loss of a task is `alpha * L_kd + (1 - alpha) * L_task`."""

    alpha: ByTask[Share] = 0.5
    """Share of the teacher's word; rows without a label have the teacher's part alone."""
    temperature: ByTask[Positive] = 2.0
    """Softens the outputs of both before they are compared; losses that this makes smaller are
    scaled by its square."""
    logits: ByTask[LogitLoss] = Kl()
    """How the outputs are compared."""
    features: tuple[Feature, ...] = ()
    """Hidden features to follow."""
    balance: Balance = Static()
    """How the losses of the tasks are combined."""
