"""The fixed table of feature losses."""

from __future__ import annotations

from collections.abc import Callable

from kd2edge.distill.features.attention_relations import AttentionRelations
from kd2edge.distill.features.attention_transfer import AttentionTransfer
from kd2edge.distill.features.cka import CKA
from kd2edge.distill.features.cosine import Cosine
from kd2edge.distill.features.crd import CRD
from kd2edge.distill.features.fsp import FSP
from kd2edge.distill.features.mse import MSE
from kd2edge.distill.features.normalised import Normalised
from kd2edge.distill.features.queue_similarity import QueueSimilarity
from kd2edge.distill.features.relational import Relational
from kd2edge.distill.features.similarity import Similarity
from kd2edge.distill.loss import Loss

#: Name in recipes -> loss, called with the recipe's options.
FEATURE_LOSSES: dict[str, Callable[..., Loss]] = {
    "attention_relations": AttentionRelations,
    "attention_transfer": AttentionTransfer,
    "cka": CKA,
    "cosine": Cosine,
    "crd": CRD,
    "fsp": FSP,
    "mse": MSE,
    "normalised": Normalised,
    "queue_similarity": QueueSimilarity,
    "relational": Relational,
    "similarity": Similarity,
}
