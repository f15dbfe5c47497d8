"""``distill.logits``: how the outputs of student and teacher are compared."""

from __future__ import annotations

from typing import Annotated, Literal

from kd2edge.recipe.schema.base import Flag, NotNegative, Part
from kd2edge.recipe.schema.choices import ByKind


class Softened(Part):
    """Losses that compare softened outputs."""

    standardise: Flag = False
    """Z-score every item's logits before they are softened: the student follows the relations of
    the teacher's logits, not their size.  For tasks that choose one of three labels or more."""


class Kl(Softened):
    """Kullback-Leibler divergence of softened outputs.

    Of each label where several may be right, and half the squared difference of values.
    """

    kind: Literal["kl"] = "kl"


class CrossEntropy(Softened):
    """Cross entropy with the teacher's softened outputs: `kl` and the teacher's entropy."""

    kind: Literal["cross_entropy"] = "cross_entropy"


class LogitMse(Part):
    """Squared difference of logits, whatever the temperature: what `kl` tends to as it grows."""

    kind: Literal["mse"] = "mse"


class Dkd(Softened):
    """Decoupled distillation: the right class against the others, and the others among themselves.

    For tasks that choose one of three labels or more; rows without a label take the teacher's first
    choice.
    """

    kind: Literal["dkd"] = "dkd"
    alpha: NotNegative = 1.0
    """Weight of the right class's part."""
    beta: NotNegative = 8.0
    """Weight of the others' part, where `kl` has what the teacher leaves to them."""


class Dist(Part):
    """One minus the correlation of softened outputs, within each item and each class of a batch.

    Not for values.
    """

    kind: Literal["dist"] = "dist"
    beta: NotNegative = 1.0
    """Weight of the relations among an item's labels, where there are three or more."""
    gamma: NotNegative = 1.0
    """Weight of the relations among a batch's items, a label each."""


class RankedProbability(Part):
    """`kl`, and the squared distance of the cumulative distributions; for ordinal tasks."""

    kind: Literal["ranked_probability"] = "ranked_probability"


class Bounded(Part):
    """The squared error of items where the student is not better than its teacher.

    For tasks of values; rows without a label follow the teacher's value.
    """

    kind: Literal["bounded"] = "bounded"
    margin: NotNegative = 0.0
    """By how much the squared error must be below the teacher's, in squares of the labels'
    standard deviation."""


LogitLoss = Annotated[
    Bounded | CrossEntropy | Dist | Dkd | Kl | LogitMse | RankedProbability, ByKind()
]
