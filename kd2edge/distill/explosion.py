"""A loss that explodes: step after step far above the smallest that it has been.

What is looked at are the losses of a task and kind as they are, neither weighted nor balanced, so
that no schedule of alpha and no learned weight comes into it.  Good trainings let them grow, too: a
temperature that rises asks about more of the logits, what is fed to the student fades out, a batch
of hard rows comes.  Therefore a loss counts as exploded where

    loss > factor * (smallest + floor)

in ``steps`` batches more than it was not, counted from 0 and never below: a single batch of odd
rows is soon made up for, and a loss that leaps up and down at a height is not.  ``smallest`` is
that of its first batch, before anything was learned, and of the means over ``steps`` batches since;
``floor`` is for losses that begin at 0 (nets that hear each other and agree) or come near to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, final

from torch import Tensor

from kd2edge.distill.balance import LossKey
from kd2edge.distill.settings import Explosion
from kd2edge.tasks.spec import TaskName

#: What JSON says that an exploded loss is, beside the kinds of ``NotFinite``.
EXPLOSION = "explosion"


@dataclass(frozen=True, slots=True)
class Exploded:
    """A loss that is far above what it was, for many steps.

    Args:
        key: which loss.
        value: in the first of these steps.
        limit: what it was above then.
        since: the first of these steps, from 1.
        batches: in so many more it was so than it was not, from there on.
    """

    key: LossKey
    value: float
    limit: float
    since: int
    batches: int

    def __str__(self) -> str:
        whose = f"peer {self.key.peer}: " if self.key.peer else ""
        return (
            f"{whose}loss {self.key.kind} of {self.key.task or 'the features'} explodes: it is"
            f" {self.value:.4g}, and from here on above {self.limit:.4g} in {self.batches} batches"
            " more than below"
        )

    def holds(self, losses: Mapping[LossKey, Tensor | float]) -> bool:
        """Whether the loss is above its limit in a batch; a GPU is waited for."""
        return float(losses.get(self.key, math.nan)) > self.limit

    def to_json(self) -> dict[str, Any]:
        """JSON values, as those of a loss that is not finite."""
        return {
            "kind": EXPLOSION,
            "value": str(self.value),
            "limit": self.limit,
            "batches": self.batches,
            "task": self.key.task,
            "loss": self.key.kind,
            "parameter": "",
        } | ({"peer": self.key.peer} if self.key.peer else {})


def exploded_from_json(what: Mapping[str, Any], since: int) -> Exploded | None:
    """The loss that exploded in a step, as ``to_json`` has it; None where something else did."""
    if what["kind"] != EXPLOSION:
        return None
    key = LossKey(TaskName(what["task"]), what["loss"], what.get("peer", ""))
    return Exploded(key, float(what["value"]), what["limit"], since, what["batches"])


@final
@dataclass(slots=True)
class _Seen:
    """What is remembered of a loss.

    Args:
        smallest: of the first batch, and of the means over so many.
        total: of the batches since the last mean.
        count: how many these are.
        above: batches in which it was above the limit, less those since in which it was not.
        since: step of the first of them.
        value: in that step.
        limit: in that step.
    """

    smallest: float
    total: float = 0.0
    count: int = 0
    above: int = 0
    since: int = 0
    value: float = 0.0
    limit: float = 0.0


@final
class Growth:
    """How far every loss has grown; told each batch once, in order.

    Args:
        how: what counts as an explosion; None: nothing does.
        kept: of a checkpoint (``to_json``).

    Attributes:
        exploded: the first loss that was found to explode; None while none was.
        step: batches that were counted.
    """

    def __init__(self, how: Explosion | None, kept: Mapping[str, Any] | None = None) -> None:
        self.exploded: Exploded | None = None
        self._how = how
        self.step = 0
        self._seen: dict[LossKey, _Seen] = {}
        if kept is not None:
            self.step = kept["step"]
            self._seen = {
                LossKey(TaskName(task), kind, peer): _Seen(**seen)
                for task, kind, peer, seen in kept["losses"]
            }

    def add(self, losses: Mapping[LossKey, float]) -> None:
        """Count a batch; what is not finite is no growth, and somebody else's to notice."""
        self.step += 1
        if self._how is None:
            return
        for key, value in losses.items():
            if math.isfinite(value):
                self._add(self._how, key, value)

    def _add(self, how: Explosion, key: LossKey, value: float) -> None:
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen(max(value, 0.0))
        limit = how.factor * (seen.smallest + how.floor)
        if value > limit:
            if not seen.above:
                seen.since, seen.value, seen.limit = self.step, value, limit
            seen.above += 1
            # More than enough: who goes on may ask for fewer steps than there were.
            if seen.above >= how.steps and self.exploded is None:
                self.exploded = Exploded(key, seen.value, seen.limit, seen.since, seen.above)
        elif seen.above:
            seen.above -= 1
        seen.total += value
        seen.count += 1
        if seen.count >= how.steps:
            seen.smallest = min(seen.smallest, max(seen.total / seen.count, 0.0))
            seen.total, seen.count = 0.0, 0

    @property
    def is_suspicious(self) -> bool:
        """Whether a loss is above its limit: what is saved now might not be good."""
        return self._how is not None and any(one.above for one in self._seen.values())

    def to_json(self) -> dict[str, Any]:
        """JSON values that a new one goes on from."""
        losses = [(*key, asdict(seen)) for key, seen in self._seen.items()]
        return {"step": self.step, "losses": losses}
