"""The fixed table of logit losses."""

from __future__ import annotations

from kd2edge.distill.logits.bounded import Bounded
from kd2edge.distill.logits.cross_entropy import CrossEntropy
from kd2edge.distill.logits.dist import DIST
from kd2edge.distill.logits.dkd import DKD
from kd2edge.distill.logits.kl import KL
from kd2edge.distill.logits.logit_loss import LogitLoss
from kd2edge.distill.logits.mse import MSE
from kd2edge.distill.logits.ranked_probability import RankedProbability

#: Name in recipes -> loss, called with the task and the recipe's options.
LOGIT_LOSSES: dict[str, type[LogitLoss]] = {
    "bounded": Bounded,
    "cross_entropy": CrossEntropy,
    "dist": DIST,
    "dkd": DKD,
    "kl": KL,
    "mse": MSE,
    "ranked_probability": RankedProbability,
}
