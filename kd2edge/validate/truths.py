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
from kd2edge.tasks.spec import MISSING, TaskSpec, Truth, class_indices

__all__ = [
    "inputs_fingerprint",
    "labels_fingerprint",
    "pack_truth",
    "require_known_labels",
    "unpack_truth",
]

Ints = npt.NDArray[np.int64]
Arrays = dict[str, npt.NDArray[Any]]


def pack_truth(truth: Truth) -> Arrays:
    """Labels as the smallest whole numbers that hold them; ``offsets`` where words have them."""
    labels = truth.labels
    if not isinstance(labels, Ragged):
        return {"labels": _small(labels)}
    return {"labels": _small(labels.values), "offsets": labels.offsets}


def unpack_truth(arrays: Mapping[str, npt.NDArray[Any]]) -> Truth:
    """What :func:`pack_truth` kept."""
    labels = arrays["labels"].astype(np.int64)
    if "offsets" not in arrays:
        return Truth(labels)
    return Truth(Ragged(labels, arrays["offsets"].astype(np.int64)))


def _small(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    most = int(values.max(initial=0))
    return values.astype(np.int8 if most < 1 << 7 else np.int16 if most < 1 << 15 else np.int64)


def inputs_fingerprint(hashes: npt.NDArray[np.uint64]) -> str:
    """SHA-256 over the hashes of rows' inputs, in their order."""
    return fingerprint_bytes(np.asarray(hashes, "<u8").tobytes())


def labels_fingerprint(truth: Truth) -> str:
    """SHA-256 over a task's labels, in the order of the rows."""
    labels = truth.labels
    if not isinstance(labels, Ragged):
        return fingerprint_bytes(np.asarray(labels, "<i8").tobytes())
    both = (labels.values, labels.offsets)
    return fingerprint_bytes(b"".join(np.asarray(part, "<i8").tobytes() for part in both))


class _Odd(NamedTuple):
    row: int
    word: int  # -1 for tasks that label rows
    here: int
    stored: int


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
        here = _labels(truth, row)
        differing = [_difference(row, here, _labels(stored, at)) for at in places.get(value, ())]
        if differing and None not in differing:
            yield next(odd for odd in differing if odd is not None)


def _labels(truth: Truth, row: int) -> Ints:
    """The class of a row ``[1]``, or of each of its words."""
    if isinstance(truth.labels, Ragged):
        return class_indices(np.asarray(truth.labels.row(row), np.int64))
    return truth.labels[row : row + 1]


def _difference(row: int, here: Ints, stored: Ints) -> _Odd | None:
    if not (here != MISSING).any() or not (stored != MISSING).any():
        return None
    if len(here) != len(stored):
        return _Odd(row, min(len(here), len(stored)), MISSING, MISSING)
    odd = np.flatnonzero((here != stored) & (here != MISSING) & (stored != MISSING))
    if not len(odd):
        return None
    at = int(odd[0])
    return _Odd(row, at, int(here[at]), int(stored[at]))


def _told(rows: Rows, spec: TaskSpec, odd: list[_Odd], known: int) -> str:
    first = odd[0]
    word = f" of word {first.word + 1}" if spec.kind == "token_classification" else ""
    said = "another number of labels"
    if first.here != MISSING:
        said = f"label{word} {spec.labels[first.here]!r}, was {spec.labels[first.stored]!r}"
    return (
        f"{rows.place(first.row)}: task {spec.name}: {said} when the report was made ({len(odd):,} "
        f"of {known:,} known rows have other labels): these labels are not those that the report "
        "was made with; validate on the rows as they were, or distill and export again"
    )
