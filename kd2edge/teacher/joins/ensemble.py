"""The teachers of one task as one: what a loss, a schedule or a report is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from kd2edge.tasks.spec import Output
from kd2edge.teacher.joins.common_classes import Answer, common_classes, said_of
from kd2edge.teacher.joins.join import Join, Several
from kd2edge.teacher.joins.mixture import mixture
from kd2edge.teacher.top_k import Top

__all__ = ["Answer", "Ensemble", "Joint"]


@final
@dataclass(frozen=True, slots=True)
class Joint:
    """What several teachers say of some items, weighed.

    Args:
        answers: of the teachers, finite.
        shares: ``[teacher, item]`` of the teachers that saw the item, sums of 1; all 0: nobody did.
        output: what the array is.
        classes: ``[item, k]`` of which classes they are heard; None: of all.
    """

    answers: Sequence[Answer]
    shares: Tensor
    output: Output
    classes: Tensor | None

    def at(self, temperature: float | Tensor) -> Tensor:
        """What they say together ``[item, channel]``; NaN for an item that nobody saw.

        Args:
            temperature: of the distributions that are averaged; one number, or ``[item, 1]``.
        """
        logits = _heard(self.answers, self.output, self.classes, temperature)
        return mixture(logits, self.shares, temperature, self.output.activation)


@final
@dataclass(frozen=True, slots=True)
class Ensemble:
    """How the teachers of one task are joined.

    Args:
        join: how they are weighed.
        lacks: teacher -> what it lacks of a perfect one, above 0; of a join that asks for it.
    """

    join: Join
    lacks: Mapping[str, float] = field(default_factory=dict[str, float])

    def asked(self, answers: Mapping[str, Answer], output: Output, *, ragged: bool) -> Joint:
        """What they say of the items of an array.

        In the order of their names, so that a sum of three has the same bits in any order.

        Args:
            answers: teacher -> what it says.
            output: what the array is.
            ragged: whether items are words or frames, of which NaN says that a teacher did not see
                one.  Of other items NaN is a teacher's fault, and stays.
        """
        names = sorted(answers)
        several = [answers[name] for name in names]
        cut = any(isinstance(one, Top) for one in several)
        classes = common_classes(several, output.channels) if cut else None
        seen = torch.stack([~_first(one).isnan() for one in several])  # [teacher, item]
        if ragged:
            several = [_finite(one, ~own) for one, own in zip(several, seen, strict=True)]
        else:
            seen = torch.ones_like(seen)
        logits = _heard(several, output, classes, 1.0)
        lacks = tuple(self.lacks[name] for name in names) if self.join.by_skill else None
        weights = self.join.weights(Several(logits, output, lacks))
        return Joint(several, _shares(weights, seen), output, classes)


def _heard(
    several: Sequence[Answer], output: Output, classes: Tensor | None, temperature: float | Tensor
) -> Tensor:
    """What each teacher says of the same classes ``[teacher, item, channel]``."""
    if classes is None:
        return torch.stack([one for one in several if isinstance(one, Tensor)])
    return torch.stack([said_of(one, classes, output.channels, temperature) for one in several])


def _first(answer: Answer) -> Tensor:
    """One number an item ``[item]``."""
    return (answer.logits if isinstance(answer, Top) else answer)[..., 0]


def _finite(answer: Answer, unseen: Tensor) -> Answer:
    """The same with zeros for items ``[item]`` that were not seen."""
    gone = unseen.unsqueeze(-1)
    if not isinstance(answer, Top):
        return answer.masked_fill(gone, 0.0)
    logits, tail = (one.masked_fill(gone, 0.0) for one in (answer.logits, answer.tail))
    return Top(logits, answer.classes, tail)


def _shares(weights: Tensor, seen: Tensor) -> Tensor:
    """The share of each teacher that saw an item; equal ones where all of these weigh nothing."""
    weights = weights * seen
    total = weights.sum(0)
    weights = torch.where(total == 0, seen.to(weights), weights)
    return weights / weights.sum(0).clamp(min=torch.finfo(weights.dtype).tiny)
