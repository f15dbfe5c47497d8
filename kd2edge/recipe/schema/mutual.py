"""``distill.mutual``: nets that learn beside the student, each from all others.

After Zhang et al. 2018, "Deep Mutual Learning" (arXiv:1706.00384).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kd2edge.recipe.schema.base import Name, NotNegative, Part, Positive, Seed
from kd2edge.recipe.schema.models import Model


class Peer(Part):
    """A net that learns beside the student: its tasks and inputs, from the same rows.

    Teachers teach it as they teach the student, by their outputs. It is neither shipped nor kept.
    """

    name: Name
    """Name of the peer."""
    model: Model
    """What it is made of."""
    seed: Seed | None = None
    """Of its weights and of what it drops; null: the recipe's, and its place in the list (1, 2
    ...), so that no two nets begin alike."""
    lr: Positive | None = None
    """Largest learning rate, which rises and falls as the student's does; null: the student's."""


class Mutual(Part):
    """Nets that learn together, each from the labels and from what all others say of the rows."""

    peers: Annotated[tuple[Peer, ...], Field(min_length=1)]
    """The nets beside the student."""
    weight: NotNegative = 1.0
    """What the mean over the others counts beside a net's other losses of a task. Outputs are
    compared by `logits` at `temperature`, as with a teacher's; 0: nobody listens."""

    def seeds(self, seed: int) -> tuple[int, ...]:
        """The seed of each peer, in a recipe of this ``seed``."""
        return tuple(
            seed + place if one.seed is None else one.seed
            for place, one in enumerate(self.peers, start=1)
        )
