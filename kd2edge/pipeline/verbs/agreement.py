"""Whether a run's student, stored outputs and report belong together.

Asked before an export and a validation: no student is shipped, or judged, under another's report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from kd2edge.bundle import Bundle
from kd2edge.errors import IntegrityError
from kd2edge.files import fingerprint_bytes
from kd2edge.inputs.spec import InputSpec
from kd2edge.pipeline.verbs.finished import FinishedRun
from kd2edge.tasks.spec import TaskSpec
from kd2edge.validate import open_reference
from kd2edge.validate.agreement import disagreements, misreadings
from kd2edge.validate.carried import carried_meaning, carried_record
from kd2edge.validate.meaning import MEANING, meaning_of
from kd2edge.validate.record import Record

__all__ = ["require_one_student", "require_run_of"]


def require_one_student(
    run: FinishedRun,
    references: Mapping[str, bytes],
    tasks: Mapping[str, TaskSpec],
    inputs: Mapping[str, InputSpec],
    files: Mapping[str, bytes],
) -> None:
    """See that student, report and stored outputs are what the run's one meaning says.

    Args:
        run: the run.
        references: split -> bytes of its stored outputs.
        tasks: the student's tasks.
        inputs: the student's inputs.
        files: path -> bytes of the inputs' files.

    Raises:
        IntegrityError: they are of several students.
    """
    meaning, record = run.meaning, run.record
    if meaning.weights != run.weights:
        raise _apart(
            run,
            f"{MEANING} is of a student with weights {meaning.weights[:12]}..., "
            f"student.safetensors has {run.weights[:12]}...",
        )
    hashes = {path: fingerprint_bytes(content) for path, content in files.items()}
    own = meaning_of(run.weights, tasks, inputs, hashes)
    for fault in misreadings(meaning, own, "student.json"):
        raise _apart(run, fault)
    if record.meaning != meaning.key:
        raise _apart(run, "report.json is about another student, other rows or other labels")
    for split, content in references.items():
        name, reference = f"reference-{split}.npz", open_reference(content, tasks)
        if reference.split != split:
            raise _apart(run, f"{name} is of the {reference.split} split")
        if reference.meaning != meaning.key:
            raise _apart(run, f"{name} is of another student, other rows or other labels")
        for fault in disagreements(meaning, reference, record, tasks, split):
            raise _apart(run, f"{name}: {fault}")


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
    theirs = carried_meaning(bundle)
    stated = bundle.manifest.provenance.get("student", "")
    if not stated or theirs is None:
        return
    if run.weights != stated:
        raise IntegrityError(
            f"{run.folder.path}: its student has weights {run.weights[:12]}..., the bundle "
            f"{bundle.path} was made of {stated[:12]}...: export the run again, or name the "
            "bundle's own run"
        )
    odd = "" if run.meaning.key == theirs.key else "it is of other rows, labels or tasks"
    record = carried_record(bundle)
    if record is not None:
        odd = odd or _first_difference(run.record, record)
    if odd:
        raise IntegrityError(
            f"{run.folder.report}: not the report that {bundle.path} was exported with ({odd}): "
            "export the run again"
        )


def _first_difference(own: Record, theirs: Record) -> str:
    places = [
        (split, lacked) for split in own.splits for lacked in ("", *own.without.get(split, ()))
    ]
    for split, lacked in places:
        for task, metrics in (own.metrics(split, lacked) or {}).items():
            for metric in metrics:
                here, there = (one.value(split, task, metric, lacked) for one in (own, theirs))
                if not _same(here, there):
                    without = f" without {lacked}" if lacked else ""
                    return f"{task} {metric} on {split}{without} is {here}, was {there}"
    return ""


def _same(here: float | None, there: float | None) -> bool:
    if here is None or there is None:
        return here is there
    return math.isclose(here, there, rel_tol=0, abs_tol=1e-9)
