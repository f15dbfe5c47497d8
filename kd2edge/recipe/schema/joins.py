"""``distill.join``: how several teachers of one task answer together, one class a method."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from kd2edge.recipe.schema.base import Part
from kd2edge.recipe.schema.choices import ByKind


class NoJoin(Part):
    """A task has one teacher; several are refused."""

    kind: Literal["none"] = "none"


class MeanJoin(Part):
    """All teachers weigh alike: the mean of their distributions, or of their values."""

    kind: Literal["mean"] = "mean"


class ConfidenceJoin(Part):
    """The surer a teacher is of an item, the more it weighs there (Kwon et al. 2020).

    Not for values.
    """

    kind: Literal["confidence"] = "confidence"


class SkillJoin(Part):
    """A teacher weighs by what its leading metric lacks of a perfect one's on the validation rows.

    One fixed weight a teacher and task: `lack ** -power`.
    """

    kind: Literal["skill"] = "skill"
    power: Annotated[float, Strict(), Field(ge=0, le=10)] = 1.0
    """At 0 all weigh alike; the larger, the more the best one decides alone."""


Join = Annotated[NoJoin | MeanJoin | ConfidenceJoin | SkillJoin, ByKind()]
