"""Whether manifest, stored PyTorch outputs and report are of one student and mean the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kd2edge.bundle.manifest import Manifest
from kd2edge.errors import DataError, UsageError
from kd2edge.files.fingerprint import canonical_json
from kd2edge.metrics.estimate import measure
from kd2edge.tasks.spec import TaskSpec
from kd2edge.validate.record import REPORT, Record, SplitRecord
from kd2edge.validate.reference import Made, Reference, described
from kd2edge.validate.truths import inputs_fingerprint, labels_fingerprint
from kd2edge.validate.validation import Check

__all__ = ["Agreement", "agreement", "disagreements"]

_MEANING, _STUDENT = "manifest", "reference"
_AGAIN = "run `kd2edge distill --resume` and export the run again"
_SHOWN = 120  # letters of a value in a message
#: By how much a metric may differ that is worked out again from the stored decisions.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was found.

    Args:
        checks: one a difference; ``ok`` where there is none.
        doubt: what cannot be known, so that nothing passes; "" when everything could be looked at.
    """

    checks: tuple[Check, ...] = ()
    doubt: str = ""


def agreement(
    reference: Reference | None, record: Record | None, manifest: Manifest, split: str
) -> Agreement:
    """Compare all that a bundle says of its student.

    Artefact and reference are judged by the same manifest: with labels in another order both would
    be as wrong, and no drop would show.  Nor would one between the artefacts and the outputs of the
    same weaker student.

    Args:
        reference: the stored outputs; None: the bundle came without.
        record: what the report says; None: the bundle does not carry it.
        manifest: the bundle's.
        split: the split that is judged on.
    """
    if reference is None:  # it may stay out of a transfer
        return Agreement()
    if not reference.made_with:
        return _silent("the reference does not say what it was made with")
    meaning = _checks(_MEANING, _misreadings(reference, manifest))
    if reference.made is None:
        silent = _silent("the reference says neither which student it is of nor its labels")
        return Agreement((*meaning, *silent.checks), silent.doubt)
    weights = manifest.provenance.get("student", "")
    if record is None or not weights:
        lacking = "carries no report" if record is None else "does not name its student's weights"
        silent = _silent(f"the bundle {lacking} to hold its reference against")
        return Agreement((*meaning, *silent.checks), silent.doubt)
    tasks = {str(name): spec for name, spec in manifest.tasks.items()}
    faults = list(_others(reference.made, record, weights, split))
    faults += disagreements(reference, record, tasks, split)
    return Agreement((*meaning, *_checks(_STUDENT, faults)))


def _checks(name: str, faults: list[str]) -> tuple[Check, ...]:
    return tuple(Check(name, "failed", fault) for fault in faults) or (Check(name, "ok"),)


def _silent(what: str) -> Agreement:
    doubt = f"{what}: {_AGAIN}"
    return Agreement((Check(_STUDENT, "not_run", doubt),), doubt)


def _misreadings(reference: Reference, manifest: Manifest) -> list[str]:
    """Tasks that came or went, other labels, columns, settings."""
    hashes = {entry.path: entry.sha256 for entry in manifest.files}
    found = described(manifest.tasks, manifest.inputs, hashes)
    return [
        fault
        for part in ("tasks", "inputs")
        for fault in _differences(part[:-1], reference.made_with[part], found[part])
    ]


def _differences(
    kind: str, wanted: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            yield f"{kind} {name}: PyTorch's stored outputs have it, the manifest does not"
        elif name not in wanted:
            yield f"{kind} {name}: the manifest has it, PyTorch's stored outputs do not"
        else:
            yield from (
                f"{kind} {name}: {key} is {_text(found[name][key])} in the manifest, was"
                f" {_text(value)} when PyTorch's outputs were stored"
                for key, value in wanted[name].items()
                if canonical_json(found[name].get(key)) != canonical_json(value)
            )


def _text(value: Any) -> str:
    text = canonical_json(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _others(made: Made, record: Record, weights: str, split: str) -> Iterator[str]:
    """Another student's outputs, or another's report."""
    if made.weights != weights:
        yield (
            f"the stored PyTorch outputs are of a student with weights {_short(made.weights)}, the "
            f"manifest's has {_short(weights)}: export the run again"
        )
    if record.weights != weights:
        yield (
            f"{REPORT} is of a student with weights {_short(record.weights)}, the manifest's has "
            f"{_short(weights)}: export the run again"
        )
    if made.split != split:
        yield f"the outputs that are stored for the {split} split are of the {made.split} split"


def _short(weights: str) -> str:
    return f"{weights[:12]}..."


def disagreements(
    reference: Reference, record: Record, tasks: Mapping[str, TaskSpec], split: str
) -> list[str]:
    """Why the stored outputs of a split are not those that the report was made with.

    Rows, labels and every metric are worked out again from what is stored.
    """
    made, said = reference.made, record.splits.get(split)
    if made is None or said is None:
        return [f"the report says nothing of the {split} split"]
    if len(reference.ids) != made.rows or made.rows != said.rows:
        return [
            f"the reference has {len(reference.ids):,} rows, the report was made on {said.rows:,}"
        ]
    faults = list(_other_rows(reference, made, said))
    return faults or [
        fault
        for task, spec in tasks.items()
        for fault in _other_metrics(spec, task, reference, said)
    ]


def _other_rows(reference: Reference, made: Made, said: SplitRecord) -> Iterator[str]:
    if not inputs_fingerprint(reference.hashes) == made.inputs == said.inputs:
        yield "the reference is of other rows than the report was made on"
    for task, truth in reference.truths.items():
        if not labels_fingerprint(truth) == made.labels.get(task) == said.labels.get(task):
            yield f"task {task}: the reference's labels are not those that the report was made with"


def _other_metrics(
    spec: TaskSpec, task: str, reference: Reference, said: SplitRecord
) -> Iterator[str]:
    assert reference.made is not None
    for metric in dict.fromkeys((spec.metric, *spec.metrics)):
        own = _measured(spec, task, metric, reference)
        stated = reference.made.metrics.get(task, {}).get(metric)
        reported = said.value(task, metric)
        if not _same(own, stated) or not _same(own, reported):
            yield (
                f"task {task}: PyTorch's stored decisions reach {metric} {_number(own)}, the "
                f"reference states {_number(stated)}, the report {_number(reported)}: they are not "
                "of the student that the report is about"
            )


def _measured(spec: TaskSpec, task: str, metric: str, reference: Reference) -> float | None:
    try:
        return measure(spec, reference.truths[task], reference.decoded[task], metric)
    except (DataError, UsageError, ValueError, IndexError):
        return None  # e.g. AUC where all rows have one label


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.isclose(one, other, rtol=0, atol=_ROUNDING))


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
