"""``reference/report.json``: what the run's report says of the student, as a bundle carries it.

The manifest holds no measurement.  What the student reached travels beside PyTorch's outputs, so
that these can be held against it: a weaker student's outputs under another's report are noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kd2edge.errors import IntegrityError, SchemaTooNewError, UsageError
from kd2edge.files.fingerprint import canonical_json
from kd2edge.json_text import json_value

__all__ = ["REPORT", "Metrics", "Record", "open_record", "pack_record"]

#: Where it stands in a bundle.
REPORT = "reference/report.json"
#: Version of the layout.
SCHEMA = 2

#: A metric's ``value``, ``low``, ``high``, ``confidence``; all null where it has no value.
Numbers = Mapping[str, Any]


#: Task -> metric -> its numbers.
Metrics = Mapping[str, Mapping[str, Numbers]]


@dataclass(frozen=True, slots=True)
class Record:
    """What the student reached on each split.

    Args:
        meaning: key of what its outputs mean, see :mod:`meaning`.
        splits: split -> its metrics.
    """

    meaning: str
    splits: Mapping[str, Metrics]

    def value(self, split: str, task: str, metric: str) -> float | None:
        """A metric's value; None where the report has none."""
        found = self.splits.get(split, {}).get(task, {}).get(metric, {}).get("value")
        return None if found is None else float(found)


def pack_record(record: Record) -> bytes:
    """The bytes of a ``reference/report.json``; equal records give equal bytes."""
    return canonical_json(
        {"schema": SCHEMA, "meaning": record.meaning, "splits": dict(record.splits)}
    )


def open_record(content: bytes) -> Record:
    """Read a record from (verified) bytes.

    Raises:
        IntegrityError: the bytes are no record.
        SchemaTooNewError: a newer kd2edge wrote it.
        UsageError: an older one did.
    """
    try:
        found = json_value(content)
        schema = int(found["schema"])
        if schema > SCHEMA:
            raise SchemaTooNewError(
                f"{REPORT} has schema {schema}, this kd2edge reads up to {SCHEMA}: update it"
            )
        if schema < SCHEMA:
            raise UsageError(
                f"{REPORT} has schema {schema}, this kd2edge reads {SCHEMA}: run `kd2edge distill "
                "--resume` and export the run again"
            )
        splits = {str(name): _metrics(one) for name, one in found["splits"].items()}
        return Record(str(found["meaning"]), splits)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise IntegrityError(f"{REPORT}: not what kd2edge wrote: {error!r}") from error


def _metrics(found: Mapping[str, Any]) -> Metrics:
    return {
        str(task): {str(metric): dict(numbers) for metric, numbers in one.items()}
        for task, one in found.items()
    }
