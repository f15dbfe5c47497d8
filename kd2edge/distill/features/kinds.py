"""The fixed table of feature losses."""

from __future__ import annotations

from collections.abc import Callable

from kd2edge.distill.features.cosine import Cosine
from kd2edge.distill.features.mse import MSE
from kd2edge.distill.loss import Loss

#: Name in recipes -> loss, called with the recipe's options.
FEATURE_LOSSES: dict[str, Callable[..., Loss]] = {"cosine": Cosine, "mse": MSE}
