"""What a bench found, as JSON and as table rows."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from kd2edge.bundle.gains import float_of, shortcomings
from kd2edge.runtime.markdown import aligned
from kd2edge.wording import shown

__all__ = ["Bench", "Footprint", "Spread", "Timing", "with_ratios"]

#: Version of the payload in ``reports/bench-<machine>.json``.
SCHEMA = 2
#: The artefact that speed-ups are counted from.
REFERENCE = "onnx-fp32"


@dataclass(frozen=True, slots=True)
class Footprint:
    """What an artefact takes before it is fast or slow; measured in a process of its own.

    Args:
        artefact: its id.
        bytes: size of the files that are loaded.
        load_ms: milliseconds of ``load``, the engine's libraries already imported (median of 3).
        memory_bytes: peak memory that loading it and running the benched batches add to a process
            that has imported the engine; 0 where the system does not say.
    """

    artefact: str
    bytes: int
    load_ms: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How long some calls took.

    Args:
        p50_ms, p99_ms: milliseconds of a call.
        low_ms, high_ms: 95 % bootstrap interval of the median.
        rows_per_second: rows over the time of all timed calls.
        calls: timed calls.
        outliers: calls that took much longer than the middle half of them.
    """

    p50_ms: float
    low_ms: float
    high_ms: float
    p99_ms: float
    rows_per_second: float
    calls: int
    outliers: int = 0


@dataclass(frozen=True, slots=True)
class Timing:
    """How fast an artefact answers at one batch size and thread count.

    Args:
        graph: a forward pass on arrays.
        answer: ``predict`` on the same rows, from raw input to answer; None: no raw rows at hand.
        speed_up: times faster than ``onnx-fp32`` by the graph's p50, in the same rounds; 0: that
            was not timed.
        best: no other artefact is both smaller and faster here (Pareto-best in size and p50).
    """

    artefact: str
    batch: int
    threads: int
    graph: Spread
    answer: Spread | None = None
    speed_up: float = 0.0
    best: bool = False

    @property
    def p50_ms(self) -> float:
        """Milliseconds of a forward pass."""
        return self.graph.p50_ms

    def to_json(self) -> dict[str, Any]:
        """JSON values; the graph's stand beside ``artefact``, as they did before answers came."""
        own = {"artefact": self.artefact, "batch": self.batch, "threads": self.threads}
        marks = {"speed_up": self.speed_up, "best": self.best}
        answer = None if self.answer is None else asdict(self.answer)
        return {**own, **asdict(self.graph), **marks, "answer": answer}


