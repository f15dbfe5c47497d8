"""The validator's door: open a bundle through the runtime, judge it, write evidence."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from kd2edge.bundle.evidence import append_evidence, require_writable
from kd2edge.bundle.store import Bundle, open_bundle
from kd2edge.errors import BackendError, UsageError
from kd2edge.events import OnProgress, Progress, ignore
from kd2edge.rows.rows import Rows
from kd2edge.tasks.spec import TaskSpec
from kd2edge.validate.agreement import agreement
from kd2edge.validate.artefacts import Artefacts
from kd2edge.validate.asked import asked_gate, asked_names
from kd2edge.validate.candidate import Loaded
from kd2edge.validate.carried import carried_meaning, carried_record, carried_reference
from kd2edge.validate.gate import outcome
from kd2edge.validate.judge import Case, Found, look
from kd2edge.validate.policy import Policy
from kd2edge.validate.reference import Reference
from kd2edge.validate.split import Split, matches
from kd2edge.validate.standing import FALLBACK, require_stored, says_something
from kd2edge.validate.validation import ArtefactResult, Basis, Validation
from kd2edge.validate.ways import shared_sizes, thread_counts
from kd2edge.validate.weighing import Ground, weighed

__all__ = ["FALLBACK", "validate_bundle"]


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
    policy = Policy(asked_gate(bundle, max_drop or {}, max_drop_class or {}, confidence))
    home = out or bundle.path
    require_writable(home)
    counts = thread_counts(threads)
    reference = carried_reference(bundle, split, _tasks(bundle))
    part = _split_of(bundle, rows, reference, split, from_run=from_run)
    case = Case(part, reference, policy, on_event=on_event)
    work = _Work(bundle, home, counts, split, from_run, case)
    with ExitStack() as stack:
        done = _judged(stack, work, names)
    found = done.results
    result = Validation(
        manifest=bundle.identity,
        name=bundle.manifest.name,
        split=split,
        rows=0 if rows is None else len(rows),
        fingerprint="" if rows is None else rows.fingerprint,
        references=done.references,
        confidence=policy.gate.confidence,
        outcome=outcome(found, are_named=artefacts is not None),
        artefacts=found,
        threads=counts,
        batches=shared_sizes(one.ways for one in found.values() if one.ways),
        distinct=0 if part is None else len(set(part.hashes)),
        without=done.without,
    )
    file = append_evidence(home, "validation", bundle.identity, result.to_json())
    result = replace(result, evidence=str(file))
    if not any(map(says_something, found.values())):
        raise _nothing_judged(result, done.ran)
    return result


@dataclass(frozen=True, slots=True)
class _Work:
    """A bundle to judge: where its evidence is, with which threads, on which split."""

    bundle: Bundle
    home: Path
    threads: tuple[int, ...]
    split: str
    from_run: bool
    case: Case


@dataclass(frozen=True, slots=True)
class _Done:
    """What came out, and whether any artefact could be loaded."""

    results: Mapping[str, ArtefactResult]
    references: Mapping[str, int]
    ran: bool
    without: Mapping[str, Basis]


def _split_of(
    bundle: Bundle, rows: Rows | None, reference: Reference | None, split: str, *, from_run: bool
) -> Split | None:
    """The rows with their labels, as far as these are those of the report."""
    if rows is None:
        return None
    part = Split.of(rows, bundle.manifest.inputs, _tasks(bundle))
    if reference is not None:
        part.require_labels_of(reference, _tasks(bundle), carried_meaning(bundle))
    if from_run:
        stored = int((matches(reference, part) >= 0).sum())
        require_stored(bundle, split, stored, len(part.ids))
    return part


def _judged(stack: ExitStack, work: _Work, names: list[str]) -> _Done:
    """Load every artefact, look at it, and weigh what was found."""
    bundle, case = work.bundle, work.case
    record = carried_record(bundle)
    meaning = carried_meaning(bundle)
    agreed = agreement(meaning, case.reference, record, bundle.manifest, work.split)
    artefacts = Artefacts(stack, bundle, work.home, work.threads, agreed.checks)
    graphs = {name: artefacts.graph(name) for name in names}
    case.on_event(Progress("graph", len(names), len(names)))
    opened = {name: artefacts.loaded(name, graphs[name]) for name in names}
    given = {name: one for name, one in opened.items() if isinstance(one, Loaded)}
    refused = {name: one for name, one in opened.items() if isinstance(one, ArtefactResult)}
    case = replace(case, golden=artefacts.golden)
    if given and FALLBACK not in given and case.split is not None:
        case = replace(case, stand_in=artefacts.stand_in())
    found = look(given, case)
    ground = Ground(bundle, work.home, work.split, work.from_run, record, agreed.doubt)
    results = {**refused, **weighed(found, ground, refused.get(FALLBACK))}
    sized = {
        name: replace(
            results[name],
            bytes=artefacts.size(name),
            options=artefacts.options.get(name, {}) if name in given else {},
        )
        for name in names
    }
    return _Done(sized, found.references, bool(given), _bases(found))


def _bases(found: Found) -> dict[str, Basis]:
    """The rows without each input that may be absent."""
    return {
        name: Basis(
            0 if part.case.split is None else len(part.case.split.ids),
            0 if part.case.split is None else len(set(part.case.split.hashes)),
            part.references,
        )
        for name, part in found.without.items()
    }


def _tasks(bundle: Bundle) -> dict[str, TaskSpec]:
    return {str(name): spec for name, spec in bundle.manifest.tasks.items()}


def _nothing_judged(result: Validation, ran: bool) -> Exception:
    reasons = "; ".join(f"{name}: {part.reason}" for name, part in result.artefacts.items())
    if ran:
        return UsageError(f"nothing of {result.name} could be judged on these rows: {reasons}")
    return BackendError(f"nothing of {result.name} can run here: {reasons}")
