"""How numbers are written in tables and reports: short, with their unit, the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = [
    "count",
    "fraction",
    "interval",
    "milliseconds",
    "percent",
    "ratio",
    "score",
    "seconds",
    "signed",
    "size",
]

#: What stands where a number is not known.
ABSENT = "–"


def _number(value: Any) -> float | None:
    """The finite float that ``value`` is, else None (absent, null in JSON, NaN)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def score(value: Any) -> str:
    """A metric: ``0.943``, ``1,204.5``."""
    number = _number(value)
    return ABSENT if number is None else _fixed(number, 3)


def signed(value: Any, digits: int = 3) -> str:
    """A difference of two metrics: ``+0.021``, ``−0.004`` (a real minus sign), ``0.000``."""
    number = _number(value)
    if number is None:
        return ABSENT
    text = _fixed(abs(number), digits)
    if set(text) <= {"0", "."}:
        return text
    return ("+" if number > 0 else "−") + text


def percent(value: Any, digits: int = 1) -> str:
    """A share: ``97.3 %``."""
    number = _number(value)
    return ABSENT if number is None else f"{100 * number:.{digits}f} %"


def interval(estimate: Mapping[str, Any], *, plus: bool = False) -> str:
    """An estimate's interval, short enough for a table: ``[.931, .955]``; "" when it has none."""
    low, high = _number(estimate.get("low")), _number(estimate.get("high"))
    if low is None or high is None:
        return ""
    if plus:
        return f"[{signed(low)}, {signed(high)}]"
    return f"[{_leading_zero_off(low)}, {_leading_zero_off(high)}]"


def _leading_zero_off(value: float) -> str:
    text = _fixed(value, 3)
    return text[1:] if text.startswith("0.") else text


def _fixed(value: float, digits: int) -> str:
    """So many digits after the point; one where there are many before it."""
    return f"{value:.{digits}f}" if abs(value) < 100 else f"{value:,.1f}"


def count(value: Any) -> str:
    """A number of things: ``812``, ``65.0 k``, ``2.18 M``, ``1.2 G``."""
    number = _number(value)
    if number is None:
        return ABSENT
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(number) >= limit:
            return f"{_three_digits(number / (1e3 if unit == ' k' else limit))}{unit}"
    return f"{number:,.0f}"


def size(value: Any) -> str:
    """Bytes in decimal units, as disks and networks count: ``8.72 MB``."""
    number = _number(value)
    if number is None:
        return ABSENT
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= limit:
            return f"{_three_digits(number / limit)} {unit}"
    return f"{number:.0f} B"


def fraction(factor: float) -> str:
    """What remains of a thing that is ``factor`` times smaller: ``1/9.7``, or ``1.2x`` it."""
    return f"1/{factor:.1f}" if factor >= 1.05 else ratio(1 / factor)


def milliseconds(value: Any) -> str:
    """A duration given in milliseconds: ``0.031 ms``, ``12.4 ms``, ``1.20 s``."""
    number = _number(value)
    if number is None:
        return ABSENT
    if number >= 1000:
        return f"{_three_digits(number / 1000)} s"
    return f"{number:.3f} ms" if number < 0.1 else f"{_three_digits(number)} ms"


def seconds(value: Any) -> str:
    """A duration given in seconds: ``4.2 s``, ``13 min 05 s``, ``2 h 10 min``."""
    number = _number(value)
    if number is None:
        return ABSENT
    if number < 60:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def ratio(value: Any) -> str:
    """A factor: ``0.25x``, ``1.75x``, ``10.5x``, ``120x``."""
    number = _number(value)
    return ABSENT if number is None else f"{_three_digits(number)}x"


def _three_digits(value: float) -> str:
    """Three significant digits without an exponent."""
    size_ = abs(value)
    digits = 2 if size_ < 9.995 else 1 if size_ < 99.95 else 0
    return f"{value:.{digits}f}"
