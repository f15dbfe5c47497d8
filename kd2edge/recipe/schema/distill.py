"""``distill``: how teachers teach.  Each family of methods has a file: one class a method."""

from __future__ import annotations

from kd2edge.recipe.schema.balance import Balance, Static
from kd2edge.recipe.schema.choices import ByTask
from kd2edge.recipe.schema.features import Feature
from kd2edge.recipe.schema.feed import Feed
from kd2edge.recipe.schema.long_tail import LongTail, NoLongTail
from kd2edge.recipe.schema.mutual import Mutual, Peer
from kd2edge.recipe.schema.schedules import SampleWeight
from kd2edge.recipe.schema.teaching import Teaching


class Distill(Teaching):
    """The loss of a task is `alpha * L_kd + (1 - alpha) * L_task`."""

    sample_weight: ByTask[SampleWeight] = 1.0
    """How much an item counts in both parts of its loss, in a task that somebody teaches: 1, or a
    weight an item, from 0 to 1. What it learns from features and from peers is not weighed."""
    features: tuple[Feature, ...] = ()
    """Hidden features to follow."""
    feed: tuple[Feed, ...] = ()
    """Hidden features that the student is given in training, until they have faded out."""
    balance: Balance = Static()
    """How the losses of the tasks are combined."""
    long_tail: ByTask[LongTail] = NoLongTail()
    """What makes rare classes count where the hard loss does not. It holds for the student and the
    baseline; the hard loss of teachers takes their labels as they are."""
    mutual: Mutual | None = None
    """Nets that learn beside the student, each also from what all others say, and are thrown away
    when it is trained; null: it learns from teachers and labels alone."""

    @property
    def peers(self) -> tuple[Peer, ...]:
        """The nets that learn beside the student."""
        return () if self.mutual is None else self.mutual.peers

    @property
    def mutual_weight(self) -> float:
        """What the student's peers count for; 0 without any."""
        return 0.0 if self.mutual is None else self.mutual.weight
