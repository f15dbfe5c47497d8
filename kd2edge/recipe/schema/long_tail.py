"""``distill.long_tail``: what makes rare classes count, one class a method."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from kd2edge.recipe.schema.base import Flag, Part, Rate
from kd2edge.recipe.schema.choices import ByKind


class NoLongTail(Part):
    """Every item counts alike."""

    kind: Literal["none"] = "none"


class LogitAdjustment(Part):
    """The classes' prior is added to the logits in training alone (Menon et al. 2021).

    With `tau: 1` it is the balanced softmax of Ren et al. (2020). For tasks that choose one of
    several labels.
    """

    kind: Literal["logit_adjustment"] = "logit_adjustment"
    tau: Annotated[float, Strict(), Field(ge=0, le=10)] = 1.0
    """How much of the logarithm of the prior; at 0 nothing."""
    teacher: Flag = True
    """Whether the adjusted logits are compared with the teacher's, too: for a teacher that was
    trained on the same long tail. Write false for one that knows nothing of it."""


class ClassBalanced(Part):
    """Labels weigh one over the effective number of items of theirs (Cui et al. 2019).

    For all tasks but those of values; of several labels a row each weighs its own yes and no.
    """

    kind: Literal["class_balanced"] = "class_balanced"
    beta: Rate = 0.999
    """At 0 all items weigh alike; the nearer to 1, the more by one over their number."""


LongTail = Annotated[NoLongTail | LogitAdjustment | ClassBalanced, ByKind()]
