"""``distill.balance``: how the tasks' losses become one step, one class a method."""

from __future__ import annotations

from typing import Annotated, Literal

from kd2edge.recipe.schema.base import NotNegative, Part, Positive, Rate
from kd2edge.recipe.schema.choices import ByKind, ByTask
from kd2edge.recipe.schema.schedules import Weight


class Static(Part):
    """Weights that the recipe states."""

    kind: Literal["static"] = "static"
    weights: ByTask[Weight] = 1.0
    """Weight of each task's losses, a number or a schedule."""


class Uncertainty(Part):
    """Weights that are learned with the net (homoscedastic uncertainty, Kendall et al. 2018)."""

    kind: Literal["uncertainty"] = "uncertainty"


class Dwa(Part):
    """Losses that fall slowly weigh more (dynamic weight average, Liu et al. 2019)."""

    kind: Literal["dwa"] = "dwa"
    temperature: Positive = 2.0
    """Large ones make the weights alike."""


class Geometric(Part):
    """The geometric mean of the tasks' losses, whose scales then do not count."""

    kind: Literal["geometric"] = "geometric"


class Random(Part):
    """Random weights in every step (Lin et al. 2021): what others have to be better than."""

    kind: Literal["random"] = "random"


class GradNorm(Part):
    """Weights that bring the norms of the tasks' gradients together (Chen et al. 2018)."""

    kind: Literal["gradnorm"] = "gradnorm"
    alpha: NotNegative = 1.5
    """How strongly tasks that lag behind are pulled along; at 0 all norms are to be equal."""
    lr: Positive = 0.025
    """Learning rate of the weights."""


class Famo(Part):
    """Weights by which all losses fall at one pace (Liu et al. 2023); one more forward pass."""

    kind: Literal["famo"] = "famo"
    lr: Positive = 0.025
    """Learning rate of the weights."""
    weight_decay: NotNegative = 1.0e-3
    """How strongly they are drawn to be equal."""


class OfGradients(Part):
    """What balancers that weigh the gradients of the tasks have in common."""

    gradients: Literal["features", "parameters"] = "features"
    """With respect to what: the last features that all heads read, or every shared parameter, which
    takes a backward pass a task."""


class OfEachLoss(OfGradients):
    """What those of them have in common that remember nothing."""

    over: Literal["tasks", "terms"] = "tasks"
    """What is weighed: the whole loss of each task, or its labels' and its teacher's part apart."""


class AlignedMtl(OfEachLoss):
    """Gradients made orthogonal and equally long (Senushkin et al. 2023)."""

    kind: Literal["aligned_mtl"] = "aligned_mtl"
    scaling: Literal["min", "median", "rmse"] = "min"
    """Which singular value of theirs becomes that of all: the least, the median, or their mean."""


class CaGrad(OfEachLoss):
    """Near the mean gradient, the step that is best for the worst-off task (Liu et al. 2021)."""

    kind: Literal["cagrad"] = "cagrad"
    c: Rate = 0.4
    """How far from the mean gradient the step may go, as a share of its norm."""


class ImtlG(OfEachLoss):
    """A gradient on which those of all tasks have equal projections (IMTL-G, Liu et al. 2021)."""

    kind: Literal["imtl_g"] = "imtl_g"


class Mgda(OfEachLoss):
    """The shortest weighted mean of the gradients (MGDA, Sener and Koltun 2018)."""

    kind: Literal["mgda"] = "mgda"


class NashMtl(OfGradients):
    """The gradients' bargaining solution (Nash-MTL, Navon et al. 2022)."""

    kind: Literal["nash_mtl"] = "nash_mtl"
    clip_norm: Positive | None = 1.0
    """Largest norm of the combined gradient; null for no limit."""


class PcGrad(OfEachLoss):
    """Each gradient without the parts that conflict with others (PCGrad, Yu et al. 2020)."""

    kind: Literal["pcgrad"] = "pcgrad"


class UpGrad(OfEachLoss):
    """The mean of the gradients, each projected to conflict with none (UPGrad, Quinton 2024)."""

    kind: Literal["upgrad"] = "upgrad"


Balance = Annotated[
    Static
    | Uncertainty
    | Dwa
    | Geometric
    | Random
    | GradNorm
    | Famo
    | AlignedMtl
    | CaGrad
    | ImtlG
    | Mgda
    | NashMtl
    | PcGrad
    | UpGrad,
    ByKind(),
]
