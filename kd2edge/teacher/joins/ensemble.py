"""The teachers of one task as one: what a loss, a schedule or a report is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from kd2edge.tasks.spec import Output
from kd2edge.teacher.joins.common_classes import Answer, on_common_classes
from kd2edge.teacher.joins.join import Join, Several
from kd2edge.teacher.joins.mixture import mixture

__all__ = ["Answer", "Ensemble", "Joint"]


@final
@dataclass(frozen=True, slots=True)
class Joint:
    """What several teachers say of some items, weighed.

    Args:
        logits: ``[teacher, item, channel]`` fp32, finite.
        shares: ``[teacher, item]`` of the teachers that saw the item, sums of 1; all 0: nobody did.
        output: what the array is.
        classes: ``[item, k]`` of which classes the logits are; None: of all.
    """

    logits: Tensor
    shares: Tensor
    output: Output
    classes: Tensor | None

    def at(self, temperature: float | Tensor) -> Tensor:
        """What they say together ``[item, channel]``; NaN for an item that nobody saw.

        Args:
            temperature: of the distributions that are averaged; one number, or ``[item, 1]``.
        """
        return mixture(self.logits, self.shares, temperature, self.output.activation)


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
        classes: Tensor | None = None
        if any(one.classes is not None for one in several):
            logits, classes = on_common_classes(several, output.channels)
        else:
            logits = torch.stack([one.logits for one in several])
        seen = torch.ones_like(logits[..., 0], dtype=torch.bool)  # [teacher, item]
        if ragged:
            seen = ~logits[..., 0].isnan()
            logits = logits.masked_fill(~seen.unsqueeze(-1), 0.0)
        lacks = tuple(self.lacks[name] for name in names) if self.join.by_skill else None
        weights = self.join.weights(Several(logits, output, lacks))
        return Joint(logits, _shares(weights, seen), output, classes)


def _shares(weights: Tensor, seen: Tensor) -> Tensor:
    """The share of each teacher that saw an item; equal ones where all of these weigh nothing."""
    weights = weights * seen
    total = weights.sum(0)
    weights = torch.where(total == 0, seen.to(weights), weights)
    return weights / weights.sum(0).clamp(min=torch.finfo(weights.dtype).tiny)
