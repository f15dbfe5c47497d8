"""The report's pictures: hand-made SVG that follows the page's colours, light or dark.

Series are coloured by class (``teacher``, ``reference``, ``baseline``, ``student``,
``artefact``); the page's style sheet gives each its colour and dash, so nothing is told by colour
alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kd2edge.reporting.svg import Axis, Frame, axis, drawing, element, text
from kd2edge.scale import POINTS, Scale

__all__ = [
    "Bar",
    "Bin",
    "drop_plot",
    "gain_plot",
    "heat_map",
    "interval_plot",
    "line_plot",
    "reliability_diagram",
    "trade_off_plot",
]

#: Width of a plot in pixels of its view box: about a phone's, so that text keeps its size there.
WIDTH = 360.0
#: Up to so many classes the heat map writes counts into its cells.
COUNTS_UP_TO = 12

# A name beside a point: width of a letter, height of a line, heights below the point to try.
_LETTER, _LINE = 6.0, 11.0
_STEPS = (-9.0, 17.0, -20.0, 28.0, -31.0, 39.0)

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Bar:
    """One estimate with its interval; ``kind`` is the colour class."""

    name: str
    kind: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of a reliability diagram: mean confidence, accuracy and number of rows."""

    confidence: float
    accuracy: float
    count: int


def line_plot(series: Mapping[str, tuple[str, Points]], *, label: str, x_label: str) -> str:
    """Lines over a common x axis; ``series`` maps a name to (colour class, points)."""
    frame = Frame(44, 12, WIDTH - 10, 172)
    drawn = {name: part for name, part in series.items() if part[1]}
    xs = [x for _, points in drawn.values() for x, _ in points]
    ys = [y for _, points in drawn.values() for _, y in points]
    if not xs:
        return ""
    counted = all(float(value).is_integer() for value in xs)
    x = axis(xs, frame.left, frame.right, margin=0.02, whole=counted)
    y = axis(ys, frame.bottom, frame.top)
    lines = [_line(name, kind, points, x, y) for name, (kind, points) in drawn.items()]
    return drawing(WIDTH, 210, label, frame.grid(x, y, x_label), *lines)


def _line(name: str, kind: str, points: Points, x: Axis, y: Axis) -> str:
    path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
    last_x, last_y = points[-1]
    return element(
        "g",
        element("title", text_only(f"{name}: {last_y:.4g} at {last_x:g}")),
        element("polyline", points=path),
        element("circle", cx=x(last_x), cy=y(last_y), r=3),
        class_=f"series {kind}",
    )


def text_only(content: str) -> str:
    """Escaped character data, for titles."""
    return content.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def interval_plot(bars: Sequence[Bar], *, label: str) -> str:
    """One line an estimate: name, dot, whiskers and value; the axis starts where the data does."""
    if not bars:
        return ""
    step, top = 24.0, 8.0
    bottom = top + step * len(bars)
    frame = Frame(122, top, WIDTH - 52, bottom)
    x = axis([edge for bar in bars for edge in (bar.low, bar.high)], frame.left, frame.right)
    rows = [_whisker(bar, x, top + step * (index + 0.5)) for index, bar in enumerate(bars)]
    return drawing(WIDTH, bottom + 22, label, _vertical_grid(frame, x), *rows)


def _vertical_grid(frame: Frame, x: Axis) -> str:
    return "".join(
        element("line", class_="grid", x1=x(value), x2=x(value), y1=frame.top, y2=frame.bottom)
        + text(name, x(value), frame.bottom + 15, text_anchor="middle", class_="tick")
        for value, name in x.ticks(3)
    )


def _whisker(bar: Bar, x: Axis, y: float) -> str:
    title = f"{bar.name}: {bar.value:.4f} [{bar.low:.4f}, {bar.high:.4f}]"
    return element(
        "g",
        element("title", text_only(title)),
        text(_cut(bar.name, 19), 0, y + 4, class_="name"),
        element("line", x1=x(bar.low), x2=x(bar.high), y1=y, y2=y),
        element("circle", cx=x(bar.value), cy=y, r=4),
        text(f"{bar.value:.3f}", WIDTH, y + 4, text_anchor="end", class_="value"),
        class_=f"series {bar.kind}",
    )


