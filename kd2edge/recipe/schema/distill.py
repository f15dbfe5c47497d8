"""``distill``: how teachers teach.  Each family of methods has a file: one class a method."""

from __future__ import annotations

from kd2edge.recipe.schema.balance import Balance, Static
from kd2edge.recipe.schema.base import Part
from kd2edge.recipe.schema.choices import ByTask
from kd2edge.recipe.schema.features import Feature
from kd2edge.recipe.schema.feed import Feed
from kd2edge.recipe.schema.joins import Join, NoJoin
from kd2edge.recipe.schema.logits import Kl, LogitLoss
from kd2edge.recipe.schema.long_tail import LongTail, NoLongTail
from kd2edge.recipe.schema.schedules import Alpha, SampleWeight, Temperature


class Teaching(Part):
    """How those who teach a net are listened to."""

    alpha: ByTask[Alpha] = 0.5
    """Share of the teacher's word, a number or a schedule; rows without a label have the teacher's
    part alone."""
    temperature: ByTask[Temperature] = 2.0
    """Softens the outputs of both before they are compared; losses that this makes smaller are
    scaled by its square."""
    logits: ByTask[LogitLoss] = Kl()
    """How the outputs are compared."""
    join: ByTask[Join] = NoJoin()
    """How several teachers of one task answer together. A task of one teacher is not touched."""


class Distill(Teaching):
    """The loss of a task is `alpha * L_kd + (1 - alpha) * L_task`."""

    sample_weight: ByTask[SampleWeight] = 1.0
    """How much an item counts in both parts of its loss, in a task that somebody teaches: 1, or a
    weight an item, from 0 to 1."""
    features: tuple[Feature, ...] = ()
    """Hidden features to follow."""
    feed: tuple[Feed, ...] = ()
    """Hidden features that the student is given in training, until they have faded out."""
    balance: Balance = Static()
    """How the losses of the tasks are combined."""
    long_tail: ByTask[LongTail] = NoLongTail()
    """What makes rare classes count where the hard loss does not. It holds for the student and the
    baseline; the hard loss of teachers takes their labels as they are."""
