"""Where a net looks: the places of a map, or words, that it has strong features at."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.features.grouped import mask_of, padded
from kd2edge.distill.features.scaled import scaled
from kd2edge.distill.loss import Given, Loss, Need, Sizes, weighted_mean


@final
class AttentionTransfer(Loss):
    """Attention transfer by activations (Zagoruyko and Komodakis 2017, 1612.03928, eq. 1 and 2).

    The attention of a row's places or words is the sum of their features' powers over the width,
    all of a row together of length 1.  The squared distance of the student's and the teacher's is
    taken, which has a slope where they meet.

    Args:
        power: that magnitudes are raised to; the larger, the more the strongest count.
    """

    needs = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES, Need.COUNTS})
    projects = False

    def __init__(self, *, power: float) -> None:
        super().__init__()
        self._power = power

    def prepare(self, sizes: Sizes) -> None:
        if sizes.items == 1:
            raise ValueError(
                "attention_transfer compares the places of a map or the words of a row, and here a"
                " row has one vector; name a layer before they are pooled"
            )

    def forward(self, given: Given) -> Tensor:
        counts = given.need(Need.COUNTS)
        mask = mask_of(given.weights, counts)
        student = attention(padded(given.need(Need.STUDENT_FEATURES), counts), mask, self._power)
        teacher = attention(padded(given.need(Need.TEACHER_FEATURES), counts), mask, self._power)
        return weighted_mean((student - teacher).square().sum(1), mask.amax(1))


def attention(features: Tensor, mask: Tensor, power: float) -> Tensor:
    """Attention of every place, of length 1 over a row: ``[row, place]``.

    Args:
        features: ``[row, place, width]``.
        mask: ``[row, place]``, 0 for a place that does not count.
        power: that magnitudes are raised to.
    """
    sized = scaled(features * mask[..., None], [1, 2])
    return F.normalize(sized.abs().pow(power).sum(2), dim=1)
