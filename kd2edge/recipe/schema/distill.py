"""``distill``: how teachers teach.  Each family of methods is a union: one class a method."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from kd2edge.recipe.schema.base import (
    Count,
    Flag,
    Name,
    NotNegative,
    Part,
    Positive,
    Rate,
    Texts,
    Whole,
)
from kd2edge.recipe.schema.choices import ByKind, ByTask
from kd2edge.recipe.schema.logits import Kl, LogitLoss
from kd2edge.recipe.schema.schedules import Alpha
from kd2edge.recipe.schema.schedules import Temperature as Softening

#: That cosines are divided by: a lower one would leave float32 nothing but the nearest.
Temperature = Annotated[float, Strict(), Field(ge=0.001, le=100)]


class Cosine(Part):
    """One minus the cosine of the two features."""

    kind: Literal["cosine"] = "cosine"


class Mse(Part):
    """Mean squared difference of the two features."""

    kind: Literal["mse"] = "mse"


class Normalised(Part):
    """Mean squared difference of the two features, each vector standardised over its width."""

    kind: Literal["normalised"] = "normalised"


class Similarity(Part):
    """Similarity-preserving: which rows of a batch are alike (Tung and Mori 2019)."""

    kind: Literal["similarity"] = "similarity"
    per: Literal["row", "item"] = "row"
    """What is compared: rows, or every word or place of a map."""


class Relational(Part):
    """Distances of pairs and angles of triples of rows (Park et al. 2019)."""

    kind: Literal["relational"] = "relational"
    distance: NotNegative = 1.0
    """Weight of the distances."""
    angle: NotNegative = 2.0
    """Weight of the angles; memory grows with the cube of the batch."""


class Cka(Part):
    """One minus the linear centred kernel alignment of a batch (Kornblith et al. 2019)."""

    kind: Literal["cka"] = "cka"
    per: Literal["row", "item"] = "row"
    """What an example is: a row, or every word or place of a map."""


class AttentionTransfer(Part):
    """At which places of a map, or words, features are strong (Zagoruyko and Komodakis 2017)."""

    kind: Literal["attention_transfer"] = "attention_transfer"
    power: Annotated[float, Strict(), Field(ge=1, le=8)] = 2.0
    """That magnitudes are raised to before they are summed over the width."""


class AttentionRelations(Part):
    """Self-attention relations of queries, keys or values (MiniLMv2, Wang et al. 2021).

    `from` and `to` are query, key or value modules: three features for all three relations.
    """

    kind: Literal["attention_relations"] = "attention_relations"
    heads: Count = 12
    """Relation heads that both features are cut into; they divide both widths."""


class Crd(Part):
    """Contrast of each row's two features with other rows' in a memory (Tian et al. 2020)."""

    kind: Literal["crd"] = "crd"
    width: Count = 128
    """Of the learned embeddings; the memory takes eight times as many bytes a training row."""
    negatives: Count = 4096
    """Other training rows that a row is told from."""
    temperature: Temperature = 0.07
    """That dot products are divided by."""
    momentum: Rate = 0.5
    """Share that the memory of a row keeps when the row is seen again."""


class QueueSimilarity(Part):
    """How alike a row is to the teacher's latest rows; needs no label (SEED, Fang et al. 2021)."""

    kind: Literal["queue_similarity"] = "queue_similarity"
    size: Count = 4096
    """Rows in the queue."""
    temperature: Temperature = 0.2
    """Of the student's distribution over the queue."""
    teacher_temperature: Temperature = 0.01
    """Of the teacher's; a low one counts the nearest rows alone."""


class Fsp(Part):
    """How one layer becomes another (Yim et al. 2017): `from` and `to` are two paths each."""

    kind: Literal["fsp"] = "fsp"


FeatureLoss = Annotated[
    Cosine
    | Mse
    | Normalised
    | Similarity
    | Relational
    | Cka
    | AttentionTransfer
    | AttentionRelations
    | Crd
    | QueueSimilarity
    | Fsp,
    ByKind(),
]


