"""The validator's door: open a bundle through the runtime, judge it, write evidence."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from kd2edge.bundle.evidence import append_evidence, require_writable
from kd2edge.bundle.manifest import Artefact
from kd2edge.bundle.store import Bundle, open_bundle
from kd2edge.errors import BackendError, InputError, IntegrityError, UsageError
from kd2edge.inputs.kind import Encoder
from kd2edge.inputs.kinds import input_kind
from kd2edge.rows.rows import Rows
from kd2edge.runtime import Model, load
from kd2edge.runtime.progress import OnProgress, Progress, ignore
from kd2edge.tasks.spec import TaskSpec
from kd2edge.validate.agreement import agreement
from kd2edge.validate.asked import asked_budgets, asked_confidence, asked_names
from kd2edge.validate.calls import call_checks
from kd2edge.validate.carried import carried_record, carried_reference
from kd2edge.validate.cause import cause
from kd2edge.validate.edges import edges_of, twin_checks
from kd2edge.validate.gate import (
    artefact_doubts,
    artefact_faults,
    artefact_verdict,
    failed_checks,
    number_failures,
    outcome,
)
from kd2edge.validate.golden import OUTPUTS, golden_checks, raw_found
from kd2edge.validate.graph import graph_checks
from kd2edge.validate.measure import Candidate, Measured, measured
from kd2edge.validate.numbers import Numbers, merged_numbers, number_results
from kd2edge.validate.reference import Reference
from kd2edge.validate.sample import samples_of, usual_values
from kd2edge.validate.split import Split, matches
from kd2edge.validate.standing import (
    FALLBACK,
    as_drawn,
    as_reported,
    require_stored,
    says_something,
    stands_for,
    unstored,
)
from kd2edge.validate.tasks import Budget
from kd2edge.validate.validation import ArtefactResult, Check, Validation
from kd2edge.validate.ways import shared_sizes, thread_counts

__all__ = ["FALLBACK", "validate_bundle"]

#: Number of threads -> an artefact loaded with as many.
Models = dict[int, Model]


def validate_bundle(
    path: str | os.PathLike[str],
    *,
    rows: Rows | None,
    split: str = "test",
    from_run: bool = False,
    artefacts: Iterable[str] | None = None,
    max_drop: Mapping[str, float] | None = None,
    max_drop_class: Mapping[str, float] | None = None,
    confidence: float | None = None,
    threads: int | None = None,
    out: Path | None = None,
    on_event: OnProgress = ignore,
) -> Validation:
    """Judge every artefact of a bundle that can run here, and add the result to its evidence.

    Args:
        path: the bundle's folder.
        rows: the rows of the split, labels included; None: graph, numbers and edges alone are
            looked at, and no artefact can pass.
        split: their split; its stored reference is what artefacts are held against.
        from_run: the rows are the run's own, so that each has to have a stored output.
        artefacts: ids; None: all.
        max_drop: task -> budget in [0, 1]; overrides the manifest's.
        max_drop_class: task -> what the recall of a class may lose; overrides the manifest's.
        confidence: of each one-sided bound, above 0.5; None: the manifest's.
        threads: threads of one forward pass; None: one, and the physical cores that this process
            may use, which is what ``load`` takes when nobody says.
        out: a folder for the evidence, when the bundle is read-only; engines are found there, too.
        on_event: told about progress: ``graph``, ``tasks``, ``statistics``, ``edges``.

    Returns:
        The validation; its ``outcome`` says ``pass``, ``fail``, ``undecided``, or ``not_run`` when
        one of ``artefacts`` could not run and all others passed.

    Raises:
        UsageError: no bundle, an unknown artefact or task, no budget, rows without reference.
        DataError: rows that cannot be read or labels that the model does not know.
        IntegrityError: a file that is not the one the manifest names.
        StorageError: the evidence cannot be written (noticed before anything is measured).
        BackendError: nothing can run here.
    """
    bundle = open_bundle(path)
    names = asked_names(bundle, artefacts)
    sure = asked_confidence(bundle, confidence)
    budgets = asked_budgets(bundle, max_drop or {}, max_drop_class or {}, sure)
    home = out or bundle.path
    require_writable(home)
    tasks, counts = _tasks(bundle), thread_counts(threads)
    reference = carried_reference(bundle, split, tasks)
    part = None if rows is None else Split.of(rows, bundle.manifest.inputs, tasks)
    if part is not None and reference is not None:
        part.require_labels_of(reference, tasks)
    if part is not None and from_run:
        stored = int((matches(reference, part) >= 0).sum())
        require_stored(bundle, split, stored, len(part.ids))
    work = _Work(bundle, home, names, budgets, counts, part, split, reference, on_event)
    with ExitStack() as stack:
        found, references = work.run(stack, from_run=from_run)
    result = Validation(
        manifest=bundle.identity,
        name=bundle.manifest.name,
        split=split,
        rows=0 if rows is None else len(rows),
        fingerprint="" if rows is None else rows.fingerprint,
        references=references,
        confidence=sure,
        outcome=outcome(found, are_named=artefacts is not None),
        artefacts=found,
        threads=counts,
        batches=shared_sizes(one.ways for one in found.values() if one.ways),
        distinct=0 if part is None else len(set(part.hashes)),
    )
    file = append_evidence(home, "validation", bundle.identity, result.to_json())
    result = replace(result, evidence=str(file))
    if not any(map(says_something, found.values())):
        raise _nothing_judged(result, work.ran)
    return result


def _tasks(bundle: Bundle) -> dict[str, TaskSpec]:
    return {str(name): spec for name, spec in bundle.manifest.tasks.items()}


def _nothing_judged(result: Validation, ran: bool) -> Exception:
    reasons = "; ".join(f"{name}: {part.reason}" for name, part in result.artefacts.items())
    if ran:
        return UsageError(f"nothing of {result.name} could be judged on these rows: {reasons}")
    return BackendError(f"nothing of {result.name} can run here: {reasons}")


class _Work:
    """One validation under way: loads the artefacts and takes each through the levels."""

    def __init__(
        self,
        bundle: Bundle,
        home: Path,
        names: list[str],
        budgets: Mapping[str, Budget],
        threads: tuple[int, ...],
        split: Split | None,
        split_name: str,
        reference: Reference | None,
        on_event: OnProgress,
    ) -> None:
        self._bundle = bundle
        self._home = home
        self._names = names
        self._budgets = budgets
        self._threads = threads
        self._split = split
        self._split_name = split_name
        self._reference = reference
        self._on_event = on_event
        self._encoders = {name: _encoder(bundle, name) for name in bundle.manifest.inputs}
        self._raw = raw_found(bundle, self._encoders)
        self._twins = twin_checks(bundle.manifest.inputs, self._encoders)
        self._usual = usual_values(split, self._encoders)
        self._samples = samples_of(bundle, self._encoders, split, reference)
        #: Whether any artefact could be loaded.
        self.ran = False

    def run(
        self, stack: ExitStack, *, from_run: bool
    ) -> tuple[dict[str, ArtefactResult], dict[str, int]]:
        """(artefact -> result, reference -> rows held against it)."""
        record = carried_record(self._bundle)
        agreed = agreement(self._reference, record, self._bundle.manifest, self._split_name)
        graphs = {
            name: (*graph_checks(self._bundle, self._artefact(name)), *agreed.checks)
            for name in self._names
        }
        self._on_event(Progress("graph", len(graphs), len(graphs)))
        models, refused = self._loaded(stack, graphs)
        self.ran = bool(models)
        numbers = {name: self._numbers(name, loaded) for name, loaded in models.items()}
        tasks: dict[str, Measured] = {}
        references: dict[str, int] = {}
        doubt = agreed.doubt
        if self._split is not None and models:
            helper = self._helper(stack, models)
            tasks, references = measured(
                {name: self._candidate(name, models[name], numbers[name]) for name in models},
                None if helper is None else (FALLBACK, Candidate(helper)),
                self._split,
                self._reference,
                self._encoders,
                self._on_event,
            )
            if references.get(FALLBACK) and helper is not None:
                said = None if record is None else record.splits.get(self._split_name)
                tasks = {
                    name: replace(one, tasks=as_reported(one.tasks, said))
                    for name, one in tasks.items()
                }
                doubt = doubt or self._doubt(helper)
            if self._reference is not None and not from_run:
                at = matches(self._reference, self._split)
                tasks = {
                    name: replace(one, tasks=as_drawn(one.tasks, self._reference, at[at >= 0]))
                    for name, one in tasks.items()
                }
        found: dict[str, ArtefactResult] = {}
        # The stand-in first: what was held against it passes no sooner than it does.
        for done, name in enumerate(sorted(self._names, key=FALLBACK.__ne__), start=1):
            found[name] = refused.get(name) or self._result(
                name, models[name], graphs[name], numbers[name], tasks.get(name, Measured()), doubt
            )
            if done == 1 and not doubt and references.get(FALLBACK):
                doubt = self._unstored(references, found.get(FALLBACK), from_run=from_run)
                if name != FALLBACK or from_run:
                    found[name] = _doubted(found[name], doubt)
            self._on_event(Progress("edges", done, len(self._names)))
        return {name: found[name] for name in self._names}, references

    def _unstored(
        self, references: Mapping[str, int], own: ArtefactResult | None, *, from_run: bool
    ) -> str:
        """Why rows without a stored output show nothing; "" when their stand-in passed itself."""
        missing, rows = references[FALLBACK], sum(references.values())
        if from_run:
            return unstored(self._split_name, missing, rows)
        verdict = "not_run" if own is None else own.verdict
        return stands_for(self._bundle, self._home, verdict, missing, rows)

    def _artefact(self, name: str) -> Artefact:
        return self._bundle.manifest.artefacts[name]

    def _loaded(
        self, stack: ExitStack, graphs: Mapping[str, tuple[Check, ...]]
    ) -> tuple[dict[str, Models], dict[str, ArtefactResult]]:
        """What loads, and the results of what does not."""
        models: dict[str, Models] = {}
        refused: dict[str, ArtefactResult] = {}
        for name in self._names:
            try:
                models[name] = self._load(stack, name)
            except BackendError as error:
                faults = failed_checks(graphs[name])
                verdict, reason = ("fail", "; ".join(faults)) if faults else ("not_run", str(error))
                refused[name] = ArtefactResult(
                    verdict, reason, self._size(name), graphs[name], faults=tuple(faults)
                )
            except IntegrityError as error:
                # The bytes are the manifest's (graph_checks read them), the graph is another one.
                faults = [*failed_checks(graphs[name]), str(error)]
                refused[name] = ArtefactResult(
                    "fail", "; ".join(faults), self._size(name), graphs[name], faults=tuple(faults)
                )
        return models, refused

    def _load(self, stack: ExitStack, name: str) -> Models:
        """The artefact with every number of threads that is judged, where it runs on threads."""
        models: Models = {}
        for count in self._threads:
            models[count] = stack.enter_context(
                load(self._bundle.path, artefact=name, threads=count, evidence=self._home)
            )
            if not models[count].session.uses_threads:
                break
        return models

    def _size(self, name: str) -> int:
        return sum(entry.bytes for entry in self._artefact(name).files)

    def _helper(self, stack: ExitStack, models: Mapping[str, Models]) -> Models | None:
        """The fp32 ONNX artefact, for rows without a stored reference; None when it cannot run."""
        if FALLBACK in models or FALLBACK not in self._bundle.manifest.artefacts:
            return models.get(FALLBACK)
        try:
            return self._load(stack, FALLBACK)
        except BackendError:
            return None

    def _candidate(self, name: str, models: Models, numbers: Sequence[Numbers] | str) -> Candidate:
        is_exact = self._artefact(name).precision == "fp32"
        budgets = {
            task: replace(budget, same_decisions=is_exact) for task, budget in self._budgets.items()
        }
        parts = () if isinstance(numbers, str) else numbers
        suspects = dict.fromkeys(way for part in parts for way in part.suspects)
        return Candidate(models, tuple(suspects), budgets)

    def _doubt(self, helper: Models) -> str:
        """Why what was held against the stand-in shows nothing; "" when it does show something."""
        artefact, model = self._artefact(FALLBACK), next(iter(helper.values()))
        faults = failed_checks(
            (*graph_checks(self._bundle, artefact), *golden_checks(self._bundle, model, self._raw))
        )
        numbers = self._numbers(FALLBACK, helper)
        if isinstance(numbers, str):
            faults.append(numbers)
        else:
            faults += number_failures(artefact.precision, merged_numbers(numbers))
        return f"its reference {FALLBACK} fails itself: {'; '.join(faults)}" if faults else ""

    def _result(
        self,
        name: str,
        models: Models,
        graph: tuple[Check, ...],
        numbers: Sequence[Numbers] | str,
        measure: Measured,
        doubt: str,
    ) -> ArtefactResult:
        artefact, model = self._artefact(name), next(iter(models.values()))
        failures: list[str] = []
        golden = golden_checks(self._bundle, model, self._raw)
        # A head that golden lacks is a doubt, like a graph that was not looked at.
        notes = [check for check in golden if check.status == "not_run" and check.name != OUTPUTS]
        graph = (*graph, *(check for check in golden if check not in notes))
        edges = (*self._twins, *notes)
        if isinstance(numbers, str):  # one level that cannot run hides no other
            failures.append(f"numbers: {numbers}")
        merged = {} if isinstance(numbers, str) else merged_numbers(numbers)
        if self._split is not None:
            most = models[max(models)]
            edges = (*call_checks(most, self._encoders, self._split, artefact.precision), *edges)
        try:
            edges = (*edges_of(models, self._encoders, self._usual), *edges)
        except (BackendError, InputError) as error:
            failures.append(f"edges: {error}")
        levels = (artefact.precision, graph, merged, measure.tasks, edges, measure.answers)
        verdict, reason = artefact_verdict(*levels, failures=failures)
        if measure.is_reference and verdict == "undecided":
            verdict = "not_run"  # nothing to say of it, nor against the others
        if doubt and verdict == "pass":
            verdict, reason = "undecided", doubt
        faults = artefact_faults(*levels, failures=failures)
        if verdict == "undecided":
            doubts = artefact_doubts(*levels[:4])
            faults = (doubt, *(one for one in doubts if doubt not in one)) if doubt else doubts
        checks = (*graph, *measure.answers, *edges)
        why = cause(checks, number_failures(artefact.precision, merged), measure.tasks)
        return ArtefactResult(
            verdict,
            reason,
            self._size(name),
            graph,
            merged,
            measure.tasks,
            edges,
            options=model.session.options,
            faults=faults,
            cause=why if verdict != "pass" else "",
            answers=measure.answers,
            ways=measure.ways,
        )

    def _numbers(self, name: str, models: Models) -> tuple[Numbers, ...] | str:
        """Level 2 at every number of threads, or why it did not get to its end."""
        artefact, tasks = self._artefact(name), _tasks(self._bundle)
        try:
            return tuple(
                number_results(
                    sample,
                    model.logits,
                    tasks,
                    artefact.inputs,
                    artefact.ranges,
                    threads=count,
                    part=part,
                    parts=len(models),
                )
                for part, (count, model) in enumerate(models.items())
                for sample in self._samples
            )
        except (BackendError, InputError) as error:
            return str(error)


def _doubted(found: ArtefactResult, doubt: str) -> ArtefactResult:
    """A pass that something stands against, which is no fault of the artefact."""
    if not doubt or found.verdict != "pass":
        return found
    return replace(found, verdict="undecided", reason=doubt, faults=(doubt, *found.faults))


def _encoder(bundle: Bundle, name: str) -> Encoder:
    spec = bundle.manifest.inputs[name]
    files = {role: bundle.read(file) for role, file in spec.files.items()}
    return input_kind(spec.kind).open(spec, files)
