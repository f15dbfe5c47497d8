"""``distill.features``: hidden features to follow, one class a loss or projector."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from kd2edge.recipe.schema.base import Count, Name, NotNegative, Part, Positive, Rate, Texts, Whole
from kd2edge.recipe.schema.choices import ByKind

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
