"""In what the values of metrics are told: points, levels, the unit of a task's own values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["POINTS", "Scale", "told_in"]


class Scale(NamedTuple):
    """In what a metric's values and drops are told, and which way it gets worse.

    Args:
        unit: of what is told; "" for the unit of a task's own values.
        factor: what a value is multiplied by for it.
        lower_is_better: whether it measures errors.
    """

    unit: str = "points"
    factor: int = 100
    lower_is_better: bool = False

    def number(self, value: float) -> str:
        """A value or a drop without its unit: ``1.25``."""
        told = self.factor * value
        if not self.is_share:
            return f"{told:.4g}"
        text = f"{told:.2f}"
        return "0.00" if text == "-0.00" else text

    def amount(self, value: float) -> str:
        """The same with its unit: ``1.25 points``."""
        return f"{self.number(value)} {self.unit}".rstrip()

    @property
    def is_share(self) -> bool:
        """Whether 1 is the best there is, told in points."""
        return self.factor != 1

    def of_values(self, unit: str) -> Scale:
        """The same where a task's own values have this unit."""
        return self if self.unit else self._replace(unit=unit)

    def fall(self, before: float, after: float) -> float:
        """How much worse ``after`` is."""
        return after - before if self.lower_is_better else before - after


#: The scale of shares: 1 point is 0.01.
POINTS = Scale()


def told_in(scales: Mapping[str, Scale]) -> str:
    """In what the drops of some tasks are told: "in points (1 point = 0.01)", and where not so."""
    others = {task: one for task, one in scales.items() if not one.is_share}
    points = ["points (1 point = 0.01)"] if len(others) < len(scales) or not others else []
    own = [f"{one.unit or 'its own unit'} for {task}" for task, one in others.items()]
    return f"in {', '.join([*points, *own])}"
