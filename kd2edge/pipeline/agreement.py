"""Whether a run's student, stored outputs and report belong together.

Asked before an export and a validation: no student is shipped, or judged, under another's report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from kd2edge.bundle import Bundle
from kd2edge.errors import IntegrityError
from kd2edge.pipeline.finished import FinishedRun
from kd2edge.tasks.spec import TaskSpec
from kd2edge.validate import open_reference
from kd2edge.validate.agreement import disagreements
from kd2edge.validate.record import REPORT, Record, open_record

__all__ = ["require_one_student", "require_run_of"]


def require_one_student(
    run: FinishedRun, references: Mapping[str, bytes], tasks: Mapping[str, TaskSpec]
) -> Record:
    """The record of a run's report, once stored outputs, report and student were seen to agree.

    Args:
        run: the run.
        references: split -> bytes of its stored outputs.
        tasks: the student's tasks.

    Raises:
        IntegrityError: they are of several students, or do not say.
    """
    record, weights = run.record, run.weights
    if record is None:
        raise _apart(run, "report.json does not say which student it is about")
    if record.weights != weights:
        raise _apart(
            run,
            f"report.json is about a student with weights {record.weights[:12]}..., "
            f"student.safetensors has {weights[:12]}...",
        )
    for split, content in references.items():
        name, reference = f"reference-{split}.npz", open_reference(content, tasks)
        if reference.made is None:
            raise _apart(run, f"{name} does not say which student it is of")
        if reference.made.weights != weights:
            raise _apart(
                run,
                f"{name} is of a student with weights {reference.made.weights[:12]}..., "
                f"student.safetensors has {weights[:12]}...",
            )
        if reference.made.split != split:
            raise _apart(run, f"{name} is of the {reference.made.split} split")
        faults = disagreements(reference, record, tasks, split)
        if faults:
            raise _apart(run, f"{name}: {faults[0]}")
    return record


def _apart(run: FinishedRun, what: str) -> IntegrityError:
    place = run.folder
    return IntegrityError(
        f"{place.path}: {what}: run `kd2edge distill {place.recipe} --run-dir {place.path} "
        "--resume`, then export it"
    )


def require_run_of(run: FinishedRun, bundle: Bundle) -> None:
    """Refuse a run that is not the one that a bundle was made of, or that was changed since.

    Bundles of before it was kept do not say, and are judged with that doubt.

    Raises:
        IntegrityError: another student, or a report that says otherwise than the bundle's.
    """
    stated = bundle.manifest.provenance.get("student", "")
    if not stated:
        return
    if run.weights != stated:
        raise IntegrityError(
            f"{run.folder.path}: its student has weights {run.weights[:12]}..., the bundle "
            f"{bundle.path} was made of {stated[:12]}...: export the run again, or name the "
            "bundle's own run"
        )
    own = run.record
    if REPORT not in bundle.files or REPORT in bundle.left_out:
        return
    theirs = open_record(bundle.read(REPORT))
    odd = None if own is None else _first_difference(own, theirs)
    if own is None or odd:
        raise IntegrityError(
            f"{run.folder.report}: not the report that {bundle.path} was exported with"
            f"{f' ({odd})' if odd else ''}: export the run again"
        )


def _first_difference(own: Record, theirs: Record) -> str:
    if own.weights != theirs.weights:
        return "it is about another student"
    for split, one in own.splits.items():
        other = theirs.splits.get(split)
        if other is None or (one.inputs, one.labels) != (other.inputs, other.labels):
            return f"its {split} split has other rows or labels"
        for task, metrics in one.tasks.items():
            for metric in metrics:
                here, there = one.value(task, metric), other.value(task, metric)
                if not _same(here, there):
                    return f"{task} {metric} on {split} is {here}, was {there}"
    return ""


def _same(here: float | None, there: float | None) -> bool:
    if here is None or there is None:
        return here is there
    return math.isclose(here, there, rel_tol=0, abs_tol=1e-9)