def drop_plot(
    bars: Sequence[Bar], budget: float | None, scale: Scale = POINTS, *, label: str
) -> str:
    """Drops against the reference with their bounds in the metric's unit, and the budget as a line.

    Args:
        bars: a drop each; their ``kind`` is the verdict, which colours the row.
        budget: the largest drop that passes; None draws no line.
        scale: the unit that drops are shown in.
        label: what the picture shows, for readers who do not see it.
    """
    if not bars:
        return ""
    step, top = 24.0, 20.0
    bottom = top + step * len(bars)
    frame = Frame(122, top, WIDTH - 52, bottom)
    unit, factor = scale.unit, scale.factor
    scaled = [
        Bar(bar.name, bar.kind, bar.value * factor, bar.low * factor, bar.high * factor)
        for bar in bars
    ]
    edges = [edge for bar in scaled for edge in (bar.low, bar.high)] + [0.0]
    x = axis([*edges, factor * (budget or 0.0)], frame.left, frame.right)
    parts = [_vertical_grid(frame, x), _mark(frame, x, 0.0, "", "base")]
    if budget is not None:
        parts.append(_mark(frame, x, factor * budget, f"budget {factor * budget:g}", "budget"))
    for index, bar in enumerate(scaled):
        parts.append(_drop_row(bar, x, top + step * (index + 0.5), unit))
    return drawing(WIDTH, bottom + 22, label, *parts)


def gain_plot(bars: Sequence[Bar], scale: Scale = POINTS, *, label: str) -> str:
    """Gains with their bounds in the metric's unit, and a line where there is none.

    Args:
        bars: a gain each; their ``kind`` is what tests say of it: ``pays``, ``hurts`` or else.
        scale: the unit that gains are shown in.
        label: what the picture shows, for readers who do not see it.
    """
    colours = {"pays": "pass", "hurts": "fail"}
    return drop_plot(
        [replace(bar, kind=colours.get(bar.kind, "none")) for bar in bars], None, scale, label=label
    )


def _mark(frame: Frame, x: Axis, value: float, name: str, kind: str) -> str:
    line = element("line", class_=kind, x1=x(value), x2=x(value), y1=frame.top - 4, y2=frame.bottom)
    return line + (
        text(name, x(value), frame.top - 8, text_anchor="middle", class_="tick") if name else ""
    )


def _drop_row(bar: Bar, x: Axis, y: float, unit: str) -> str:
    value = f"{bar.value:+.2f} {unit}".rstrip()
    title = f"{bar.name}: {value} [{bar.low:+.2f}, {bar.high:+.2f}], {bar.kind}"
    return element(
        "g",
        element("title", text_only(title)),
        text(_cut(bar.name, 19), 0, y + 4, class_="name"),
        element("line", x1=x(bar.low), x2=x(bar.high), y1=y, y2=y),
        element("circle", cx=x(bar.value), cy=y, r=4),
        text(f"{bar.value:+.2f}", WIDTH, y + 4, text_anchor="end", class_="value"),
        class_=f"series verdict-{bar.kind}",
    )


def heat_map(matrix: Sequence[Sequence[int]], labels: Sequence[str], *, label: str) -> str:
    """A confusion matrix ``[truth, decision]``, shaded by each row's shares, with counts if few."""
    classes = len(labels)
    left = min(118.0, 14 + 6.2 * max(len(name) for name in labels))
    cell = min(40.0, (WIDTH - left - 4) / classes)
    upright = max(len(name) for name in labels) * 6.2 > cell
    top = 28.0 + (min(80.0, 6.0 * max(len(name) for name in labels)) if upright else 6.0)
    height = top + cell * classes + 6
    heads = [
        _column_head(name, left + cell * (i + 0.5), top, upright) for i, name in enumerate(labels)
    ]
    rows = [
        _heat_row(row, labels, index, left, top + cell * index, cell)
        for index, row in enumerate(matrix)
    ]
    caption = text("rows: truth, columns: decided", 0, 10, class_="axis")
    return drawing(WIDTH, height, label, caption, *heads, *rows)


def _column_head(name: str, x: float, y: float, upright: bool) -> str:
    if not upright:
        return text(name, x, y - 6, text_anchor="middle", class_="tick")
    turn = f"rotate(-90 {x + 3.5:.1f} {y - 6:.1f})"
    return text(_cut(name, 12), x + 3.5, y - 6, transform=turn, class_="tick")


def _heat_row(
    row: Sequence[int], labels: Sequence[str], index: int, left: float, y: float, cell: float
) -> str:
    total = sum(row) or 1
    head = text(
        _cut(labels[index], 18), left - 6, y + cell / 2 + 3.5, text_anchor="end", class_="tick"
    )
    cells = [
        _heat_cell(
            value,
            value / total,
            f"{labels[index]} → {labels[column]}",
            left + cell * column,
            y,
            cell,
            len(row),
        )
        for column, value in enumerate(row)
    ]
    return head + "".join(cells)


