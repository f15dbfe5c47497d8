"""Level 3: a split through every artefact at once, in every way that counts, as ``predict`` ships.

Every row runs alone and in the batches of ``predict``; what is left of threads and sizes is held
against these on some rows, and runs the whole split where it gives anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from kd2edge.errors import BackendError, UsageError
from kd2edge.events import OnProgress, Progress
from kd2edge.inputs.kind import Encoder
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.rows import has_length
from kd2edge.tasks.spec import Decoded, TaskSpec
from kd2edge.validate.candidate import Loaded
from kd2edge.validate.estimates import Estimates
from kd2edge.validate.faults import row_checks
from kd2edge.validate.policy import Near
from kd2edge.validate.reference import Reference
from kd2edge.validate.same import gives_the_same, same_decisions
from kd2edge.validate.served import Padded, Served, Shared
from kd2edge.validate.split import Split, matches
from kd2edge.validate.tasks import Budget, task_result
from kd2edge.validate.validation import Check, MetricResult, TaskResult
from kd2edge.validate.ways import FREE, SPREAD, Way, full_ways, other_ways
from kd2edge.validate.whole import whole_rows
from kd2edge.verdict import CONFIDENCE, ORDER

__all__ = ["Measured", "Trial", "measured"]

#: Suspect ways that run the whole split.
_SUSPECTS = 2
#: Rows in one call of ``predict``, in batches; and where rows have lengths, more than ``predict``
#: puts together by them at a time, so that its seams show.
_CALL, _LONG_CALL = 4, 4096 + 256

Indices = npt.NDArray[np.int64]
AllDecoded = Mapping[str, Decoded]


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate to measure.

    Args:
        loaded: the candidate.
        threads: how near its outputs are with any number of threads.
        suspects: ways that level 2 asks about, see ``Numbers``.
        budgets: task -> what is allowed; empty: it only stands in for the reference.
    """

    loaded: Loaded
    threads: Near
    suspects: Sequence[Way] = ()
    budgets: Mapping[str, Budget] = field(default_factory=dict[str, Budget])

    def full(self) -> tuple[Way, ...]:
        """Ways that run the whole split, suspects last."""
        sizes = (self.loaded.first.batch or FREE, 1, self.loaded.most)
        ways = full_ways(tuple(self.loaded.models), sizes)
        return (*ways, *list(dict.fromkeys(self.suspects))[:_SUSPECTS])


@dataclass(frozen=True, slots=True)
class Measured:
    """Level 3 of one artefact.

    Args:
        tasks: task -> the result of the worst way.
        answers: whether every row got an answer, finite, and the one that its outputs say.
        ways: that ran the whole split.
        is_reference: it stands in for every row's reference, and was held against none.
        whole_rows: the share of rows on which every task is right, of the way with the fewest; None
            where fewer than two tasks decide on labels, or no row has labels of all.
    """

    tasks: Mapping[str, TaskResult] = field(default_factory=dict[str, TaskResult])
    answers: tuple[Check, ...] = ()
    ways: tuple[Way, ...] = ()
    is_reference: bool = False
    whole_rows: MetricResult | None = None


def measured(
    candidates: Mapping[str, Trial],
    helper: tuple[str, Trial] | None,
    split: Split,
    reference: Reference | None,
    on_event: OnProgress,
) -> tuple[dict[str, Measured], dict[str, int]]:
    """Level 3 of every artefact, and how many rows were held against which reference.

    Args:
        candidates: the artefacts.
        helper: the artefact that stands in for rows without a stored reference, if it runs here.
        split: the rows.
        reference: PyTorch's stored decisions, if the bundle has them.
        on_event: told about progress.

    Raises:
        UsageError: there are rows without a reference, and nothing that can stand in for it.
        BackendError: what stands in cannot run them.
    """
    at = matches(reference, split)
    known, unknown = np.flatnonzero(at >= 0), np.flatnonzero(at < 0)
    if len(unknown) and helper is None:
        raise UsageError(
            f"{len(unknown)} of {len(at)} rows have no stored PyTorch output in this bundle, and "
            "the artefact onnx-fp32 cannot stand in for it here: pip install 'kd2edge[cpu]'"
        )
    run = dict(candidates)
    if len(unknown) and helper is not None and helper[0] not in run:
        run[helper[0]] = helper[1]
    served = _all_ways(run, split, on_event)
    stand_in: AllDecoded | None = None
    if len(unknown) and helper is not None:
        stand_in = _stand_in(served[helper[0]][0], len(at))
    wanted = _wanted(reference, at, known, unknown, stand_in)
    found: dict[str, Measured] = {}
    estimates = Estimates()
    for done, (name, one) in enumerate(candidates.items(), start=1):
        is_helper = len(unknown) > 0 and helper is not None and name == helper[0]
        rows = known if is_helper else np.arange(len(at))
        result = _measured(split, wanted, served[name], rows, one.budgets, estimates)
        found[name] = replace(result, is_reference=not len(rows))
        on_event(Progress("statistics", done, len(candidates)))
    return found, {"pytorch": len(known), "onnx-fp32": len(unknown)}


