"""The fixed table of logit losses."""

from __future__ import annotations

from collections.abc import Callable

from kd2edge.distill.logits.kl import KL
from kd2edge.distill.loss import Loss

#: Name in recipes -> loss, called with the recipe's options.
LOGIT_LOSSES: dict[str, Callable[..., Loss]] = {"kl": KL}
