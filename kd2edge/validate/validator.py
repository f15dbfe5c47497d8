"""The validator's door: open a bundle through the runtime, judge it, write evidence."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from difflib import get_close_matches
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
from kd2edge.validate.cause import cause
from kd2edge.validate.edges import edge_checks
from kd2edge.validate.gate import (
    artefact_doubts,
    artefact_faults,
    artefact_verdict,
    failed_checks,
    number_failures,
    outcome,
)
from kd2edge.validate.golden import golden_checks, raw_found
from kd2edge.validate.graph import graph_checks
from kd2edge.validate.measure import Candidate, Measured, measured
from kd2edge.validate.numbers import Numbers, merged_numbers, number_results
from kd2edge.validate.record import REPORT, Record, open_record
from kd2edge.validate.reference import Reference, open_reference
from kd2edge.validate.sample import samples_of, usual_values
from kd2edge.validate.split import Split
from kd2edge.validate.tasks import Budget
from kd2edge.validate.validation import ArtefactResult, Check, Validation
from kd2edge.validate.ways import shared_sizes, thread_counts

__all__ = ["FALLBACK", "validate_bundle"]

#: The artefact that stands in where rows have no stored PyTorch output.
FALLBACK = "onnx-fp32"

#: Number of threads -> an artefact loaded with as many.
Models = dict[int, Model]


def validate_bundle(
    path: str | os.PathLike[str],
    *,
    rows: Rows | None,
    split: str = "test",
    artefacts: Iterable[str] | None = None,
    max_drop: Mapping[str, float] | None = None,
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
        artefacts: ids; None: all.
        max_drop: task -> budget in [0, 1]; overrides the manifest's.
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
    names = _names(bundle, artefacts)
    sure = _confidence(bundle, confidence)
    budgets = _budgets(bundle, max_drop or {}, sure)
    home = out or bundle.path
    require_writable(home)
    tasks, counts = _tasks(bundle), thread_counts(threads)
    reference = _reference(bundle, split, tasks)
    part = None if rows is None else Split.of(rows, bundle.manifest.inputs, tasks)
    if part is not None and reference is not None:
        part.require_labels_of(reference, tasks)
    work = _Work(bundle, home, names, budgets, counts, part, split, reference, on_event)
    with ExitStack() as stack:
        found, references = work.run(stack)
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
    if all(part.verdict == "not_run" for part in found.values()):
        raise _nothing_judged(result, work.ran)
    return result


def _names(bundle: Bundle, asked: Iterable[str] | None) -> list[str]:
    known = list(bundle.manifest.artefacts)
    names = known if asked is None else list(dict.fromkeys(asked))
    for name in names:
        if name not in known:
            raise UsageError(f"{bundle.path} has no artefact {name!r}; it has {', '.join(known)}")
    if not names:
        raise UsageError(f"{bundle.path} has no artefact to validate; export the run again")
    return names


def _confidence(bundle: Bundle, asked: float | None) -> float:
    stated = bundle.manifest.gate.get("confidence", 0.95) if asked is None else asked
    if not 0.5 < stated < 1:
        raise UsageError(
            f"confidence must be between 0.5 and 1, found {stated}; state one with --confidence"
        )
    return float(stated)


def _budgets(
    bundle: Bundle, overrides: Mapping[str, float], confidence: float
) -> dict[str, Budget]:
    """Task -> budget; the fp32 artefacts' own demand is added where it applies."""
    tasks = bundle.manifest.tasks
    for task, value in overrides.items():
        if task not in tasks:
            near = get_close_matches(task, list(tasks), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(tasks)}"
            raise UsageError(f"max_drop names the task {task!r}, which the bundle lacks; {hint}")
        if not 0 <= value <= 1:
            raise UsageError(f"max_drop of {task} must be a share from 0 to 1, found {value}")
    stated = {**bundle.manifest.gate.get("max_drop", {}), **overrides}
    missing = [task for task in tasks if task not in stated]
    if missing:
        raise UsageError(
            f"no budget for {', '.join(missing)}: state it in the recipe (validate.max_drop) "
            f"or with --max-drop {missing[0]}=0.005"
        )
    return {task: Budget(float(stated[task]), confidence, False) for task in tasks}


def _tasks(bundle: Bundle) -> dict[str, TaskSpec]:
    return {str(name): spec for name, spec in bundle.manifest.tasks.items()}


def _reference(bundle: Bundle, split: str, tasks: Mapping[str, TaskSpec]) -> Reference | None:
    """The stored PyTorch outputs of a split; None when the bundle came without."""
    file = bundle.manifest.references.get(split)
    if file is None or file in bundle.left_out:
        return None  # reference/ may stay out of a transfer archive
    return open_reference(bundle.read(file), tasks)


def _record(bundle: Bundle) -> Record | None:
    """What the run's report says; None when the bundle came without."""
    if REPORT not in bundle.files or REPORT in bundle.left_out:
        return None
    return open_record(bundle.read(REPORT))


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
        self._usual = usual_values(split, self._encoders)
        self._samples = samples_of(bundle, self._encoders, split, reference)
        #: Whether any artefact could be loaded.
        self.ran = False

    def run(self, stack: ExitStack) -> tuple[dict[str, ArtefactResult], dict[str, int]]:
        """(artefact -> result, reference -> rows held against it)."""
        record = _record(self._bundle)
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
                doubt = doubt or self._doubt(helper)
        found: dict[str, ArtefactResult] = {}
        for done, name in enumerate(self._names, start=1):
            found[name] = refused.get(name) or self._result(
                name, models[name], graphs[name], numbers[name], tasks.get(name, Measured()), doubt
            )
            self._on_event(Progress("edges", done, len(self._names)))
        return found, references

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
        graph = (*graph, *(check for check in golden if check.status != "not_run"))
        edges = tuple(check for check in golden if check.status == "not_run")
        if isinstance(numbers, str):  # one level that cannot run hides no other
            failures.append(f"numbers: {numbers}")
        merged = {} if isinstance(numbers, str) else merged_numbers(numbers)
        try:
            edges = (*self._edges(models), *edges)
        except (BackendError, InputError) as error:
            failures.append(f"edges: {error}")
        levels = (artefact.precision, graph, merged, measure.tasks, edges, measure.answers)
        verdict, reason = artefact_verdict(*levels, failures=failures)
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

    def _edges(self, models: Models) -> tuple[Check, ...]:
        """Level 5 with every number of threads; one result of each check, the first that failed."""
        found: dict[str, Check] = {}
        for count, model in models.items():
            for check in edge_checks(model, self._encoders, self._usual):
                if found.setdefault(check.name, check).status == "ok" != check.status:
                    detail = f"{check.detail} ({count} threads)"
                    found[check.name] = replace(check, detail=detail)
        return tuple(found.values())

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
                    whole=count == min(models),
                )
                for count, model in models.items()
                for sample in self._samples
            )
        except (BackendError, InputError) as error:
            return str(error)


def _encoder(bundle: Bundle, name: str) -> Encoder:
    spec = bundle.manifest.inputs[name]
    files = {role: bundle.read(file) for role, file in spec.files.items()}
    return input_kind(spec.kind).open(spec, files)
