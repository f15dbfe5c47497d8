"""The judge: candidates on the same rows, against what PyTorch said of them, under one policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kd2edge.errors import BackendError, InputError
from kd2edge.events import OnProgress, Progress, ignore
from kd2edge.inputs.absent import left_out
from kd2edge.runtime.model import Model
from kd2edge.tasks.outputs import arrays_of
from kd2edge.validate.agreement import misreadings
from kd2edge.validate.calls import call_checks
from kd2edge.validate.candidate import Candidate, Loaded, loaded
from kd2edge.validate.edges import edges_of
from kd2edge.validate.levels import Levels, result_of
from kd2edge.validate.meaning import Meaning, meaning_of
from kd2edge.validate.measure import Measured, Trial, measured
from kd2edge.validate.numbers import Numbers, Sample, merged_numbers, number_results
from kd2edge.validate.policy import Policy
from kd2edge.validate.reference import Reference
from kd2edge.validate.sample import samples_of, usual_values
from kd2edge.validate.split import Split, matches
from kd2edge.validate.standing import FALLBACK, as_drawn
from kd2edge.validate.validation import ArtefactResult, Check, TaskResult

__all__ = ["Case", "Found", "fairly_drawn", "judge", "look"]


@dataclass(frozen=True, slots=True)
class Case:
    """What candidates are held against.

    Args:
        split: the rows, labels included; None: no task is measured.
        reference: what PyTorch said of them.
        policy: what is allowed.
        golden: further rows with PyTorch's logits.
        stand_in: what speaks for rows that PyTorch's outputs are not stored of.
        on_event: told about progress.
    """

    split: Split | None
    reference: Reference | None
    policy: Policy
    golden: Sequence[Sample] = ()
    stand_in: Loaded | None = None
    on_event: OnProgress = ignore

    def without(self, name: str) -> Case:
        """The same rows where none has an input: numbers and tasks, nothing else."""
        return replace(
            self,
            split=None if self.split is None else self.split.without(name),
            reference=None if self.reference is None else self.reference.without.get(name),
            policy=replace(self.policy, levels=self.policy.levels & {"numbers", "tasks"}),
            golden=(),
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What all levels found.

    Args:
        case: what candidates were held against.
        levels: by candidate.
        references: how many rows were held against which reference.
        stand_in: levels 1 and 2 of what stood in for PyTorch; None: nothing did.
        without: input that may be absent -> what levels 2 and 3 found on the rows without it.
    """

    case: Case
    levels: Mapping[str, Levels]
    references: Mapping[str, int]
    stand_in: Levels | None = None
    without: Mapping[str, Found] = field(default_factory=dict[str, "Found"])


def judge(
    candidates: Mapping[str, Candidate | Loaded],
    rows: Split,
    reference: Reference,
    policy: Policy,
    *,
    meaning: Meaning | None = None,
    on_event: OnProgress = ignore,
) -> dict[str, ArtefactResult]:
    """Judge candidates on rows, wherever they come from: no bundle need exist.

    Args:
        candidates: each as it is (it then claims to be PyTorch's own, fp32), or ``loaded`` with its
            precision.
        rows: the rows, labels included.
        reference: what PyTorch said of all of them.
        policy: what is allowed.
        meaning: what these outputs mean; a candidate that reads its own in another way fails.
        on_event: told about progress: ``tasks``, ``statistics``, ``edges``.

    Raises:
        UsageError: rows that the reference has nothing of.
        DataError: labels other than those kept beside the reference's outputs.
    """
    given = {
        name: one if isinstance(one, Loaded) else loaded(one) for name, one in candidates.items()
    }
    for name, one in given.items():
        rows.require_labels_of(reference, one.first.tasks, meaning)
        if meaning is not None:
            given[name] = replace(one, graph=(*one.graph, *_read(meaning, one)))
    found = look(given, Case(rows, reference, policy, on_event=on_event))
    levels = fairly_drawn(found)
    for lacked, part in found.without.items():
        own = fairly_drawn(part)
        levels = {name: one.lacking(lacked, own[name]) for name, one in levels.items()}
    return {name: result_of(one) for name, one in levels.items()}


def _read(meaning: Meaning, one: Loaded) -> tuple[Check, ...]:
    """Whether a candidate's tasks are those that outputs were stored of."""
    own = replace(meaning, tasks=meaning_of("", one.first.tasks, {}, {}).tasks)
    faults = misreadings(meaning, own, "the candidate")
    return tuple(Check("meaning", "failed", fault) for fault in faults) or (Check("meaning", "ok"),)


def look(candidates: Mapping[str, Loaded], case: Case) -> Found:
    """Take every candidate through the levels of the policy; rows without an input, too."""
    found = _looked(candidates, case)
    lacked = () if case.split is None else left_out(case.split.inputs)
    parts = {name: _lacking(candidates, case.without(name)) for name in lacked}
    return replace(found, without=parts)


