"""The few SVG parts that every plot is made of; all text and attributes are escaped here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Axis", "Frame", "axis", "drawing", "element", "text", "ticks"]


def element(tag: str, *children: str, **attributes: object) -> str:
    """One SVG element.  Children are SVG already; attribute values are escaped.

    A trailing underscore of an attribute is dropped (``class_``), other underscores become hyphens.
    """
    pairs = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_short(value), quote=True)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{pairs}>{''.join(children)}</{tag}>" if children else f"<{tag}{pairs}/>"


def _short(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def text(content: object, x: float, y: float, **attributes: object) -> str:
    """A piece of text, escaped."""
    return element("text", escape(str(content)), x=x, y=y, **attributes)


def drawing(width: float, height: float, label: str, *children: str) -> str:
    """A whole picture with a label for screen readers; it takes its colours from the page."""
    return element(
        "svg",
        *children,
        class_="plot",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=label,
    )


def ticks(low: float, high: float, about: int = 4, *, whole: bool = False) -> list[float]:
    """Round numbers within [low, high], about as many as asked for; whole numbers if need be.

    Args:
        low: the smaller end.
        high: the larger end.
        about: how many.
        whole: whether each must be a whole number.
    """
    if not high > low:
        return [low]
    step = _step(low, high, about, whole)
    first = math.ceil(low / step - 1e-9)
    found = [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]
    # One number alone is no scale: the step was just too wide for where the range lies.
    return found if len(found) > 1 or whole or about > 50 else ticks(low, high, 2 * about)


def _step(low: float, high: float, about: int, whole: bool) -> float:
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    return math.ceil(step) if whole else step


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear scale from [low, high] to pixels in [start, end]; ``whole`` for counted things."""

    low: float
    high: float
    start: float
    end: float
    whole: bool = False

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 4) -> list[tuple[float, str]]:
        """(value, text) of round numbers on this axis."""
        values = ticks(self.low, self.high, about, whole=self.whole)
        step = min((b - a for a, b in zip(values, values[1:], strict=False)), default=1.0)
        digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
        if round(step * 10**digits, 6) % 1:
            digits += 1  # steps of 2.5
        return [(value, _tick_text(value, digits)) for value in values]


def _tick_text(value: float, digits: int) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 10_000 else f"{value:.{digits}f}"


def axis(
    values: Sequence[float],
    start: float,
    end: float,
    *,
    margin: float = 0.06,
    whole: bool = False,
) -> Axis:
    """A scale that holds all values with some air around them.

    Args:
        values: that it has to hold.
        start: where the smallest stands, in pixels.
        end: where the largest stands, in pixels.
        margin: air at each end, a share of the values' span.
        whole: whether ticks are whole numbers.
    """
    low, high = min(values), max(values)
    pad = (high - low) * margin or max(abs(high), 1.0) * margin
    return Axis(low - pad, high + pad, start, end, whole)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the plot area of a picture lies, in pixels of its view box."""

    left: float
    top: float
    right: float
    bottom: float

    def grid(self, x: Axis, y: Axis, x_label: str, y_label: str = "") -> str:
        """Grid lines, tick texts and axis titles.

        Args:
            x: the lower axis.
            y: the left axis.
            x_label: title of the lower one.
            y_label: title of the left one; "" for none.
        """
        parts = [
            element("line", class_="grid", x1=self.left, x2=self.right, y1=y(value), y2=y(value))
            + text(name, self.left - 6, y(value) + 3.5, text_anchor="end", class_="tick")
            for value, name in y.ticks()
        ]
        parts += [
            text(name, x(value), self.bottom + 15, text_anchor="middle", class_="tick")
            for value, name in x.ticks(5)
        ]
        middle = (self.left + self.right) / 2
        parts.append(text(x_label, middle, self.bottom + 31, text_anchor="middle", class_="axis"))
        parts.append(
            element(
                "line", class_="base", x1=self.left, x2=self.right, y1=self.bottom, y2=self.bottom
            )
        )
        if y_label:
            parts.append(text(y_label, self.left - 6, self.top - 8, class_="axis"))
        return "".join(parts)
