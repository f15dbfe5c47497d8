"""Random numbers that depend on what they are for, and on nothing that was drawn before.

SplitMix64 (Steele, Lea and Flood 2014) hashes seed, row and view to the bits of a row: no state,
so that a row's bits are the same alone, in any batch, and when a training goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
#: What a double holds exactly.
_MANTISSA = 53


@final
@dataclass(frozen=True, slots=True)
class Chance:
    """The random bits of some rows.

    Args:
        keys: ``[row]`` what a row's bits are a function of.
    """

    keys: Bits

    def bits(self, count: int) -> Bits:
        """``[row, count]`` of 64 random bits each; the first ones are the same for any count."""
        steps = np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
        return _mixed(self.keys[:, None] + steps)

    def uniform(self, count: int) -> npt.NDArray[np.float64]:
        """``[row, count]`` numbers from 0 to 1, without 1."""
        whole = self.bits(count) >> np.uint64(64 - _MANTISSA)
        return np.ldexp(whole.astype(np.float64), -_MANTISSA)

    def rows(self, places: npt.NDArray[np.intp]) -> Chance:
        """The bits of some of the rows."""
        return Chance(self.keys[places])

    def of(self, purpose: int) -> Chance:
        """Other bits of the same rows, for another purpose."""
        return Chance(_mixed(self.keys ^ _mixed(np.array([purpose], np.uint64) + _GOLDEN)))


def chance(seed: int, positions: npt.NDArray[np.int64], view: int) -> Chance:
    """What depends on seed, row and view alone."""
    start = np.array([seed, view], dtype=np.int64).astype(np.uint64)
    state = _mixed(_mixed(start[:1] ^ _GOLDEN) + start[1:])
    return Chance(_mixed(state + positions.astype(np.uint64)))


def _mixed(bits: Bits) -> Bits:
    """The finaliser of SplitMix64; arrays wrap around silently."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