def _lacking(candidates: Mapping[str, Loaded], case: Case) -> Found:
    """What is found on the rows without an input, as far as there are any."""
    if case.split is not None:
        return _looked(candidates, case)
    reason = "no row has another input: nothing is known of rows without this one"
    levels = {
        name: Levels(
            one.precision,
            case.policy.demands(one.precision),
            tasks={
                task: TaskResult(one.first.tasks[task].metric, "not_run", reason, budget.max_drop)
                for task, budget in case.policy.budgets(one.precision).items()
            },
        )
        for name, one in candidates.items()
    }
    return Found(case, levels, {})


def _looked(candidates: Mapping[str, Loaded], case: Case) -> Found:
    first = {name: _begun(one, case) for name, one in candidates.items()}
    of_rows, references, helper = _measured(candidates, first, case)
    levels: dict[str, Levels] = {}
    for done, (name, one) in enumerate(candidates.items(), start=1):
        part = of_rows.get(name, Measured())
        levels[name] = replace(
            _edged(one, first[name][0], case),
            tasks=part.tasks,
            answers=part.answers,
            ways=part.ways,
            is_reference=part.is_reference,
            whole_rows=part.whole_rows,
        )
        case.on_event(Progress("edges", done, len(candidates)))
    return Found(case, levels, references, helper)


def fairly_drawn(found: Found) -> dict[str, Levels]:
    """Passes on rows that somebody picked become ``undecided``, see ``standing.as_drawn``."""
    split, reference = found.case.split, found.case.reference
    if split is None or reference is None:
        return dict(found.levels)
    at = matches(reference, split)
    return {
        name: replace(one, tasks=as_drawn(one.tasks, reference, at[at >= 0]))
        for name, one in found.levels.items()
    }


#: Levels 1 and 2 of a candidate, and ways that level 2 asks level 3 to look at.
_Begun = tuple[Levels, tuple[Numbers, ...]]


def _begun(one: Loaded, case: Case) -> _Begun:
    levels = Levels(one.precision, case.policy.demands(one.precision), one.graph)
    if "numbers" not in case.policy.levels:
        return levels, ()
    try:
        numbers = _numbers(one, case)
    except (BackendError, InputError) as error:  # one level that cannot run hides no other
        return replace(levels, failures=(f"numbers: {error}",)), ()
    heads = arrays_of(one.first.tasks.values())
    found = dict.fromkeys(heads, ()) | merged_numbers(numbers)
    return replace(levels, numbers=found), numbers


def _numbers(one: Loaded, case: Case) -> tuple[Numbers, ...]:
    """Level 2 at every number of threads."""
    samples = samples_of(one, case.split, case.reference, case.golden)
    return tuple(
        number_results(
            sample,
            model.logits,
            arrays_of(model.tasks.values()),
            one.inputs,
            one.ranges,
            threads=count,
            part=part,
            parts=len(one.models),
        )
        for part, (count, model) in enumerate(one.models.items())
        for sample in samples
    )


def _measured(
    candidates: Mapping[str, Loaded], begun: Mapping[str, _Begun], case: Case
) -> tuple[dict[str, Measured], dict[str, int], Levels | None]:
    """Level 3 of every candidate, rows by reference, and what is known of the stand-in."""
    if case.split is None or not candidates or "tasks" not in case.policy.levels:
        return {}, {}, None
    trials = {name: _trial(one, begun[name][1], case) for name, one in candidates.items()}
    helper = candidates.get(FALLBACK, case.stand_in)
    stand_in = None if helper is None else (FALLBACK, _trial(helper, (), case, judged=False))
    found, references = measured(trials, stand_in, case.split, case.reference, case.on_event)
    if helper is None or not references[FALLBACK]:
        return found, references, None
    own = begun[FALLBACK] if FALLBACK in begun else _begun(helper, case)
    return found, references, own[0]


def _trial(one: Loaded, numbers: Sequence[Numbers], case: Case, *, judged: bool = True) -> Trial:
    suspects = dict.fromkeys(way for part in numbers for way in part.suspects)
    budgets = case.policy.budgets(one.precision) if judged else {}
    return Trial(one, case.policy.demands(one.precision).threads, tuple(suspects), budgets)


def _edged(one: Loaded, levels: Levels, case: Case) -> Levels:
    """What the levels found, with the calls and the edges."""
    edges: list[Check] = []
    failures = list(levels.failures)
    usual = usual_values(case.split, one.encoders)
    if usual and "edges" in case.policy.levels:
        try:
            edges += edges_of(one.models, one.encoders, usual)
        except (BackendError, InputError) as error:
            failures.append(f"edges: {error}")
    most = one.models[max(one.models)]
    if case.split is not None and isinstance(most, Model) and "calls" in case.policy.levels:
        edges += call_checks(most, one.encoders, case.split, levels.demands.calls)
    return replace(levels, edges=(*edges, *one.notes), failures=tuple(failures))
