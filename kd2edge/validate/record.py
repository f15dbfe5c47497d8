"""``reference/report.json``: what the run's report says of the student, as a bundle carries it.

The manifest holds no measurement.  What the student reached travels beside PyTorch's outputs, so
that these can be held against it: a weaker student's outputs under another's report are noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kd2edge.errors import IntegrityError, SchemaTooNewError
from kd2edge.files.fingerprint import canonical_json
from kd2edge.json_text import json_value

__all__ = ["REPORT", "Record", "SplitRecord", "open_record", "pack_record"]

#: Where it stands in a bundle.
REPORT = "reference/report.json"
#: Version of the layout.
SCHEMA = 1

#: A metric's ``value``, ``low``, ``high``, ``confidence``; all null where it has no value.
Numbers = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SplitRecord:
    """What the report says of one split.

    Args:
        rows: how many there are.
        inputs: SHA-256 over the hashes of the rows' inputs, see ``truths.inputs_fingerprint``.
        labels: task -> SHA-256 over its labels, see ``truths.labels_fingerprint``.
        tasks: task -> metric -> its numbers.
    """

    rows: int
    inputs: str
    labels: Mapping[str, str]
    tasks: Mapping[str, Mapping[str, Numbers]]

    def value(self, task: str, metric: str) -> float | None:
        """A metric's value; None where the report has none."""
        found = self.tasks.get(task, {}).get(metric, {}).get("value")
        return None if found is None else float(found)


@dataclass(frozen=True, slots=True)
class Record:
    """The student by the SHA-256 of its weights, and what it reached on each split."""

    weights: str
    splits: Mapping[str, SplitRecord]


def pack_record(record: Record) -> bytes:
    """The bytes of a ``reference/report.json``; equal records give equal bytes."""
    splits = {
        name: {"rows": one.rows, "inputs": one.inputs, "labels": one.labels, "tasks": one.tasks}
        for name, one in record.splits.items()
    }
    return canonical_json({"schema": SCHEMA, "weights": record.weights, "splits": splits})


def open_record(content: bytes) -> Record:
    """Read a record from (verified) bytes.

    Raises:
        IntegrityError: the bytes are no record.
        SchemaTooNewError: a newer kd2edge wrote it.
    """
    try:
        found = json_value(content)
        if int(found["schema"]) > SCHEMA:
            raise SchemaTooNewError(
                f"{REPORT} has schema {found['schema']}, this kd2edge reads up to {SCHEMA}: "
                "update it"
            )
        splits = {str(name): _split(one) for name, one in found["splits"].items()}
        return Record(str(found["weights"]), splits)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise IntegrityError(f"{REPORT}: not what kd2edge wrote: {error!r}") from error


def _split(found: Mapping[str, Any]) -> SplitRecord:
    tasks = {
        str(task): {str(metric): dict(numbers) for metric, numbers in one.items()}
        for task, one in found["tasks"].items()
    }
    labels = {str(task): str(value) for task, value in found["labels"].items()}
    return SplitRecord(int(found["rows"]), str(found["inputs"]), labels, tasks)
