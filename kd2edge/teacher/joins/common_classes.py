"""Several teachers' likeliest classes, brought to the same ones.

Each cache of many classes keeps its own teacher's (see ``teacher.top_k``).  What a teacher thinks
of a class that it did not keep is a part of its ghost: the ghost's mass is taken for spread evenly
over the classes in it.  Each teacher's mass is then all there, and what is said of a class is off
by no more than that teacher's ghost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kd2edge.teacher.top_k import merged

#: The score of a class of which nobody says anything: below all chances, above those taken out.
_UNKNOWN = -1e30


class Answer(NamedTuple):
    """What one teacher says of the items of an array.

    Args:
        logits: ``[item, channel]`` fp32, or ``[item, k + 1]``, the ghost last; NaN: not seen.
        classes: ``[item, k]`` of which classes; None: of all.
    """

    logits: Tensor
    classes: Tensor | None = None


def on_common_classes(answers: Sequence[Answer], channels: int) -> tuple[Tensor, Tensor]:
    """What each teacher says of the same classes ``[teacher, item, k + 1]``, and which they are.

    These are the likeliest ``k`` by the mean of all teachers, of those that any of them kept; k is
    the largest number that one did.

    Args:
        answers: of the teachers, one of them not of all classes at least.
        channels: how many classes there are.

    Returns:
        The logits, the ghost last, and the classes ``[item, k]``, likeliest first.
    """
    k = max(0 if one.classes is None else one.classes.shape[-1] for one in answers)
    found = torch.cat(
        [one.logits.topk(k).indices if one.classes is None else one.classes for one in answers], -1
    )  # [item, candidate]
    chances = torch.stack([_chances(one, found, channels) for one in answers])
    scores = chances.nan_to_num(nan=_UNKNOWN).logsumexp(0)
    scores = scores.masked_fill(_stood_before(found), -torch.inf)
    classes = found.gather(-1, scores.topk(k).indices)
    return torch.stack([_said_of(one, classes, channels) for one in answers]), classes


def _chances(answer: Answer, classes: Tensor, channels: int) -> Tensor:
    """Log-probabilities of some classes ``[item, class]``."""
    logits = answer.logits.log_softmax(-1)
    if answer.classes is None:
        return logits.gather(-1, classes)
    return _looked_up(Answer(logits, answer.classes), classes, channels)


def _said_of(answer: Answer, classes: Tensor, channels: int) -> Tensor:
    """Logits of some classes, each once, and of all others together ``[item, k + 1]``."""
    if answer.classes is None:
        return merged(answer.logits, classes)
    own, ghost = answer.logits[:, :-1], answer.logits[:, -1:]
    _, taken = _among(classes, answer.classes)  # [item, own]
    rest = own.masked_fill(taken, -torch.inf).logsumexp(-1, keepdim=True)
    strange = classes.shape[-1] - taken.sum(-1, keepdim=True)  # taken out of the ghost
    left = ghost + torch.log1p(-strange / (channels - own.shape[-1]))
    return torch.cat([_looked_up(answer, classes, channels), torch.logaddexp(rest, left)], -1)


def _looked_up(answer: Answer, classes: Tensor, channels: int) -> Tensor:
    """What is said of some classes ``[item, class]``: one that was not kept has its part."""
    assert answer.classes is not None
    own, ghost = answer.logits[:, :-1], answer.logits[:, -1:]
    at, known = _among(answer.classes, classes)
    return torch.where(known, own.gather(-1, at), ghost - math.log(channels - own.shape[-1]))


def _among(several: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Where classes ``[item, class]`` stand among several of their item, and whether they do."""
    in_order = several.sort(-1)
    place = torch.searchsorted(in_order.values, classes.contiguous())
    place = place.clamp(max=several.shape[-1] - 1)
    return in_order.indices.gather(-1, place), in_order.values.gather(-1, place) == classes


def _stood_before(classes: Tensor) -> Tensor:
    """Which of an item's classes stand further left already ``[item, class]``."""
    in_order = classes.sort(stable=True, dim=-1)
    again = torch.zeros_like(classes, dtype=torch.bool)
    again[:, 1:] = in_order.values[:, 1:] == in_order.values[:, :-1]
    return torch.zeros_like(again).scatter(-1, in_order.indices, again)
