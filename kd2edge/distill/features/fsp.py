"""How one layer becomes the next: the flow between two layers of either net."""

from __future__ import annotations

from typing import final

from torch import Tensor

from kd2edge.distill.features.grouped import mask_of, padded
from kd2edge.distill.loss import Given, Loss, Need, Sizes, weighted_mean


@final
class FSP(Loss):
    """Flow of solution procedure (Yim et al. 2017, CVPR, eq. 1 and 2).

    The matrix of a row holds the products of each channel of its first layer with each of its
    second, averaged over the places of a map or the words.  The mean squared difference of the
    student's and the teacher's is taken.  Layers of other widths are projected one by one.
    """

    needs = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES, Need.COUNTS})
    layers = 2

    def __init__(self) -> None:
        super().__init__()
        self._first = 0

    def prepare(self, sizes: Sizes) -> None:
        self._first = sizes.teacher[0]

    def forward(self, given: Given) -> Tensor:
        counts = given.need(Need.COUNTS)
        mask = mask_of(given.weights, counts)  # [row, place]
        student, teacher = (
            flow(padded(given.need(need), counts), mask, self._first)
            for need in (Need.STUDENT_FEATURES, Need.TEACHER_FEATURES)
        )
        return weighted_mean((student - teacher).square().mean((1, 2)), mask.amax(1))


def flow(layers: Tensor, mask: Tensor, first: int) -> Tensor:
    """Products of two layers' channels, averaged over places: ``[row, channel, other channel]``.

    Args:
        layers: ``[row, place, width of both]``, side by side.
        mask: ``[row, place]``, 0 for a place that does not count.
        first: width of the first one.
    """
    counted = layers * mask[..., None]
    products = counted[..., :first].transpose(1, 2) @ counted[..., first:]
    return products / mask.sum(1).clamp(min=1)[:, None, None]
