"""What ``distill`` says of everybody who is taught: the student, and teachers by other teachers."""

from __future__ import annotations

from kd2edge.recipe.schema.base import Part
from kd2edge.recipe.schema.choices import ByTask
from kd2edge.recipe.schema.joins import Join, NoJoin
from kd2edge.recipe.schema.logits import Kl, LogitLoss
from kd2edge.recipe.schema.schedules import Alpha, Temperature


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
