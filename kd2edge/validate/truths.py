"""The labels that a report was made with: kept beside PyTorch's outputs, and held against rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.files.fingerprint import fingerprint_bytes
from kd2edge.ragged import Ragged
from kd2edge.rows.rows import Rows
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import TaskSpec, Truth, is_stated

__all__ = [
    "inputs_fingerprint",
    "labels_fingerprint",
    "pack_truth",
    "require_known_labels",
    "unpack_truth",
]

Arrays = dict[str, npt.NDArray[Any]]


def pack_truth(truth: Truth) -> Arrays:
    """The columns of a truth, whole numbers in as few bytes as hold them.

    Ragged ones of a task count the same things (words, objects): they share ``offsets``.
    """
    found: Arrays = {}
    for name, column in truth.items():
        ragged = isinstance(column, Ragged)
        found[name] = _small(column.values if ragged else column)
        found |= {"offsets": column.offsets} if ragged else {}
    return found


def unpack_truth(spec: TaskSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> Truth:
    """What :func:`pack_truth` kept, the columns in the order of the task's kind."""
    kept = dict(arrays)
    offsets = kept.pop("offsets", None)
    whole = {
        name: values if values.dtype.kind == "f" else values.astype(np.int64)
        for name, values in _ordered(spec, kept).items()
    }
    if offsets is None:
        return Truth(**whole)
    own = offsets.astype(np.int64)
    return Truth(**{name: Ragged(values, own) for name, values in whole.items()})


def _ordered(spec: TaskSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """An archive has its members in any order, and the first column says what is labelled."""
    names = [field.name for field in task_kind(spec.kind).fields(spec)]
    if sorted(names) != sorted(arrays):
        raise ValueError(f"task {spec.name}: expected labels {names}, found {sorted(arrays)}")
    return {name: arrays[name] for name in names}


def _small(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.dtype.kind == "f":
        return values
    most = int(values.max(initial=0))
    return values.astype(np.int8 if most < 1 << 7 else np.int16 if most < 1 << 15 else np.int64)


def inputs_fingerprint(hashes: npt.NDArray[np.uint64]) -> str:
    """SHA-256 over the hashes of rows' inputs, in their order."""
    return fingerprint_bytes(np.asarray(hashes, "<u8").tobytes())


def labels_fingerprint(truth: Truth) -> str:
    """SHA-256 over a task's labels, in the order of the rows."""
    parts = [
        part
        for _, column in truth.items()
        for part in (column if isinstance(column, Ragged) else (column,))
    ]
    return fingerprint_bytes(b"".join(map(_plain_bytes, parts)))


def _plain_bytes(values: npt.NDArray[Any]) -> bytes:
    return np.asarray(values, "<f4" if values.dtype.kind == "f" else "<i8").tobytes()


class _Odd(NamedTuple):
    row: int
    place: int  # among the values that the row has
    here: Any  # None: there is another number of values
    stored: Any


def require_known_labels(
    rows: Rows,
    tasks: Mapping[str, TaskSpec],
    truths: Mapping[str, Truth],
    hashes: npt.NDArray[np.uint64],
    stored: Mapping[str, Truth],
    stored_hashes: npt.NDArray[np.uint64],
) -> None:
    """Refuse rows whose labels are others than those that the report was made with.

    A row is found by its input alone, so their order does not matter.  Where an input stands
    several times with several labels, any of these will do; a label that is missing, here or there,
    contradicts nothing.

    Args:
        rows: that are judged, for their places.
        tasks: name -> spec.
        truths: task -> labels of the rows.
        hashes: ``[row]`` of their inputs.
        stored: task -> labels that the report was made with.
        stored_hashes: ``[stored row]`` of the inputs.

    Raises:
        DataError: names the place, the task and both labels.
    """
    places = _places(stored_hashes)
    for task, spec in tasks.items():
        if task not in stored:
            continue
        odd = list(_contradictions(truths[task], hashes, stored[task], places))
        if odd:
            raise DataError(_told(rows, spec, odd, sum(int(value) in places for value in hashes)))


def _places(hashes: npt.NDArray[np.uint64]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row, value in enumerate(hashes.tolist()):
        found.setdefault(value, []).append(row)
    return found


def _contradictions(
    truth: Truth,
    hashes: npt.NDArray[np.uint64],
    stored: Truth,
    places: Mapping[int, list[int]],
) -> Iterator[_Odd]:
    for row, value in enumerate(hashes.tolist()):
        here = _stated(truth, row)
        differing = [_difference(row, here, _stated(stored, at)) for at in places.get(value, ())]
        if differing and None not in differing:
            yield next(odd for odd in differing if odd is not None)


def _stated(truth: Truth, row: int) -> npt.NDArray[Any]:
    """What the data says of a row, in one dimension: its class, or one of each word or label."""
    column = truth.first
    values = column.row(row) if isinstance(column, Ragged) else np.atleast_1d(column[row])
    return values.reshape(-1)


def _difference(row: int, here: npt.NDArray[Any], stored: npt.NDArray[Any]) -> _Odd | None:
    if not is_stated(here).any() or not is_stated(stored).any():
        return None
    if len(here) != len(stored):
        return _Odd(row, min(len(here), len(stored)), None, None)
    odd = np.flatnonzero((here != stored) & is_stated(here) & is_stated(stored))
    if not len(odd):
        return None
    at = int(odd[0])
    return _Odd(row, at, here[at], stored[at])


def _told(rows: Rows, spec: TaskSpec, odd: list[_Odd], known: int) -> str:
    first = odd[0]
    kind = task_kind(spec.kind)
    word = f" of word {first.place + 1}" if kind.per_word else ""
    said = "another number of labels"
    if first.here is not None:
        here, was = (kind.text(spec, one, first.place) for one in (first.here, first.stored))
        said = f"label{word} {here!r}, was {was!r}"
    return (
        f"{rows.place(first.row)}: task {spec.name}: {said} when the report was made ({len(odd):,} "
        f"of {known:,} known rows have other labels): these labels are not those that the report "
        "was made with; validate on the rows as they were, or distill and export again"
    )