def _heat_cell(
    value: int, share: float, name: str, x: float, y: float, cell: float, classes: int
) -> str:
    # A square root lifts the small shares: confusions of 1 % are what the reader looks for.
    strength = share**0.5
    square = element(
        "rect", class_="heat", x=x + 0.5, y=y + 0.5, width=cell - 1, height=cell - 1, rx=2,
        fill_opacity=round(strength, 3),
    )  # fmt: skip
    frame = element(
        "rect", class_="cell", x=x + 0.5, y=y + 0.5, width=cell - 1, height=cell - 1, rx=2
    )
    number = (
        text(
            value,
            x + cell / 2,
            y + cell / 2 + 3.5,
            text_anchor="middle",
            class_="on" if strength > 0.6 else "off",
        )
        if classes <= COUNTS_UP_TO and value
        else ""
    )
    title = element("title", text_only(f"{name}: {value} ({share:.1%})"))
    return element("g", title, frame, square, number)


def reliability_diagram(curves: Mapping[str, Sequence[Bin]], *, label: str) -> str:
    """Accuracy over confidence of each model, the diagonal, and the student's rows in each bin."""
    frame = Frame(44, 12, WIDTH - 10, 232)
    x = Axis(0, 1, frame.left, frame.right)
    y = Axis(0, 1, frame.bottom, frame.top)
    diagonal = element("line", class_="diagonal", x1=x(0), y1=y(0), x2=x(1), y2=y(1))
    parts = [frame.grid(x, y, "confidence", ""), diagonal]
    shown = "student" if "student" in curves else next(iter(curves), "")
    parts += [_histogram(curves[shown], x, frame)] if shown else []
    for form, bins in curves.items():
        points = [(part.confidence, part.accuracy) for part in bins if part.count]
        if points:
            parts.append(_dotted_line(form, points, bins, x, y))
    return drawing(WIDTH, 270, label, *parts)


def _histogram(bins: Sequence[Bin], x: Axis, frame: Frame) -> str:
    most = max((part.count for part in bins), default=0) or 1
    width = (frame.right - frame.left) / max(len(bins), 1)
    return "".join(
        element(
            "rect",
            class_="count",
            x=frame.left + width * index + 1,
            width=width - 2,
            y=frame.bottom - 44 * part.count / most,
            height=44 * part.count / most,
        )  # fmt: skip
        for index, part in enumerate(bins)
    )


def _dotted_line(form: str, points: Points, bins: Sequence[Bin], x: Axis, y: Axis) -> str:
    path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
    rows = sum(part.count for part in bins)
    dots = "".join(element("circle", cx=x(a), cy=y(b), r=3) for a, b in points)
    title = element("title", text_only(f"{form}: {rows} decisions in {len(points)} bins"))
    return element("g", title, element("polyline", points=path), dots, class_=f"series {form}")


def trade_off_plot(points: Sequence[tuple[str, str, float, float]], *, label: str) -> str:
    """Latency over size; each point is (name, verdict, megabytes, milliseconds)."""
    if len(points) < 2:
        return ""
    frame = Frame(52, 24, WIDTH - 24, 212)
    x = axis([0.0, *(part[2] for part in points)], frame.left, frame.right, margin=0.1)
    y = axis([0.0, *(part[3] for part in points)], frame.bottom, frame.top, margin=0.1)
    places = [(min(x(size), WIDTH - 60), y(latency)) for _, _, size, latency in points]
    heights = _name_heights([part[0] for part in points], places)
    marks = [
        element(
            "g",
            element("title", text_only(f"{name}: {size:.3g} MB, {latency:.3g} ms, {verdict}")),
            element("circle", cx=x(size), cy=y(latency), r=5),
            text(name, place[0], height, text_anchor="middle", class_="tick"),
            class_=f"series verdict-{verdict}",
        )
        for (name, verdict, size, latency), place, height in zip(
            points, places, heights, strict=True
        )
    ]
    grid = frame.grid(x, y, "size (MB)", "p50 (ms)")
    return drawing(WIDTH, 250, label, grid, *marks)


def _name_heights(names: Sequence[str], places: Points) -> list[float]:
    """Where each point's name stands: above it, or the nearest height where it covers no other."""
    found: list[float] = []
    for name, (x, y) in zip(names, places, strict=True):
        close = [
            height
            for other, (at, _), height in zip(names, places, found, strict=False)
            if abs(at - x) < _LETTER * (len(name) + len(other)) / 2
        ]
        free = (y + step for step in _STEPS if all(abs(y + step - h) >= _LINE for h in close))
        found.append(next(free, y + _STEPS[0]))
    return found


def _cut(name: str, length: int) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
