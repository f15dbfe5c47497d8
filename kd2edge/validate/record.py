"""``reference/report.json``: what the run's report says of the student, as a bundle carries it.

The manifest holds no measurement.  What the student reached travels beside PyTorch's outputs, so
that these can be held against it: a weaker student's outputs under another's report are noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
        without: split -> input that may be absent -> its metrics on the rows without it.
    """

    meaning: str
    splits: Mapping[str, Metrics]
    without: Mapping[str, Mapping[str, Metrics]] = field(
        default_factory=dict[str, Mapping[str, Metrics]]
    )

    def metrics(self, split: str, lacked: str = "") -> Metrics | None:
        """What is said of a split, or (``lacked``) of its rows without an input; None: nothing."""
        return self.without.get(split, {}).get(lacked) if lacked else self.splits.get(split)

    def value(self, split: str, task: str, metric: str, lacked: str = "") -> float | None:
        """A metric's value; None where the report has none.

        Args:
            split: ``validation`` or ``test``.
            task: its name.
            metric: its name.
            lacked: the input that no row has; "": each row has what it has.
        """
        said = self.metrics(split, lacked) or {}
        found = said.get(task, {}).get(metric, {}).get("value")
        return None if found is None else float(found)


def pack_record(record: Record) -> bytes:
    """The bytes of a ``reference/report.json``; equal records give equal bytes."""
    content = {"schema": SCHEMA, "meaning": record.meaning, "splits": dict(record.splits)}
    lacking = {split: dict(parts) for split, parts in record.without.items() if parts}
    return canonical_json(content | ({"without": lacking} if lacking else {}))


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
        lacking = {
            str(split): {str(name): _metrics(one) for name, one in parts.items()}
            for split, parts in found.get("without", {}).items()
        }
        return Record(str(found["meaning"]), splits, lacking)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise IntegrityError(f"{REPORT}: not what kd2edge wrote: {error!r}") from error


def _metrics(found: Mapping[str, Any]) -> Metrics:
    return {
        str(task): {str(metric): dict(numbers) for metric, numbers in one.items()}
        for task, one in found.items()
    }
