"""``meaning.json``: what a student's outputs mean, and which student and which rows they are of.

Written once, at the end of a run.  Report, stored outputs and bundle name it by the SHA-256 of its
bytes and say none of it again: what names another one is of another student.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kd2edge.errors import IntegrityError, SchemaTooNewError
from kd2edge.files.fingerprint import canonical_json, fingerprint_bytes
from kd2edge.files.strict_json import Fields, as_integer, as_object, as_text, parsed
from kd2edge.inputs.spec import InputSpec
from kd2edge.tasks.spec import TaskName, TaskSpec

__all__ = ["MEANING", "Meaning", "SplitMeaning", "meaning_of", "open_meaning"]

#: Where it stands in a run and in a bundle.
MEANING = "meaning.json"
#: Version of the layout.
SCHEMA = 1
_LIMIT = 64 << 20

#: What of a task tells which label an index is, and what a score says.
_TASK = ("kind", "labels", "metric", "column", "input", "decode", "unit")
_INPUT = ("kind", "columns", "options")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SplitMeaning:
    """The rows of a split.

    Args:
        rows: how many there are.
        inputs: SHA-256 over the hashes of their inputs, see ``truths.inputs_fingerprint``.
        labels: task -> SHA-256 over its labels, see ``truths.labels_fingerprint``.
    """

    rows: int
    inputs: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What outputs mean.

    Args:
        weights: SHA-256 of the student's safetensors.
        tasks: task -> kind, labels, metric, column, input, decode settings, unit.
        inputs: input -> kind, columns, options, and the SHA-256 of each of its files by role.
        splits: the rows that the student was measured on.
    """

    weights: str
    tasks: Mapping[str, Json]
    inputs: Mapping[str, Json]
    splits: Mapping[str, SplitMeaning] = field(default_factory=dict[str, SplitMeaning])

    def to_json(self) -> bytes:
        """The bytes of a ``meaning.json``; equal meanings give equal bytes."""
        splits = {
            name: {"rows": one.rows, "inputs": one.inputs, "labels": one.labels}
            for name, one in self.splits.items()
        }
        return canonical_json(
            {
                "schema": SCHEMA,
                "weights": self.weights,
                "tasks": self.tasks,
                "inputs": self.inputs,
                "splits": splits,
            }
        )

    @property
    def key(self) -> str:
        """What names it: the SHA-256 of its bytes."""
        return fingerprint_bytes(self.to_json())


def meaning_of(
    weights: str,
    tasks: Mapping[str, TaskSpec] | Mapping[TaskName, TaskSpec],
    inputs: Mapping[str, InputSpec],
    files: Mapping[str, str],
    splits: Mapping[str, SplitMeaning] | None = None,
) -> Meaning:
    """The meaning of a student's outputs.

    Indices and scores alone would agree with a manifest whose labels stand in another order.

    Args:
        weights: SHA-256 of its safetensors.
        tasks: task -> its spec.
        inputs: input -> its spec.
        files: path in ``InputSpec.files`` -> SHA-256 of its bytes.
        splits: the rows that it was measured on.
    """
    return Meaning(
        weights,
        {str(name): {key: getattr(spec, key) for key in _TASK} for name, spec in tasks.items()},
        {
            name: {
                **{key: getattr(spec, key) for key in _INPUT},
                "files": {role: files.get(path, "") for role, path in spec.files.items()},
            }
            for name, spec in inputs.items()
        },
        splits or {},
    )


def open_meaning(content: bytes, place: str = MEANING) -> Meaning:
    """Read a meaning from (verified) bytes.

    Raises:
        IntegrityError: the bytes are none.
        SchemaTooNewError: a newer kd2edge wrote it.
    """
    fields = Fields(parsed(content, place, _LIMIT), place)
    schema = fields.one("schema", partial(as_integer, least=1))
    if schema > SCHEMA:
        raise SchemaTooNewError(
            f"{place} has schema {schema}, this kd2edge reads up to {SCHEMA}: update it"
        )
    meaning = Meaning(
        fields.one("weights", as_text),
        fields.table("tasks", as_object),
        fields.table("inputs", as_object),
        fields.table("splits", _split),
    )
    fields.end()
    if meaning.to_json() != content:  # or its key would not be that of its bytes
        raise IntegrityError(f"{place}: not as kd2edge writes it")
    return meaning


def _split(value: object, where: str) -> SplitMeaning:
    fields = Fields(value, where)
    split = SplitMeaning(
        fields.one("rows", as_integer),
        fields.one("inputs", as_text),
        fields.table("labels", as_text),
    )
    fields.end()
    return split