def _stand_in(served: Served, rows: int) -> AllDecoded:
    if len(served.rows) < rows:
        said = next(iter(served.faults.refused.values()), "it gives no outputs for some rows")
        raise BackendError(f"the reference cannot run: {said}")
    return served.decoded()


def _wanted(
    reference: Reference | None,
    at: Indices,
    known: Indices,
    unknown: Indices,
    stand_in: AllDecoded | None,
) -> AllDecoded:
    """The reference's decisions for every row: stored ones, else the stand-in's."""
    if not len(unknown):
        assert reference is not None
        return {task: part.taken(at) for task, part in reference.decoded.items()}
    assert stand_in is not None
    if reference is None or not len(known):
        return stand_in
    return {
        task: reference.decoded[task].taken(at[known]).woven(known, part.taken(unknown), unknown)
        for task, part in stand_in.items()
    }


def _all_ways(
    candidates: Mapping[str, Trial],
    split: Split,
    on_event: OnProgress,
) -> dict[str, list[Served]]:
    """Every artefact in every way that has to run the whole split."""
    spread = frozenset(np.linspace(0, len(split.ids) - 1, SPREAD).astype(int).tolist())
    kit = _Kit()
    served = {
        name: [_served(one, way, kit, spread) for way in one.full()]
        for name, one in candidates.items()
    }
    total = len(split.ids) * sum(map(len, served.values()))
    _run(split, served, kit, on_event, 0, total)
    more: dict[str, list[Served]] = {}
    for name, one in candidates.items():
        kept = {part.way.batch: part for part in served[name] if not part.way.length}
        full = [part.way for part in served[name] if not part.way.length]
        more[name] = [
            _served(one, way, kit, frozenset())
            for way in other_ways(tuple(one.loaded.models), full)
            if not gives_the_same(one.loaded.models[way.threads], kept[way.batch], one.threads)
        ]
    extra = len(split.ids) * sum(map(len, more.values()))
    if extra:
        _run(split, more, kit, on_event, total, total + extra)
    return {name: [*parts, *more[name]] for name, parts in served.items()}


def _served(one: Trial, way: Way, kit: _Kit, spread: frozenset[int]) -> Served:
    return Served(one.loaded.models[way.threads], way, kit.of(way, one.loaded), spread)


