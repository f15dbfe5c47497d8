"""What the levels found of one candidate, and the verdict that follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kd2edge.validate.cause import LACKING, cause
from kd2edge.validate.gate import failed_checks
from kd2edge.validate.golden import OUTPUTS
from kd2edge.validate.policy import Demands
from kd2edge.validate.validation import (
    ArtefactResult,
    Check,
    LackingResult,
    MetricResult,
    NumberResult,
    TaskResult,
)
from kd2edge.validate.ways import SHARED, Way
from kd2edge.verdict import Word

__all__ = ["NO_NUMBERS", "Levels", "number_failures", "result_of"]

#: Why level 2 is empty.
NO_NUMBERS = "numbers: the bundle has no PyTorch logits, neither stored ones nor golden rows"


@dataclass(frozen=True, slots=True)
class Levels:
    """One candidate under all levels.

    Args:
        precision: of the candidate, for messages.
        demands: what this precision is asked for.
        graph: level 1.  numbers: level 2 by array.  tasks: level 3.  edges: level 5.
        answers: level 3, what holds for every row: it is answered, finite, as its outputs say.
        failures: why a level did not get to its end.
        ways: threads and rows a forward pass in which the whole split ran.
        is_reference: it stands in for every row's reference, and was held against none.
        whole_rows: the share of rows on which every task is right; None where it has no meaning.
        without: input that may be absent -> levels 2 and 3 on the rows without it.
    """

    precision: str
    demands: Demands
    graph: tuple[Check, ...] = ()
    numbers: Mapping[str, Sequence[NumberResult]] = field(default_factory=dict)
    tasks: Mapping[str, TaskResult] = field(default_factory=dict)
    edges: tuple[Check, ...] = ()
    answers: tuple[Check, ...] = ()
    failures: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()
    is_reference: bool = False
    whole_rows: MetricResult | None = None
    without: Mapping[str, Levels] = field(default_factory=dict[str, "Levels"])

    def lacking(self, name: str, part: Levels) -> Levels:
        """With what was found on the rows without an input; files are looked at once."""
        own = replace(part, graph=(), edges=())
        return replace(self, without={**self.without, name: own})

    def verdict(self) -> tuple[Word, str]:
        """(verdict, reason): it passes when nothing failed and all its tasks pass.

        Every task has to pass at the full confidence, with every input that rows have and without
        each that may be absent: an intersection-union test, which needs no correction over these.
        """
        faults = self.faults()
        if faults:
            return "fail", "; ".join(faults)
        if self.tasks and all(part.verdict == "not_run" for part in self.tasks.values()):
            # A stand-in says nothing of itself, nor against the others.
            word = "not_run" if self.is_reference else "undecided"
            return word, next(iter(self.tasks.values())).reason
        doubts = self.doubts()
        return ("undecided", "; ".join(doubts)) if doubts else ("pass", "")

    def faults(self) -> tuple[str, ...]:
        """All that failed, each once."""
        found = [*failed_checks(self.graph), *self.number_faults()]
        found += [*failed_checks(self.answers), *failed_checks(self.edges), *self.failures]
        found += [f"{task}: {one.reason}" for task, one in self.tasks.items() if _failed(one)]
        for name, part in self.without.items():
            found += _told_without(name, part.faults())
        return tuple(dict.fromkeys(found))

    def is_wrong_without_an_input(self) -> bool:
        """Whether outputs are PyTorch's with every input that rows have, and not without one.

        A rounded graph that loses too much where an input is absent is not wrong by that.
        """
        parts = self.without.values()
        odd = any(part.number_faults() or failed_checks(part.answers) for part in parts)
        return odd and not replace(self, without={}).faults()

    def number_faults(self) -> list[str]:
        """Heads that are too far from PyTorch's logits."""
        return number_failures(self.precision, self.demands, self.numbers)

    def doubts(self) -> tuple[str, ...]:
        """All that was not shown, each once."""
        doubts = list(self._unshown())
        doubts += [] if self.tasks else ["no rows at hand: the tasks were not measured"]
        if self.demands.every_level:
            doubts += _missing(self.graph, self.numbers)
        else:  # of golden files that are there, no sound export leaves out a head
            doubts += _not_run(check for check in self.graph if check.name == OUTPUTS)
        for name, part in self.without.items():
            own = list(part._unshown())
            own += _missing((), part.numbers) if self.demands.every_level else []
            doubts += _told_without(name, own)
        return tuple(dict.fromkeys(doubts))

    def _unshown(self) -> Iterator[str]:
        parts = self.tasks.items()
        yield from (f"{task}: {part.reason}" for task, part in parts if part.verdict != "pass")


