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
from kd2edge.validate.meaning import Meaning, SplitMeaning, meaning_of
from kd2edge.validate.record import REPORT, Record
from kd2edge.validate.reference import Reference
from kd2edge.validate.truths import inputs_fingerprint, labels_fingerprint
from kd2edge.validate.validation import Check

__all__ = ["Agreement", "agreement", "disagreements", "misreadings"]

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
    meaning: Meaning | None,
    reference: Reference | None,
    record: Record | None,
    manifest: Manifest,
    split: str,
) -> Agreement:
    """Hold all that a bundle says of its student against the one meaning of its outputs.

    Artefact and reference are judged by the same manifest: with labels in another order both would
    be as wrong, and no drop would show.  Nor would one between the artefacts and the outputs of the
    same weaker student.

    Args:
        meaning: what the outputs meant when they were stored; None: the bundle does not say.
        reference: the stored outputs; None: the bundle came without.
        record: what the report says; None: the bundle does not carry it.
        manifest: the bundle's.
        split: the split that is judged on.
    """
    if meaning is None:
        if reference is None:  # it may stay out of a transfer
            return Agreement()
        return _silent("the bundle does not say what its stored outputs mean")
    read = _checks(_MEANING, _misread(meaning, manifest))
    if reference is None:
        return Agreement(read)
    if record is None:
        silent = _silent("the bundle carries no report to hold its reference against")
        return Agreement((*read, *silent.checks), silent.doubt)
    tasks = {str(name): spec for name, spec in manifest.tasks.items()}
    faults = list(_others(meaning, reference, record, split))
    faults += disagreements(meaning, reference, record, tasks, split)
    return Agreement((*read, *_checks(_STUDENT, faults)))


def _checks(name: str, faults: list[str]) -> tuple[Check, ...]:
    return tuple(Check(name, "failed", fault) for fault in faults) or (Check(name, "ok"),)


def _silent(what: str) -> Agreement:
    doubt = f"{what}: {_AGAIN}"
    return Agreement((Check(_STUDENT, "not_run", doubt),), doubt)


def _misread(meaning: Meaning, manifest: Manifest) -> list[str]:
    hashes = {entry.path: entry.sha256 for entry in manifest.files}
    weights = manifest.provenance.get("student", "")
    found = meaning_of(weights, manifest.tasks, manifest.inputs, hashes)
    faults = misreadings(meaning, found, "the manifest")
    if weights != meaning.weights:
        faults.append(
            f"the stored PyTorch outputs are of a student with weights {_short(meaning.weights)}, "
            f"the manifest's has {_short(weights)}: export the run again"
        )
    return faults


def misreadings(meaning: Meaning, found: Meaning, place: str) -> list[str]:
    """Tasks that came or went, other labels, columns, settings than outputs were stored with."""
    return [
        *_differences("task", meaning.tasks, found.tasks, place),
        *_differences("input", meaning.inputs, found.inputs, place),
    ]


def _differences(
    kind: str,
    wanted: Mapping[str, Mapping[str, Any]],
    found: Mapping[str, Mapping[str, Any]],
    place: str,
) -> Iterator[str]:
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            yield f"{kind} {name}: PyTorch's stored outputs have it, {place} does not"
        elif name not in wanted:
            yield f"{kind} {name}: {place} has it, PyTorch's stored outputs do not"
        else:
            yield from (
                f"{kind} {name}: {key} is {_text(found[name].get(key))} in {place}, was"
                f" {_text(value)} when PyTorch's outputs were stored"
                for key, value in wanted[name].items()
                if canonical_json(found[name].get(key)) != canonical_json(value)
            )


def _text(value: Any) -> str:
    text = canonical_json(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _others(meaning: Meaning, reference: Reference, record: Record, split: str) -> Iterator[str]:
    """Another student's outputs, or another's report."""
    named = (("the stored PyTorch outputs", reference.meaning), (REPORT, record.meaning))
    for what, key in named:
        if key != meaning.key:
            yield (
                f"{what}: of another student, other rows or other labels: it names the meaning "
                f"{_short(key)}, the bundle's is {_short(meaning.key)}: export the run again"
            )
    if reference.split != split:
        yield (
            f"the outputs that are stored for the {split} split are of the {reference.split} split"
        )


def _short(key: str) -> str:
    return f"{key[:12]}..."


def disagreements(
    meaning: Meaning,
    reference: Reference,
    record: Record,
    tasks: Mapping[str, TaskSpec],
    split: str,
) -> list[str]:
    """Why the stored outputs of a split are not those that the report was made with.

    A key is only a name: rows, labels and every metric are worked out again from what is stored.

    Args:
        meaning: what the outputs mean, the rows that the report was made on among it.
        reference: the stored outputs.
        record: what the report said.
        tasks: name -> spec.
        split: ``validation`` or ``test``.
    """
    said = meaning.splits.get(split)
    if said is None or split not in record.splits:
        return [f"the report says nothing of the {split} split"]
    if len(reference.ids) != said.rows:
        return [
            f"the reference has {len(reference.ids):,} rows, the report was made on {said.rows:,}"
        ]
    faults = [*_other_rows(reference, said), *_other_inputs(reference, record, split)]
    parts = {"": reference, **reference.without}
    return faults or [
        fault
        for lacked, part in parts.items()
        for task, spec in tasks.items()
        for fault in _other_metrics(spec, task, part, (record, split, lacked))
    ]


def _other_rows(reference: Reference, said: SplitMeaning) -> Iterator[str]:
    if inputs_fingerprint(reference.hashes) != said.inputs:
        yield "the reference is of other rows than the report was made on"
    for task, truth in reference.truths.items():
        if labels_fingerprint(truth) != said.labels.get(task):
            yield f"task {task}: the reference's labels are not those that the report was made with"


def _other_inputs(reference: Reference, record: Record, split: str) -> Iterator[str]:
    stored, said = set(reference.without), set(record.without.get(split, {}))
    for lacked in sorted(stored ^ said):
        one, other = ("reference", "report") if lacked in stored else ("report", "reference")
        yield f"the {one} has rows without {lacked}, the {other} has none"


def _other_metrics(
    spec: TaskSpec, task: str, reference: Reference, place: tuple[Record, str, str]
) -> Iterator[str]:
    """How the metrics of stored decisions are not those that a record has of (split, lacked)."""
    record, split, lacked = place
    without = f" without {lacked}" if lacked else ""
    for metric in dict.fromkeys((spec.metric, *spec.metrics)):
        own = _measured(spec, task, metric, reference)
        reported = record.value(split, task, metric, lacked)
        if not _same(own, reported):
            yield (
                f"task {task}{without}: PyTorch's stored decisions reach {metric} {_number(own)}, "
                f"the report {_number(reported)}: they are not of the student that the report is "
                "about"
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