@dataclass(frozen=True, slots=True)
class Bench:
    """The measurements of one bundle on this machine.

    Args:
        bundle: the bundle's name.
        manifest: its identity.
        samples: ``rows`` (of a file, or of the bundle's run), ``golden`` (the bundle's own) or
            ``synthetic`` (ones, of lengths as they may come: there are no rows).
        shape: ``rows``: as they come, their lengths changing; ``fixed``: one shape over and over.
        not_run: artefact -> why it was not measured.
        evidence: the file that the measurements were added to.
    """

    bundle: str
    manifest: str
    samples: str
    shape: str
    footprints: tuple[Footprint, ...]
    timings: tuple[Timing, ...]
    not_run: Mapping[str, str]
    evidence: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON values; the payload of ``bench`` evidence (which names bundle and place itself)."""
        return {
            "schema": SCHEMA,
            "samples": self.samples,
            "shape": self.shape,
            "artefacts": [
                asdict(one) | {"shortcomings": list(self.shortcomings(one.artefact))}
                for one in self.footprints
            ],
            "timings": [one.to_json() for one in self.timings],
            "not_run": dict(self.not_run),
        }

    def shortcomings(self, artefact: str) -> tuple[str, ...]:
        """What it fails to gain over the float artefact of its target, a sentence each.

        Time is the graph's, as the speed-up beside it: what ``predict`` does around it is the same
        for both.  It is said where it is worst, and in how many of the timings.
        """
        sizes = {one.artefact: one.bytes for one in self.footprints}
        slow: list[tuple[float, str]] = []
        pairs = 0
        for cell in dict.fromkeys(map(_cell, self.timings)):
            times = {one.artefact: one.p50_ms for one in self.timings if _cell(one) == cell}
            exact = times.get(float_of(artefact))
            if artefact not in times or exact is None:
                continue
            pairs += 1
            share = times[artefact] / exact
            slow += [
                (share, f"{said} at {_place(*cell)}") for said in shortcomings(artefact, {}, times)
            ]
        counted = f" (slower in {len(slow)} of {pairs} timings)" if pairs > 1 else ""
        return (*shortcomings(artefact, sizes), *(f"{said}{counted}" for _, said in _worst(slow)))

    def rows(self) -> list[dict[str, str]]:
        """Table rows, words and numbers already formatted; one a timing, then what was not run."""
        footprints = {one.artefact: one for one in self.footprints}
        rows = [_row(one, footprints[one.artefact]) for one in self.timings]
        return rows + [
            dict.fromkeys(COLUMNS, "") | {"artefact": name, "graph ms": f"not run: {reason}"}
            for name, reason in self.not_run.items()
        ]

    def table(self) -> str:
        """Markdown for a terminal of 80 columns: times, footprints, then what was not run."""
        timed = [row for row in self.rows() if row["batch"]]
        times = [{**row, "speed-up": f"{row['speed-up']} {row['best']}".strip()} for row in timed]
        sizes = {row["artefact"]: row for row in timed}.values()
        notes = [said for one in self.footprints for said in self.shortcomings(one.artefact)]
        notes += [f"{name} not run: {reason}" for name, reason in self.not_run.items()]
        parts = [
            _markdown(_TIMES, times),
            self._legend() if timed else "",
            _markdown(_FOOTPRINTS, list(sizes)),
            *("\n".join(textwrap.wrap(shown(note), _WIDTH)) for note in notes),
        ]
        return "\n".join(part for part in parts if part) + "\n"

    def _legend(self) -> str:
        """What was timed, on what, and which times stand out."""
        rows = f"{_SAMPLES[self.samples]}, {_SHAPES[self.shape]}"
        far = [
            f"{one.artefact} at {_place(*_cell(one))}: {one.graph.outliers} of {one.graph.calls:,}"
            for one in self.timings
            if one.graph.outliers > _MANY * one.graph.calls
        ]
        lines = [
            f"graph: a forward pass on {rows}; answer: predict on the same rows, from raw input",
            "±: half of the 95 % interval of the graph's median (bootstrap)",
            "* Pareto-best in size and p50 among its batch size and thread count",
        ]
        lines += [f"many slow calls, is the machine busy? {'; '.join(far)}"] if far else []
        return "".join(f"{part}\n" for line in lines for part in textwrap.wrap(line, _WIDTH))


_WIDTH = 80
_MANY = 0.05  # share of outliers above which a line says so
_SAMPLES = {
    "rows": "real rows",
    "golden": "the bundle's golden rows",
    "synthetic": "synthetic rows (the bundle has none: give some with --data)",
}
_SHAPES = {"rows": "lengths as they come", "fixed": "one shape"}
_TIMES = ("artefact", "batch", "thr", "graph ms", "±", "p99", "answer ms", "rows/s", "speed-up")
_FOOTPRINTS = ("artefact", "size kB", "load ms", "memory MB")


def _markdown(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    """The first column to the left, numbers to the right; tight, or 80 columns would not do."""
    if not rows:
        return ""
    cells = [[row[name] for name in columns] for row in rows]
    return "\n".join(aligned(columns, cells, range(1, len(columns)), gap="")) + "\n"


COLUMNS = (*_TIMES, "size kB", "load ms", "memory MB", "best")


def _row(timing: Timing, footprint: Footprint) -> dict[str, str]:
    graph, answer = timing.graph, timing.answer
    return {
        "artefact": timing.artefact,
        "batch": str(timing.batch),
        "thr": str(timing.threads),
        "graph ms": _milliseconds(graph.p50_ms),
        "±": _milliseconds((graph.high_ms - graph.low_ms) / 2),
        "p99": _milliseconds(graph.p99_ms),
        "answer ms": "" if answer is None else _milliseconds(answer.p50_ms),
        "rows/s": f"{(answer or graph).rows_per_second:,.0f}",
        "speed-up": f"{timing.speed_up:.2f}x" if timing.speed_up else "",
        "size kB": f"{footprint.bytes / 1000:,.1f}",
        "load ms": f"{footprint.load_ms:.1f}",
        "memory MB": f"{footprint.memory_bytes / 1e6:.1f}" if footprint.memory_bytes else "",
        "best": "*" if timing.best else "",
    }


def _milliseconds(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def with_ratios(timings: Sequence[Timing], sizes: Mapping[str, int]) -> tuple[Timing, ...]:
    """Timings with speed-up and Pareto mark, each among those of its own batch and threads."""
    return tuple(
        replace(one, speed_up=_speed_up(one, peers), best=_is_best(one, peers, sizes))
        for one in timings
        for peers in [[other for other in timings if _cell(other) == _cell(one)]]
    )


def _cell(timing: Timing) -> tuple[int, int]:
    return timing.batch, timing.threads


def _worst(slow: Sequence[tuple[float, str]]) -> Sequence[tuple[float, str]]:
    return [max(slow)] if slow else []


def _place(batch: int, threads: int) -> str:
    return f"batch {batch}, {threads} thread{'' if threads == 1 else 's'}"


def _speed_up(timing: Timing, peers: Sequence[Timing]) -> float:
    reference = [one.p50_ms for one in peers if one.artefact == REFERENCE]
    return reference[0] / timing.p50_ms if reference else 0.0


def _is_best(timing: Timing, peers: Sequence[Timing], sizes: Mapping[str, int]) -> bool:
    own = (sizes[timing.artefact], timing.p50_ms)
    points = [(sizes[one.artefact], one.p50_ms) for one in peers]
    return not any(
        size <= own[0] and time <= own[1] and (size, time) != own for size, time in points
    )