class _Kit:
    """Encoders that models share, those that pad to a length among them."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], dict[str, Shared]] = {}
        self.has_length = False

    def of(self, way: Way, one: Loaded) -> Mapping[str, Encoder]:
        key = (id(one.encoders), way.length)
        if key not in self._made:
            self.has_length = self.has_length or any(map(has_length, one.encoders.values()))
            specs = one.first.inputs
            ranges = {name: input_kind(spec.kind).ranges(spec) for name, spec in specs.items()}
            self._made[key] = {
                name: Shared(Padded(made, way.length, ranges[name]) if way.length else made)
                for name, made in one.encoders.items()
            }
        return self._made[key]

    def forget(self) -> None:
        for made in self._made.values():
            for one in made.values():
                one.forget()


def _run(
    split: Split,
    served: Mapping[str, Sequence[Served]],
    kit: _Kit,
    on_event: OnProgress,
    done: int,
    total: int,
) -> None:
    parts = [one for some in served.values() for one in some]
    step = max(SPREAD, _CALL * max(one.way.batch for one in parts))
    if kit.has_length:
        step = max(step, _LONG_CALL)
    for start in range(0, len(split.ids), step):
        rows = range(start, min(start + step, len(split.ids)))
        values = split.values(rows)
        for one in parts:
            one.feed(rows, values)
            done += len(rows)
            on_event(Progress("tasks", done, total))
        kit.forget()


def _measured(
    split: Split,
    wanted: AllDecoded,
    served: Sequence[Served],
    rows: Indices,
    budgets: Mapping[str, Budget],
    estimates: Estimates,
) -> Measured:
    """Judge every way on ``rows``: for the stand-in these are the rows with a stored reference."""
    tasks = served[0].tasks
    found = {
        task: _worst(spec, split, wanted[task], served, rows, budgets[task], estimates)
        for task, spec in tasks.items()
    }
    checks = row_checks(served, split.ids, split.positions.tolist())
    parts = (
        (own, _decided(one, own)) for one in served if len(own := np.intersect1d(rows, one.rows))
    )
    sure = min((one.confidence for one in budgets.values()), default=CONFIDENCE)
    whole = whole_rows(tasks, split, wanted, parts, sure, estimates)
    return Measured(found, checks, tuple(one.way for one in served), whole_rows=whole)


def _decided(served: Served, rows: Indices) -> AllDecoded:
    """What it decided on some of the rows that it has outputs of."""
    at = np.searchsorted(served.rows, rows)
    return {task: part.taken(at) for task, part in served.decoded().items()}


def _worst(
    spec: TaskSpec,
    split: Split,
    wanted: Decoded,
    served: Sequence[Served],
    rows: Indices,
    budget: Budget,
    estimates: Estimates,
) -> TaskResult:
    """The result of the worst way: the gravest verdict, of equal ones the largest drop."""
    if not len(rows):
        reason = "it is itself the reference: these rows have no stored PyTorch output"
        return TaskResult(spec.metric, "not_run", reason, budget.max_drop)
    found: list[tuple[TaskResult, Callable[[TaskSpec], TaskResult]]] = []
    judged: list[tuple[Indices, Decoded]] = []
    for one in served:
        own = np.intersect1d(rows, one.rows)  # rows that were refused have a check of their own
        if not len(own):
            continue
        decoded = one.decoded()[str(spec.name)].taken(np.searchsorted(one.rows, own))
        if any(_same(spec, (own, decoded), part) for part in judged):
            continue
        judged.append((own, decoded))
        judge = partial(_result, split, wanted, one, (own, decoded), budget, estimates)
        # Metrics that do not gate are wanted of the worst way alone.
        found.append((judge(replace(spec, metrics=())), judge))
    if not found:
        return TaskResult(spec.metric, "not_run", "no row has outputs", budget.max_drop)
    return max(found, key=lambda one: _gravity(one[0]))[1](spec)


def _gravity(result: TaskResult) -> tuple[int, float]:
    metric = result.metrics.get(result.metric)
    return ORDER.index(result.verdict), -np.inf if metric is None else metric.drop.value


def _same(spec: TaskSpec, one: tuple[Indices, Decoded], other: tuple[Indices, Decoded]) -> bool:
    return np.array_equal(one[0], other[0]) and same_decisions(spec, one[1], other[1])


def _result(
    split: Split,
    wanted: Decoded,
    served: Served,
    outputs: tuple[Indices, Decoded],
    budget: Budget,
    estimates: Estimates,
    spec: TaskSpec,
) -> TaskResult:
    """Judge one way on the rows that it has outputs of."""
    rows, decoded = outputs
    places = split.positions[rows].tolist()
    found = task_result(
        spec,
        split.truths[str(spec.name)].taken(rows),
        wanted.taken(rows),
        decoded,
        [(place, split.ids[row]) for place, row in zip(places, map(int, rows), strict=True)],
        split.inputs_of_rows[rows],
        budget,
        estimates,
    )
    reason = f"{found.reason} ({served.way})" if found.reason else ""
    return replace(found, reason=reason, way=str(served.way))