def _told_without(name: str, said: Iterable[str]) -> Iterator[str]:
    """What was found on rows without an input: "rating without text: ..." where it is a task's."""
    for one in said:
        what, colon, rest = one.partition(": ")
        yield f"{what} without {name}{colon}{rest}"


def _failed(part: TaskResult) -> bool:
    return part.verdict == "fail"


def number_failures(
    precision: str, demands: Demands, numbers: Mapping[str, Sequence[NumberResult]]
) -> list[str]:
    """Heads that are further from PyTorch than is allowed, in any way to batch and pad.

    The tasks' metrics are measured in batches of one size: a graph that goes wrong for single rows
    or for more padding shows here alone.
    """
    faults = {
        task: next(_number_faults(precision, demands, results), "")
        for task, results in numbers.items()
        if results
    }
    return [f"{task}: {fault}" for task, fault in faults.items() if fault]


def _number_faults(
    precision: str, demands: Demands, results: Sequence[NumberResult]
) -> Iterator[str]:
    allowed = demands.numbers
    most = max(results, key=lambda result: result.max_abs)
    if not most.max_abs <= allowed.max_abs:  # NaN is not
        yield (
            f"logits differ by {most.max_abs:.2g} ({most.way}), {precision} may differ by "
            f"{allowed.max_abs:g}"
        )
    most = max(results, key=lambda result: result.rms)
    if not most.rms <= allowed.rms:
        yield (
            f"logits miss PyTorch's by {most.rms:.2g} of their size ({most.way}), "
            f"{precision} may by {allowed.rms:g}"
        )
    # A size that ran fewer rows makes a suspect, which runs the whole split.
    shares = [result for result in results if result.rows >= SHARED] or results[:1]
    best, least = (by(shares, key=lambda result: result.top1) for by in (max, min))
    if best.top1 - least.top1 > demands.apart:
        yield (
            f"{least.top1:.0%} of the decisions are PyTorch's in {least.way}, {best.top1:.0%} in "
            f"{best.way}: what is asked together must not matter so much"
        )


def _missing(graph: Sequence[Check], numbers: Mapping[str, Sequence[NumberResult]]) -> list[str]:
    """What of levels 1 and 2 could not be looked at here, and why: of each array by itself."""
    found = _not_run(graph)
    if not any(numbers.values()):
        return [*found, NO_NUMBERS]
    missing = [name for name, results in numbers.items() if not results]
    return [*found, *(f"numbers of {name}: the bundle has no PyTorch logits" for name in missing)]


def _not_run(checks: Iterable[Check]) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in checks if check.status == "not_run"]


def result_of(levels: Levels, doubt: str = "") -> ArtefactResult:
    """The result; ``doubt``: what stands against a pass, and is no fault of the candidate."""
    verdict, reason = levels.verdict()
    if doubt and verdict == "pass":
        verdict, reason = "undecided", doubt
    faults = levels.faults()
    if verdict == "undecided":
        doubts = levels.doubts()
        faults = (doubt, *(one for one in doubts if doubt not in one)) if doubt else doubts
    checks = (*levels.graph, *levels.answers, *levels.edges)
    why = "" if verdict == "pass" else LACKING if levels.is_wrong_without_an_input() else None
    if why is None:
        why = cause(checks, levels.number_faults(), levels.tasks)
    return ArtefactResult(
        verdict,
        reason,
        0,
        levels.graph,
        {task: tuple(results) for task, results in levels.numbers.items()},
        levels.tasks,
        levels.edges,
        faults=faults,
        cause=why,
        answers=levels.answers,
        ways=levels.ways,
        whole_rows=levels.whole_rows,
        without={name: _lacking_result(part) for name, part in levels.without.items()},
    )


def _lacking_result(levels: Levels) -> LackingResult:
    return LackingResult(
        {task: tuple(results) for task, results in levels.numbers.items()},
        levels.tasks,
        levels.answers,
        levels.ways,
    )
