"""``reference/<split>.npz``: what PyTorch decided on every row of a split.

Artefacts are held against it.  It has the id and hash of each row, for each task the label and the
packed decision (classes exactly, top-k scores in fp16), and whole logits of the first :data:`FULL`
rows.  It names the meaning that stands beside it, see :mod:`meaning`.

Of a model that has inputs which may be absent it holds the same again for the rows without each of
them: which rows these are, their hashes, decisions and logits; labels are those of the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.errors import IntegrityError, SchemaTooNewError, UsageError
from kd2edge.files.fingerprint import canonical_json
from kd2edge.files.npz import npz_arrays, npz_bytes
from kd2edge.inputs.kinds import file_columns
from kd2edge.inputs.spec import InputSpec
from kd2edge.json_text import json_value
from kd2edge.ragged import Ragged, first
from kd2edge.rows.hashes import row_hash, row_id, with_files
from kd2edge.rows.rows import Row, Rows
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.outputs import arrays_of
from kd2edge.tasks.spec import Decoded, TaskName, TaskSpec, Truth
from kd2edge.validate.contradictions import contradictions
from kd2edge.validate.truths import (
    pack_truth,
    unpack_truth,
)

__all__ = [
    "FULL",
    "Lacking",
    "Reference",
    "open_reference",
    "pack_reference",
    "row_keys",
]

#: Version of the layout.
SCHEMA = 4
#: Rows whose logits are kept whole.
FULL = 64

#: What arrays of another shape, type or name than a reference's lead to.
_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, IntegrityError)

Arrays = dict[str, npt.NDArray[Any]]
Logits = npt.NDArray[np.floating[Any]] | Ragged
Specs = Mapping[str, TaskSpec] | Mapping[TaskName, TaskSpec]


@dataclass(frozen=True, slots=True)
class Reference:
    """An opened reference.

    Args:
        ids: id of each row.
        hashes: hash of each row's input columns, ``[row]``, 64 bit.
        decoded: task -> PyTorch's decisions, in the order of ``ids``.
        logits: array of a head -> logits of the first rows, ``[row, ..., C]`` or ragged
            ``[word, C]``.
        truths: task -> labels, in the order of ``ids``.
        meaning: key of the meaning of these outputs; "": nobody wrote it down.
        split: the split's name.
        without: input that may be absent -> the same of the rows without it.
    """

    ids: tuple[str, ...]
    hashes: npt.NDArray[np.uint64]
    decoded: Mapping[str, Decoded]
    logits: Mapping[str, Logits]
    truths: Mapping[str, Truth] = field(default_factory=dict[str, Truth])
    meaning: str = ""
    split: str = ""
    without: Mapping[str, Reference] = field(default_factory=dict[str, "Reference"])

    @property
    def full(self) -> int:
        """How many of the first rows have their whole logits."""
        return min(
            (part.rows if isinstance(part, Ragged) else len(part) for part in self.logits.values()),
            default=0,
        )


@dataclass(frozen=True, slots=True)
class Lacking:
    """What PyTorch said of the rows without an input.

    Args:
        rows: ``[row]`` which rows of the split these are, rising: those that have another input.
        hashes: hash of each, as it is without the input, 64 bit.
        decoded: task -> decisions.
        logits: array -> logits of the first rows (at most :data:`FULL` are kept).
    """

    rows: npt.NDArray[np.int64]
    hashes: Sequence[int] | npt.NDArray[Any]
    decoded: Mapping[str, Decoded]
    logits: Mapping[str, Logits]


def key_of(rows: Rows, inputs: Mapping[str, InputSpec]) -> Callable[[Row, int], tuple[str, int]]:
    """What tells id and hash of a row from it and its position.

    The hash is over the columns of the inputs, files by their bytes; labels are no part of it.
    """
    columns = sorted({column for spec in inputs.values() for column in spec.columns})
    files = file_columns(inputs.values())

    def key(row: Row, position: int) -> tuple[str, int]:
        if files:
            row = with_files(row, files, rows.root_of(position))
        return row_id(row, position), row_hash(row, columns)

    return key


def row_keys(rows: Rows, inputs: Mapping[str, InputSpec]) -> tuple[list[str], list[int]]:
    """Id and hash of every row."""
    key = key_of(rows, inputs)
    keys = [key(row, position) for position, row in enumerate(rows)]
    return [name for name, _ in keys], [value for _, value in keys]


def pack_reference(
    ids: Sequence[str],
    hashes: Sequence[int] | npt.NDArray[Any],
    decoded: Mapping[str, Decoded],
    logits64: Mapping[str, Logits],
    specs: Specs,
    *,
    truths: Mapping[str, Truth],
    meaning: str,
    split: str,
    without: Mapping[str, Lacking] = MappingProxyType({}),
) -> bytes:
    """The bytes of a ``reference/<split>.npz``; the same arguments give the same bytes.

    Args:
        ids: id of each row.
        hashes: hash of each row (64 bit, signed or not).
        decoded: task -> decisions for all rows, in the order of ``ids``.
        logits64: array -> logits of the first rows (at most :data:`FULL` are kept).
        specs: task -> its spec.
        truths: task -> labels for all rows.
        meaning: key of what these outputs mean.
        split: the split's name.
        without: input that may be absent -> what was said of the rows without it.

    Raises:
        ValueError: decisions, labels, ids and hashes of different number, or a task without a spec.
    """
    known = _by_name(specs)
    _require_same_rows(len(ids), hashes, decoded, truths, known)
    arrays: Arrays = {
        "schema": np.array(SCHEMA, np.int64),
        "ids": np.frombuffer(json.dumps(list(ids)).encode(), np.uint8),
        "of": np.frombuffer(canonical_json({"meaning": meaning, "split": split}), np.uint8),
    }
    for task, truth in truths.items():
        packed = pack_truth(truth)
        arrays.update({f"truth/{task}/{key}": value for key, value in packed.items()})
    arrays |= _packed_outputs(hashes, decoded, logits64, known)
    for name, part in without.items():
        own = _packed_outputs(part.hashes, part.decoded, part.logits, known)
        _require_same_rows(
            len(part.rows),
            part.hashes,
            part.decoded,
            {task: truth.taken(part.rows) for task, truth in truths.items()},
            known,
        )
        own["rows"] = np.asarray(part.rows, np.int64)
        arrays |= {f"{_without(name)}{key}": value for key, value in own.items()}
    return npz_bytes(arrays)


def _without(name: str) -> str:
    return f"without/{name}/"


def _packed_outputs(
    hashes: Sequence[int] | npt.NDArray[Any],
    decoded: Mapping[str, Decoded],
    logits64: Mapping[str, Logits],
    specs: Mapping[str, TaskSpec],
) -> Arrays:
    numbers = np.array([value % (1 << 64) for value in map(int, hashes)], np.uint64)
    arrays: Arrays = {"hashes": numbers}
    for task, part in decoded.items():
        packed = task_kind(specs[task].kind).pack(part)
        arrays.update({f"decoded/{task}/{key}": value for key, value in packed.items()})
    for task, logits in logits64.items():
        arrays.update(_packed_logits(task, logits))
    return arrays


def _require_same_rows(
    ids: int,
    hashes: Any,
    decoded: Mapping[str, Decoded],
    truths: Mapping[str, Truth],
    specs: Mapping[str, TaskSpec],
) -> None:
    if ids != len(hashes):
        raise ValueError(f"expected an id and a hash a row, found {ids} and {len(hashes)}")
    if truths.keys() != decoded.keys():
        raise ValueError(f"expected labels of {', '.join(decoded)}, found {', '.join(truths)}")
    for task, part in (*decoded.items(), *truths.items()):
        if task not in specs or len(part) != ids:
            raise ValueError(f"task {task}: expected a spec and {ids} rows, found {len(part)} rows")


def _by_name(specs: Specs) -> dict[str, TaskSpec]:
    return {str(name): spec for name, spec in specs.items()}


def _packed_logits(task: str, logits: Logits) -> Arrays:
    kept = first(logits, FULL)
    if not isinstance(kept, Ragged):
        return {f"logits/{task}": np.asarray(kept, np.float32)}
    values, offsets = np.asarray(kept.values, np.float32), np.asarray(kept.offsets, np.int64)
    return {f"logits/{task}": values, f"logit_offsets/{task}": offsets}


def open_reference(content: bytes, specs: Specs) -> Reference:
    """Read a reference from (verified) bytes.

    Raises:
        IntegrityError: the bytes are no reference, or lack a task of ``specs``.
        SchemaTooNewError: a newer kd2edge wrote it.
        UsageError: an older one did.
    """
    try:
        arrays = npz_arrays(content)
        schema = int(arrays["schema"])
        if schema > SCHEMA:
            raise SchemaTooNewError(
                f"the reference has schema {schema}, this kd2edge reads up to {SCHEMA}: update it"
            )
        if schema < SCHEMA:
            raise UsageError(
                f"the reference has schema {schema}, this kd2edge reads {SCHEMA}: run `kd2edge "
                "distill --resume` and export the run again"
            )
        return _opened(arrays, _by_name(specs))
    except _DAMAGE as error:
        raise IntegrityError(f"not a reference that kd2edge wrote: {error}") from error


def _opened(arrays: Arrays, specs: Mapping[str, TaskSpec]) -> Reference:
    names = tuple(str(name) for name in json_value(arrays["ids"].tobytes()))
    truths = {
        task: unpack_truth(spec, _below(arrays, f"truth/{task}/")) for task, spec in specs.items()
    }
    whole = _opened_outputs(arrays, names, truths, specs, *_of(arrays["of"]))
    lacked = {name.split("/")[1]: None for name in arrays if name.startswith("without/")}
    parts = {name: _below(arrays, _without(name)) for name in lacked}
    return replace(
        whole, without={name: _opened_part(one, whole, specs) for name, one in parts.items()}
    )


def _opened_part(arrays: Arrays, whole: Reference, specs: Mapping[str, TaskSpec]) -> Reference:
    """What was said of the rows without an input."""
    rows = arrays["rows"].astype(np.int64)
    if (np.diff(rows, prepend=-1) <= 0).any() or (rows >= len(whole.ids)).any():
        raise ValueError(f"expected rising rows below {len(whole.ids)}")
    names = tuple(whole.ids[row] for row in rows.tolist())
    truths = {task: one.taken(rows) for task, one in whole.truths.items()}
    return _opened_outputs(arrays, names, truths, specs, whole.meaning, whole.split)


def _opened_outputs(
    arrays: Arrays,
    names: tuple[str, ...],
    truths: Mapping[str, Truth],
    specs: Mapping[str, TaskSpec],
    meaning: str,
    split: str,
) -> Reference:
    decoded = {
        task: task_kind(spec.kind).unpack(spec, _below(arrays, f"decoded/{task}/"))
        for task, spec in specs.items()
    }
    heads = arrays_of(specs.values())
    logits = {name: _opened_logits(arrays, name) for name in heads if f"logits/{name}" in arrays}
    hashes = arrays["hashes"].astype(np.uint64)
    if len(names) != len(hashes):
        raise ValueError(f"{len(names)} ids for {len(hashes)} hashes")
    for task, (one, other) in contradictions(hashes, decoded, specs).items():
        raise ValueError(f"rows {one} and {other} have one input and two decisions for {task}")
    _require_same_rows(len(names), hashes, decoded, truths, specs)
    return Reference(names, hashes, decoded, logits, truths, meaning, split)


def _of(stored: npt.NDArray[Any]) -> tuple[str, str]:
    """(meaning, split)."""
    found = json_value(stored.tobytes())
    meaning, split = found["meaning"], found["split"]
    if not isinstance(meaning, str) or not isinstance(split, str):
        raise TypeError("of: expected two texts")
    return meaning, split


def _below(arrays: Arrays, prefix: str) -> Arrays:
    found = dict(_stripped(arrays, prefix))
    if not found:
        raise KeyError(f"no arrays named {prefix}*")
    return found


def _stripped(arrays: Arrays, prefix: str) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for name, value in arrays.items():
        if name.startswith(prefix):
            yield name[len(prefix) :], value


def _opened_logits(arrays: Arrays, task: str) -> Logits:
    values = arrays[f"logits/{task}"]
    offsets = arrays.get(f"logit_offsets/{task}")
    return values if offsets is None else Ragged(values, offsets.astype(np.int64))
