"""Where the teacher is right the student follows it, where it is wrong the label.

With ``low`` 0 and ``high`` 1 this is conditional teacher-student learning (Meng et al. 2019,
1904.12399).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from kd2edge.distill.schedule import Moment
from kd2edge.distill.schedules.an_item import AnItem, between
from kd2edge.tasks.spec import MISSING


@final
@dataclass(frozen=True, slots=True)
class Correct(AnItem):
    """``high`` where the teacher's likeliest label is the item's, ``low`` where it is not.

    Of several labels an item, in between by how many of those stated the teacher has right.

    Args:
        low: of items that the teacher has wrong, and of those it did not see.
        high: of items that it has right, and of those without a label.
    """

    low: float
    high: float
    kind: str = "correct"

    def at(self, moment: Moment) -> Tensor:
        said = moment.teacher()
        assert said is not None
        labels = said.placed(moment.items.targets())["labels"]
        if moment.items.output.activation == "sigmoid":
            right = share_right_of_yes_and_no(said.logits, labels)
        else:
            right = right_of_one(said.logits, labels, cut=said.classes is not None)
        seen = said.seen.to(right.device, non_blocking=True)
        return between(self.low, self.high, right * seen)


def right_of_one(logits: Tensor, labels: Tensor, *, cut: bool) -> Tensor:
    """1 where the largest logit is the label's, or no label is there, else 0: ``[item]``.

    Args:
        logits: ``[item, class]``.
        labels: class indices ``[item]``.
        cut: whether the last logit is of all other classes together, and so no class.
    """
    likeliest = logits[:, : -1 if cut else None].argmax(-1)
    return ((likeliest == labels) | (labels == MISSING)).to(logits.dtype)


def share_right_of_yes_and_no(logits: Tensor, labels: Tensor) -> Tensor:
    """How many of an item's stated labels are right, as a share; 1 where none is: ``[item]``.

    Args:
        logits: of yes, ``[item, label]``.
        labels: 1 for yes, 0 for no, ``[item]`` or ``[item, label]``.
    """
    labels = labels.reshape(logits.shape)
    stated = labels != MISSING
    wrong = ((logits >= 0) != (labels == 1)) & stated
    return 1 - wrong.sum(-1) / stated.sum(-1).clamp(min=1)
