"""``distill.feed``: what the student is given of a teacher until it has faded out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from kd2edge.recipe.schema.base import Name, Part, Positive, Text


class Feed(Part):
    """A teacher's cached feature, added to one of the student's in the first part of training.

    Nothing is added when rows are only answered, and the shipped student is the plain net.
    """

    teacher: Name
    """Name of the teacher."""
    teacher_layer: Annotated[Text, Field(alias="from")]
    """Module path in the teacher's backbone that gives a vector a row or a word."""
    student_layer: Annotated[Text, Field(alias="to")]
    """Module path in the student's backbone. A row's vector is added at every position of a
    sequence and every place of a map, a word's at its first piece."""
    first: Positive = 1.0
    """Share of it at the first step; the linear map in front of it starts at zero."""
    until: Annotated[float, Strict(), Field(gt=0, lt=1)] = 0.5
    """Share of the steps over which it falls to 0: after them the student trains alone."""
    shape: Literal["linear", "cosine"] = "linear"
    """How it falls: as much at every step, or along half a cosine."""
    standardise: Literal["none", "z_score", "phi_s"] = "z_score"
    """What is done to the teacher's vectors first, as for `features`."""
