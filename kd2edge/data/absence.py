"""Inputs that are left out of training rows at random, so that a net learns to do without.

Whether row ``p`` is shown without an input in epoch ``e`` is a function of (seed, input, p, e) and
of nothing else: a training that goes on sees what it would have seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kd2edge.data.augment import chance

Bools = npt.NDArray[np.bool_]

#: Apart from the chance in views, which the same seed is for.
_APART = 0xAB5E


@dataclass(frozen=True, slots=True)
class Absence:
    """How often inputs are left out.

    Args:
        rates: input -> share of rows that are shown without it.
        seed: of the chance in it.
    """

    rates: Mapping[str, float] = field(default_factory=dict[str, float])
    seed: int = 0

    def kept(
        self, present: Mapping[str, Bools], positions: npt.NDArray[np.int64], epoch: int
    ) -> dict[str, Bools]:
        """Which rows show an input; one that would show none at all shows what it has.

        Args:
            present: every input -> which rows have it.
            positions: global positions of the rows.
            epoch: which look at the rows this is.
        """
        shown = {
            name: there & (self._chance(name, at, positions, epoch) >= self.rates.get(name, 0.0))
            for at, (name, there) in enumerate(present.items())
        }
        some = np.any(list(shown.values()), axis=0)
        return {name: np.where(some, one, present[name]) for name, one in shown.items()}

    def _chance(
        self, name: str, at: int, positions: npt.NDArray[np.int64], epoch: int
    ) -> npt.NDArray[np.float64]:
        if not self.rates.get(name):
            return np.ones(len(positions))
        seed = (self.seed ^ (_APART + at)) & (2**63 - 1)
        return chance(seed, positions, epoch).uniform(1)[:, 0]