class Linear(Part):
    """A learned linear map from the student's width to the teacher's; dropped after training."""

    kind: Literal["linear"] = "linear"


class Mlp(Part):
    """Two learned linear maps with layer norm and GELU between them; dropped after training."""

    kind: Literal["mlp"] = "mlp"
    hidden: Count | None = None
    """Units between the two; left out, as many as the teacher is wide."""


class Conv(Part):
    """A learned convolution and batch norm on the student's map; dropped after training."""

    kind: Literal["conv"] = "conv"
    size: Annotated[Literal[1, 3, 5], Whole] = 3
    """Side of the kernel."""


class NoProjector(Part):
    """Nothing between the two features: their widths must agree."""

    kind: Literal["none"] = "none"


Projector = Annotated[Linear | Mlp | Conv | NoProjector, ByKind()]


class Feature(Part):
    """A hidden feature of a teacher that one of the student's is to follow."""

    teacher: Name
    """Name of the teacher."""
    teacher_layers: Annotated[Texts, Field(alias="from", min_length=1)]
    """Module path in the teacher's backbone, e.g. `encoder.layer.5`; two for `fsp`."""
    student_layers: Annotated[Texts, Field(alias="to", min_length=1)]
    """Module path in the student's backbone; two for `fsp`."""
    loss: FeatureLoss = Cosine()
    """How they are compared."""
    projector: Projector | None = None
    """What stands between them; left out, `linear` where the loss compares vectors."""
    standardise: Literal["none", "z_score", "phi_s"] | None = None
    """The teacher's vectors first, over all training rows: each channel by its own mean and
    deviation, or rotated so that all channels have one (`phi_s`); left out, `z_score` where
    features of several teachers are followed, else `none`."""
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


class NoLongTail(Part):
    """Every item counts alike."""

    kind: Literal["none"] = "none"


class LogitAdjustment(Part):
    """The classes' prior is added to the logits in training alone (Menon et al. 2021).

    With `tau: 1` it is the balanced softmax of Ren et al. (2020). For tasks that choose one of
    several labels.
    """

    kind: Literal["logit_adjustment"] = "logit_adjustment"
    tau: Annotated[float, Strict(), Field(ge=0, le=10)] = 1.0
    """How much of the logarithm of the prior; at 0 nothing."""
    teacher: Flag = True
    """Whether the adjusted logits are compared with the teacher's, too: for a teacher that was
    trained on the same long tail. Write false for one that knows nothing of it."""


class ClassBalanced(Part):
    """Labels weigh one over the effective number of items of theirs (Cui et al. 2019).

    For all tasks but those of values; of several labels a row each weighs its own yes and no.
    """

    kind: Literal["class_balanced"] = "class_balanced"
    beta: Rate = 0.999
    """At 0 all items weigh alike; the nearer to 1, the more by one over their number."""


LongTail = Annotated[NoLongTail | LogitAdjustment | ClassBalanced, ByKind()]


class Distill(Part):
    """The loss of a task is `alpha * L_kd + (1 - alpha) * L_task`."""

    alpha: ByTask[Alpha] = 0.5
    """Share of the teacher's word, a number or a schedule; rows without a label have the teacher's
    part alone."""
    temperature: ByTask[Softening] = 2.0
    """Softens the outputs of both before they are compared; losses that this makes smaller are
    scaled by its square."""
    logits: ByTask[LogitLoss] = Kl()
    """How the outputs are compared."""
    features: tuple[Feature, ...] = ()
    """Hidden features to follow."""
    balance: Balance = Static()
    """How the losses of the tasks are combined."""
    long_tail: ByTask[LongTail] = NoLongTail()
    """What makes rare classes count where the hard loss does not. It holds for the student and the
    baseline; teachers are trained on their labels as they are."""
