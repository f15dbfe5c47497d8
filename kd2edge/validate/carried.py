"""What a bundle carries of PyTorch: its outputs of a split, and what the report says of them."""

from __future__ import annotations

from collections.abc import Mapping

from kd2edge.bundle.store import Bundle
from kd2edge.tasks.spec import TaskSpec
from kd2edge.validate.meaning import MEANING, Meaning, open_meaning
from kd2edge.validate.record import REPORT, Record, open_record
from kd2edge.validate.reference import Reference, open_reference

__all__ = ["carried_meaning", "carried_record", "carried_reference"]


def carried_reference(
    bundle: Bundle, split: str, tasks: Mapping[str, TaskSpec]
) -> Reference | None:
    """The stored PyTorch outputs of a split; None when the bundle came without.

    Raises:
        IntegrityError: it is damaged.
    """
    file = bundle.manifest.references.get(split)
    if file is None or file in bundle.left_out:
        return None  # reference/ may stay out of a transfer archive
    return open_reference(bundle.read(file), tasks)


def carried_meaning(bundle: Bundle) -> Meaning | None:
    """What its outputs mean; None when the bundle does not say.

    Raises:
        IntegrityError: it is damaged.
    """
    return open_meaning(bundle.read(MEANING)) if MEANING in bundle.files else None


def carried_record(bundle: Bundle) -> Record | None:
    """What the run's report says; None when the bundle came without.

    Raises:
        IntegrityError: it is damaged.
    """
    if REPORT not in bundle.files or REPORT in bundle.left_out:
        return None
    return open_record(bundle.read(REPORT))
