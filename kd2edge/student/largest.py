"""Which of many are kept."""

from __future__ import annotations

from torch import Tensor


def largest(values: Tensor, count: int) -> Tensor:
    """Positions of the largest values, ascending; of equal ones the first."""
    return values.argsort(descending=True, stable=True)[:count].sort().values
