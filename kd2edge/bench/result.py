"""What a bench found, as JSON and as table rows."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from kd2edge.runtime.markdown import aligned
from kd2edge.wording import shown

__all__ = ["Bench", "Footprint", "Timing", "with_ratios"]

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
class Timing:
    """How fast an artefact answers at one batch size and thread count.

    Args:
        p50_ms, p99_ms: milliseconds of one forward pass.
        rows_per_second: rows over the time of all timed passes.
        speed_up: times faster than ``onnx-fp32`` by p50, in the same rounds; 0: that was not timed.
        best: no other artefact is both smaller and faster here (Pareto-best in size and p50).
        calls: timed passes.
    """

    artefact: str
    batch: int
    threads: int
    p50_ms: float
    p99_ms: float
    rows_per_second: float
    calls: int
    speed_up: float = 0.0
    best: bool = False


@dataclass(frozen=True, slots=True)
class Bench:
    """The measurements of one bundle on this machine.

    Args:
        bundle: the bundle's name.
        manifest: its identity.
        samples: ``golden`` (the bundle's own rows) or ``synthetic`` (ones: the bundle has no rows).
        not_run: artefact -> why it was not measured.
        evidence: the file that the measurements were added to.
    """

    bundle: str
    manifest: str
    samples: str
    footprints: tuple[Footprint, ...]
    timings: tuple[Timing, ...]
    not_run: Mapping[str, str]
    evidence: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON values; the payload of ``bench`` evidence (which names bundle and place itself)."""
        return {
            "samples": self.samples,
            "artefacts": [asdict(one) for one in self.footprints],
            "timings": [asdict(one) for one in self.timings],
            "not_run": dict(self.not_run),
        }

    def rows(self) -> list[dict[str, str]]:
        """Table rows, words and numbers already formatted; one a timing, then what was not run."""
        footprints = {one.artefact: one for one in self.footprints}
        rows = [_row(one, footprints[one.artefact]) for one in self.timings]
        return rows + [
            dict.fromkeys(COLUMNS, "") | {"artefact": name, "p50 ms": f"not run: {reason}"}
            for name, reason in self.not_run.items()
        ]

    def table(self) -> str:
        """Markdown for a terminal of 80 columns: times, footprints, then what was not run."""
        timed = [row for row in self.rows() if row["batch"]]
        times = [{**row, "speed-up": f"{row['speed-up']} {row['best']}".strip()} for row in timed]
        sizes = {row["artefact"]: row for row in timed}.values()
        notes = [f"{name} not run: {reason}" for name, reason in self.not_run.items()]
        parts = [
            _markdown(_TIMES, times),
            _MARK if timed else "",
            _markdown(_FOOTPRINTS, list(sizes)),
            *("\n".join(textwrap.wrap(shown(note), _WIDTH)) for note in notes),
        ]
        return "\n".join(part for part in parts if part) + "\n"


_WIDTH = 80
_MARK = "* Pareto-best in size and p50 among its batch size and thread count\n"
_TIMES = ("artefact", "batch", "threads", "p50 ms", "p99 ms", "rows/s", "speed-up")
_FOOTPRINTS = ("artefact", "size kB", "load ms", "memory MB")


def _markdown(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    """The first column to the left, numbers to the right; tight, or 80 columns would not do."""
    if not rows:
        return ""
    cells = [[row[name] for name in columns] for row in rows]
    return "\n".join(aligned(columns, cells, range(1, len(columns)), gap="")) + "\n"


COLUMNS = (
    *("artefact", "batch", "threads", "p50 ms", "p99 ms", "rows/s", "speed-up"),
    *("size kB", "load ms", "memory MB", "best"),
)


def _row(timing: Timing, footprint: Footprint) -> dict[str, str]:
    return {
        "artefact": timing.artefact,
        "batch": str(timing.batch),
        "threads": str(timing.threads),
        "p50 ms": f"{timing.p50_ms:.3f}",
        "p99 ms": f"{timing.p99_ms:.3f}",
        "rows/s": f"{timing.rows_per_second:,.0f}",
        "speed-up": f"{timing.speed_up:.2f}x" if timing.speed_up else "",
        "size kB": f"{footprint.bytes / 1000:,.1f}",
        "load ms": f"{footprint.load_ms:.1f}",
        "memory MB": f"{footprint.memory_bytes / 1e6:.1f}" if footprint.memory_bytes else "",
        "best": "*" if timing.best else "",
    }


def with_ratios(timings: Sequence[Timing], sizes: Mapping[str, int]) -> tuple[Timing, ...]:
    """Timings with speed-up and Pareto mark, each among those of its own batch and threads."""
    return tuple(
        replace(one, speed_up=_speed_up(one, peers), best=_is_best(one, peers, sizes))
        for one in timings
        for peers in [[other for other in timings if _cell(other) == _cell(one)]]
    )


def _cell(timing: Timing) -> tuple[int, int]:
    return timing.batch, timing.threads


def _speed_up(timing: Timing, peers: Sequence[Timing]) -> float:
    reference = [one.p50_ms for one in peers if one.artefact == REFERENCE]
    return reference[0] / timing.p50_ms if reference else 0.0


def _is_best(timing: Timing, peers: Sequence[Timing], sizes: Mapping[str, int]) -> bool:
    own = (sizes[timing.artefact], timing.p50_ms)
    points = [(sizes[one.artefact], one.p50_ms) for one in peers]
    return not any(
        size <= own[0] and time <= own[1] and (size, time) != own for size, time in points
    )
