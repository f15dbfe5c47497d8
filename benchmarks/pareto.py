"""Accuracy, bytes and rows a second of every family on one data set: which model gives up nothing.

From the results of ``beside_model2vec.py``; the picture goes to ``docs/images/pareto.svg``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from beside.judged import OURS
from sections import Row, Tables, content, mark, table, written

from kd2edge.reporting.svg import Axis, element, text

#: Accuracy of a DistilBERT of whom only time and bytes are measured here: published, in int8
#: (Tunstall et al. 2022, *Natural Language Processing with Transformers*, chapter 8).
PUBLISHED = {"distilbert": 0.877}
#: The task whose accuracy counts.
_TASK = "intent"
_STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#444}.name{fill:#111}"
    "line{stroke:#ddd}"
    "circle{fill:#888}.front circle{fill:#2563b0}rect{fill:#fff}"
)
_WIDTH, _HEIGHT = 920, 330
_LETTER, _LINE = 6.2, 13


class Model(NamedTuple):
    """A model on the same rows; ``per_second`` by rows a call."""

    name: str
    accuracy: float
    published: bool
    size: int
    per_second: Mapping[int, float]

    def beats(self, other: Model) -> bool:
        """Whether it is nowhere worse, and somewhere better: by accuracy, bytes, rows a second."""
        mine, theirs = self.worth(), other.worth()
        pairs = list(zip(mine, theirs, strict=True))
        return mine != theirs and all(own >= one for own, one in pairs)

    def worth(self) -> tuple[float, ...]:
        """What is better where it is larger."""
        return self.accuracy, -self.size, *(speed for _, speed in sorted(self.per_second.items()))


def models(results: Tables) -> list[Model]:
    """Every model that was measured, each once."""
    found: dict[str, Model] = {}
    bundles = content(results.get("beside_model2vec")).get("bundles", ())
    way = decided(results)
    for bundle in bundles:
        for side, size in bundle["sides"].items():
            name = bundle["bundle"] if side == OURS else side
            own = bundle["tasks"].get(_TASK, {}).get(way, {}).get("accuracy", {}).get(side)
            accuracy = own["value"] if own else PUBLISHED.get(side)
            if "bytes" not in size or accuracy is None or name in found:
                continue
            speeds = {call["batch"]: call["per_second"][side] for call in bundle["calls"]}
            found[name] = Model(name, accuracy, side in PUBLISHED, size["bytes"], speeds)
    return list(found.values())


def decided(results: Tables) -> str:
    """How all of them decide: the last way that every bundle has; those with an aim come last."""
    bundles = content(results.get("beside_model2vec")).get("bundles", ())
    ways = [list(bundle["tasks"].get(_TASK, {"plain": None})) for bundle in bundles]
    common = [one for one in ways[0] if all(one in other for other in ways)] if ways else []
    return next((one for one in reversed(common) if one != "thresholds"), "plain")


def front(found: Sequence[Model]) -> list[Model]:
    """Those that no other beats."""
    return [one for one in found if not any(other.beats(one) for other in found)]


def pareto(results: Tables) -> str:
    """The table and the picture; "" where nothing was measured."""
    found = models(results)
    if not found:
        return ""
    best, sizes = front(found), sorted({size for one in found for size in one.per_second})
    header = ("model", f"{_TASK} accuracy", "bytes", *(f"rows/s at {n}" for n in sizes), "no other")
    rows: list[Row] = [
        (
            one.name,
            f"{one.accuracy:.4f}" + " (published)" * one.published,
            f"{one.size:,}",
            *(f"{one.per_second.get(size, math.nan):,.0f}" for size in sizes),
            mark(one in best),
        )
        for one in sorted(found, key=lambda one: -one.accuracy)
    ]
    return written(
        "Accuracy, bytes and speed of all families",
        f"CLINC150, all 5,500 test rows, decided as in `{decided(results)}` below; raw text to the"
        " answers of both tasks on one core, other libraries as beside the first bundle that names"
        " them.  DistilBERT's accuracy is that of a book, in int8 and without such a threshold; its"
        " bytes and time are those of a net of its size with random weights.  `no other`: none is"
        " at least as accurate, as small and as fast.\n\n"
        "![Accuracy over bytes, and over rows a second](images/pareto.svg)",
        table(header, rows),
        [results["beside_model2vec"]],
    )


def picture(results: Tables) -> str:
    """Accuracy over bytes, and over rows a second one at a time, as SVG; "" without results."""
    found = models(results)
    if not found:
        return ""
    best = front(found)
    least = min(size for one in found for size in one.per_second)
    panels = (
        ("megabytes", [one.size / 1e6 for one in found]),
        (f"rows a second, {least} a call", [one.per_second[least] for one in found]),
    )
    parts = [
        _panel(found, best, values, label, 52 + at * _WIDTH / 2)
        for at, (label, values) in enumerate(panels)
    ]
    back = element("rect", width=_WIDTH, height=_HEIGHT)
    return element(
        "svg",
        f"<style>{_STYLE}</style>",
        back,
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label="accuracy over bytes, and over rows a second",
    )


def _panel(
    found: Sequence[Model], best: Sequence[Model], values: Sequence[float], label: str, left: float
) -> str:
    right, top, bottom = left + _WIDTH / 2 - 84, 26.0, _HEIGHT - 48.0
    logs = [math.log10(value) for value in values]
    heights = [100 * one.accuracy for one in found]
    x = Axis(min(logs) - 0.25, max(logs) + 0.25, left, right)
    y = Axis(min(heights) - 0.5, max(heights) + 0.5, bottom, top)
    parts = [*_grid(x, y, left, right, bottom), text("accuracy (%)", left - 40, top - 12)]
    parts.append(text(label, (left + right) / 2, bottom + 34, text_anchor="middle"))
    taken: list[tuple[float, float, float]] = []
    for one, at, height in zip(found, logs, heights, strict=True):
        width = _LETTER * len(one.name) / 2
        middle = min(max(x(at), left + width), right + 30 - width)
        level = _free(taken, middle, y(height) - 9, width)
        taken.append((middle, level, width))
        circle = element("circle", cx=x(at), cy=y(height), r=4.5)
        name = text(one.name, middle, level, text_anchor="middle", class_="name")
        parts.append(element("g", circle, name, class_="front" if one in best else "behind"))
    return "".join(parts)


def _free(taken: Sequence[tuple[float, float, float]], x: float, y: float, width: float) -> float:
    """The height nearest to ``y`` at which a name covers no other."""
    for step in (0, 2 * _LINE, -_LINE, 3 * _LINE, -2 * _LINE):
        if all(abs(x - at) > width + other or abs(y + step - h) >= _LINE for at, h, other in taken):
            return y + step
    return y


def _grid(x: Axis, y: Axis, left: float, right: float, bottom: float) -> Iterator[str]:
    for value, name in y.ticks(7):
        yield element("line", x1=left, x2=right, y1=y(value), y2=y(value))
        yield text(name, left - 8, y(value) + 4, text_anchor="end")
    for power in range(math.floor(x.low), math.ceil(x.high) + 1):
        for factor in (1, 2, 5):
            at = power + math.log10(factor)
            if x.low <= at <= x.high:
                yield text(f"{factor * 10.0**power:,g}", x(at), bottom + 16, text_anchor="middle")
