"""``phases``: the student's training in several parts, one after the other.

General distillation (Jiao et al. 2020, "TinyBERT", arXiv:1909.10351, section 3.2) is a phase on
rows without labels, which the one on the target follows.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kd2edge.recipe.schema.base import Name, Part
from kd2edge.recipe.schema.choices import OneOrMany
from kd2edge.recipe.schema.distill import Distill
from kd2edge.recipe.schema.train import Train

#: Which training rows a phase is shown.
Shown = Annotated[
    Literal["all", "labelled", "unlabelled"] | Annotated[tuple[Name, ...], Field(min_length=1)],
    OneOrMany(),
]


class Phase(Part):
    """A part of the student's training, which starts from what the part before it kept."""

    name: Name
    """Name of the phase."""
    rows: Shown = "all"
    """The training rows that it is shown: those with a label, those without any, or those of some
    sources, by their names."""
    train: Train = Train()
    """How it is trained: what it does not state is as in the recipe's `train`."""
    distill: Distill = Distill()
    """How teachers teach in it: what it does not state is as in the recipe's `distill`."""
