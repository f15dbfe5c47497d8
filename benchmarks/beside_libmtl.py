"""Balancers beside LibMTL's and TorchJD's, called directly: time, and the gradients that they give.

From losses to the gradients of a perceptron's trunk with 2 to 20 heads (that of ``balance.py``),
over the parameters, as LibMTL's ``Trainer`` does it by default.  How far two are apart is the
largest difference of the gradients, as a share of the largest number in them.

Every method of ours that either of them has.  Those with a memory start with the same numbers in
it, for at their start they are the plain sum: DWA's last two epochs, GradNorm's weights, FAMO's and
the uncertainties' logits.  Of FAMO the second look at the batch is left out on both sides.  What
draws has another generator on each side, so its time alone is compared: random weights, and the
order of PCGrad beyond two tasks.  LibMTL's IMTL also learns a scale of each loss, which is 1 at
first; its CAGrad is written for three tasks, and fails with others.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from beside import environment
from beside.judged import OURS
from beside.process import Side, SideError
from recording import parser, record
from safetensors.numpy import load_file
from timing import in_turns, interval, ratio

METHODS = (
    "aligned_mtl", "cagrad", "dwa", "famo", "geometric", "gradnorm", "imtl_g", "mgda", "nash_mtl",
    "pcgrad", "random", "uncertainty", "upgrad",
)  # fmt: skip
COUNTS = (2, 4, 8, 20)
#: Of the faster one's time, and how far gradients may be apart.
LIMITS = {"call": 1.1, "difference": 1e-5}
LIBMTL, TORCHJD = "libmtl", "torchjd"

Json = dict[str, Any]
#: Side -> its process, and what it is asked for.
Sides = dict[str, tuple[Side, Json]]


def main() -> None:
    arguments = parser(__doc__)
    environment.add_argument(arguments)
    arguments.add_argument("--counts", type=int, nargs="*", default=COUNTS, help="tasks")
    arguments.add_argument("--methods", nargs="*", default=METHODS, choices=METHODS)
    arguments.add_argument("--rounds", type=int, default=40)
    arguments.add_argument("--times", type=int, default=5, help="calls of a turn")
    given = arguments.parse_args()
    found = measured(given.environments, given.counts, given.rounds, given.times, given.methods)
    record("beside_libmtl", {"limits": LIMITS, **found}, given.out, ["torch", "torchjd"])


def measured(
    environments: Path | None,
    counts: Sequence[int],
    rounds: int,
    times: int,
    methods: Sequence[str] = METHODS,
) -> dict[str, Any]:
    """Every method with every number of tasks.

    Args:
        environments: folder of LibMTL's environment; None: it is not run.
        counts: tasks.
        rounds: turns of each side.
        times: calls of a turn.
        methods: those of :data:`METHODS` that are asked for.
    """
    with tempfile.TemporaryDirectory() as place, ExitStack() as running:
        ours = running.enter_context(Side(sys.executable, "kd2edge_balance", folder=place))
        for count in counts:
            ours.ask("prepare", count=count)
        found: Json = {"sides": {OURS: {"versions": ours.ask("versions").value}}}
        other: Side | None = None
        try:
            python = environment.python_of(LIBMTL, environments)
            other = running.enter_context(Side(python, "libmtl_steps", folder=place))
            found["sides"][LIBMTL] = {"versions": other.ask("versions").value}
        except SideError as error:
            other = None
            found["sides"][LIBMTL] = {"not_run": str(error)}
            print(f"libmtl: not run: {error}")
        found["calls"] = [
            call
            for method in methods
            for call in calls(method, ours, other, Path(place), counts, rounds, times)
        ]
    return found


def calls(
    method: str,
    ours: Side,
    other: Side | None,
    place: Path,
    counts: Sequence[int],
    rounds: int,
    times: int,
) -> Iterator[Json]:
    """A line a number of tasks."""
    in_torchjd = ours.ask("has", method=method).value
    in_libmtl = other is not None and other.ask("has", method=method).value
    for count in counts:
        asked = {"method": method, "count": count}
        sides: Sides = {OURS: (ours, {"who": OURS, **asked})}
        if other is not None and in_libmtl:
            sides[LIBMTL] = (other, asked)
        if in_torchjd:
            sides[TORCHJD] = (ours, {"who": TORCHJD, **asked})
        found = {**asked, **one_call(sides, place, rounds, times)}
        print(f"{method}, {count} tasks: {found.get('ratio')}x of the faster", flush=True)
        yield found


def one_call(sides: Sides, place: Path, rounds: int, times: int) -> Json:
    """Ours over the faster library, and how far the gradients are apart.

    Args:
        sides: ours and libraries, each with what it is asked for.
        place: a folder for gradients.
        rounds: turns of each side.
        times: calls of a turn.
    """
    gradients: dict[str, npt.NDArray[Any]] = {}
    failed: dict[str, str] = {}
    for name, (side, given) in sides.items():
        path = place / f"{name}.safetensors"
        try:
            side.ask("gradient", out=str(path), **given)
            gradients[name] = load_file(path)["gradient"]
        except SideError as error:
            failed[name] = str(error)
    libraries = [name for name in gradients if name != OURS]
    if OURS in failed or not libraries:
        return {"not_run": failed or {LIBMTL: "no library has it here"}}
    turns = {
        name: side.turns("steps", [{**given, "times": times}])
        for name, (side, given) in sides.items()
        if name in gradients
    }
    taken = in_turns(turns, rounds=rounds, warm=2)
    faster = min(libraries, key=lambda name: taken[name].median)
    asked = sides[OURS][1]
    is_drawn = asked["method"] == "random" or (asked["method"] == "pcgrad" and asked["count"] > 2)
    return {
        "faster": faster,
        "ratio": ratio(taken[OURS], taken[faster]),
        "interval": list(interval(taken[OURS], taken[faster])),
        "differences": {
            name: None if is_drawn else apart(gradients[OURS], gradients[name])
            for name in libraries
        },
        # Of MGDA the smaller one is the better solution: its aim is the least norm.
        "norms": {name: float(np.linalg.norm(one)) for name, one in gradients.items()},
        "times": {name: one.to_json() for name, one in taken.items()},
        "failed": failed,
    }


def apart(ours: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Largest difference, as a share of the other's largest number."""
    return float(f"{np.abs(ours - other).max() / np.abs(other).max():.3g}")


if __name__ == "__main__":
    main()
