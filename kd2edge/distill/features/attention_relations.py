"""Which words attend to which: relations within a row, whatever the widths and numbers of heads."""

from __future__ import annotations

from typing import final

from torch import Tensor

from kd2edge.distill.features.grouped import mask_of, padded
from kd2edge.distill.loss import Given, Loss, Need, Sizes, weighted_mean

#: Largest score: the logarithms of both sides and their differences stay finite.
_MOST = 1e30


@final
class AttentionRelations(Loss):
    """Self-attention relations of MiniLMv2 (Wang et al. 2021, 2012.15828).

    A feature is what a query, key or value module gives; a recipe names the three as three
    features.  Both are cut into the same number of relation heads, so neither their widths nor
    their own heads need agree.  Words of a row (at their first pieces) or places of a map are
    related; memory grows with heads times the square of the longest row.

    Args:
        heads: relation heads; they divide both widths.
    """

    needs = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES, Need.COUNTS})
    projects = False

    def __init__(self, *, heads: int) -> None:
        super().__init__()
        self._heads = heads

    def prepare(self, sizes: Sizes) -> None:
        if sizes.items == 1:
            raise ValueError(
                "attention_relations relates the words of a row or the places of a map, and here a"
                " row has one vector"
            )
        (student,), (teacher,) = sizes.student, sizes.teacher
        if student % self._heads or teacher % self._heads:
            raise ValueError(
                f"attention_relations cuts both features into {self._heads} heads, which must"
                f" divide their widths, {student} and {teacher}; state other `heads`"
            )

    def forward(self, given: Given) -> Tensor:
        counts = given.need(Need.COUNTS)
        mask = mask_of(given.weights, counts)  # [row, word]
        student, teacher = (
            relations(padded(given.need(need), counts), mask, self._heads)
            for need in (Need.STUDENT_FEATURES, Need.TEACHER_FEATURES)
        )
        each = (teacher.exp() * (teacher - student)).sum(3).mean(1)  # [row, word]
        return weighted_mean(each.flatten(), mask.flatten())


def relations(features: Tensor, mask: Tensor, heads: int) -> Tensor:
    """Log softmax of scaled dot products, ``[row, head, word, other word]``.

    Args:
        features: ``[row, word, width]``.
        mask: ``[row, word]``, 0 for a word that nobody attends to.
        heads: that the width is cut into.
    """
    counted = features * mask[..., None]
    split = counted.unflatten(2, (heads, -1)).transpose(1, 2)  # [row, head, word, width of a head]
    scores = split @ split.transpose(2, 3) / split.shape[3] ** 0.5
    scores = scores.nan_to_num().clamp(-_MOST, _MOST)
    # Not infinity: a row without any word would be NaN.
    return scores.masked_fill(mask[:, None, None, :] == 0, -1e6 * _MOST).log_softmax(3)
