"""Several teachers' likeliest classes, brought to the same ones.

Each cache of many classes keeps its own teacher's (see ``teacher.top_k``).  What a teacher thinks
of a class that it did not keep is a part of its ghost: the ghost's mass, at the temperature that is
asked for, is taken for spread evenly over the classes in it.  Each teacher's mass is then all
there, and what is said of a class is off by no more than that teacher's ghost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from kd2edge.teacher.top_k import Top, merged

#: What one teacher says of the items of an array: logits ``[item, channel]`` fp32, or those of its
#: likeliest classes; NaN: not seen.
Answer = Tensor | Top

#: The score of a class of which nobody says anything: below all chances, above those taken out.
_UNKNOWN = -1e30


def common_classes(answers: Sequence[Answer], channels: int) -> Tensor:
    """The classes that all teachers are heard of ``[item, k]``, likeliest first.

    These are the likeliest ``k`` by the mean of all teachers at temperature 1, of those that any of
    them kept; k is the largest number that one did.

    Args:
        answers: of the teachers, one of them not of all classes at least.
        channels: how many classes there are.
    """
    k = max(one.classes.shape[-1] for one in answers if isinstance(one, Top))
    found = torch.cat(
        [one.classes if isinstance(one, Top) else one.topk(k).indices for one in answers], -1
    )  # [item, candidate]
    chances = torch.stack([_chances(one, found, channels) for one in answers])
    scores = chances.nan_to_num(nan=_UNKNOWN).logsumexp(0)
    scores = scores.masked_fill(_stood_before(found), -torch.inf)
    return found.gather(-1, scores.topk(k).indices)


def said_of(answer: Answer, classes: Tensor, channels: int, temperature: float | Tensor) -> Tensor:
    """Logits of some classes, and of all others together ``[item, k + 1]``.

    Args:
        answer: of a teacher.
        classes: ``[item, k]``, each once in an item, and not all there are.
        channels: how many classes there are.
        temperature: that the logits are divided by; one number, or ``[item, 1]``.
    """
    if not isinstance(answer, Top):
        return merged(answer, classes, temperature)
    soft = answer.at(temperature) / temperature
    own, ghost = soft[:, :-1], soft[:, -1:]
    _, taken = _among(classes, answer.classes)  # [item, own]
    # Finite: where every class is taken, the gradient of a learned temperature would be NaN.
    rest = own.masked_fill(taken, _UNKNOWN).logsumexp(-1, keepdim=True)
    strange = classes.shape[-1] - taken.sum(-1, keepdim=True)  # taken out of the ghost
    left = ghost + torch.log1p(-strange / (channels - own.shape[-1]))
    looked_up = _looked_up(soft, answer.classes, classes, channels)
    return torch.cat([looked_up, torch.logaddexp(rest, left)], -1) * temperature


def _chances(answer: Answer, classes: Tensor, channels: int) -> Tensor:
    """Log-probabilities of some classes ``[item, class]``."""
    if not isinstance(answer, Top):
        return answer.log_softmax(-1).gather(-1, classes)
    return _looked_up(answer.at(1.0).log_softmax(-1), answer.classes, classes, channels)


def _looked_up(soft: Tensor, kept: Tensor, classes: Tensor, channels: int) -> Tensor:
    """What is said of some classes ``[item, class]``: one that was not kept has its part."""
    own, ghost = soft[:, :-1], soft[:, -1:]
    at, known = _among(kept, classes)
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
