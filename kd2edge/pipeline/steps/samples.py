"""The rows that a run keeps so that export works after the data is gone: ``runs/NAME/samples/``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kd2edge.data.split import EncodedSplit
from kd2edge.errors import IntegrityError, StorageError
from kd2edge.files import fingerprint_bytes, npz_arrays, npz_bytes, write_atomic
from kd2edge.inputs.spec import ArraySpec
from kd2edge.nets import Net

__all__ = [
    "CALIBRATION",
    "GOLDEN",
    "arrays_of",
    "calibration_of",
    "calibration_sample",
    "read_arrays",
    "write_calibration",
    "write_golden",
]

Arrays = dict[str, npt.NDArray[Any]]

CALIBRATION = "calibration.npz"
GOLDEN = "golden.npz"
#: Rows of the golden file: enough to see a broken runtime, few enough to ship.
_GOLDEN_ROWS = 8
#: Rows that are calibrated together; short rows are not padded to the longest of all.
_BATCH = 8
#: In front of a dynamic dimension: how long each of the calibration rows is in it.
_LENGTHS = "lengths."


def write_calibration(folder: Path, split: EncodedSplit, rows: int, seed: int) -> None:
    """Keep ``rows`` training rows, chosen by ``seed``, in the order of their length.

    A row without a piece (an empty text, where the tokenizer adds no control tokens) has nothing
    that a range could be measured on: another is taken in its place, as far as there are any.

    Args:
        folder: the run's ``samples/``.
        split: the training rows.
        rows: how many at most.
        seed: of the choice.
    """
    random = np.random.Generator(np.random.PCG64([seed, 0xCA11]))
    filled = np.flatnonzero(split.lengths)
    count = min(rows, len(filled))
    chosen = filled[np.sort(random.choice(len(filled), count, replace=False))] if count else filled
    chosen = chosen[np.argsort(split.lengths[chosen], kind="stable")]
    arrays: Arrays = {name: value.numpy() for name, value in split.batch(chosen).inputs.items()}
    arrays |= {_LENGTHS + dim: own for dim, own in split.sizes(chosen).items()}
    write_atomic(folder / CALIBRATION, npz_bytes(arrays))


def write_golden(folder: Path, splits: Sequence[EncodedSplit], net: Net) -> None:
    """Keep a few rows with the net's logits, ``in.<array>`` and ``out.<task>``.

    They are the first of the first split in which any row has a piece, one with a piece among them:
    rows without any say nothing about a graph, and are as wide as each runtime likes.
    """
    split = next((one for one in splits if np.any(one.lengths)), splits[0])
    rows = np.arange(min(_GOLDEN_ROWS, len(split)), dtype=np.int64)
    if not np.any(split.lengths[rows]):
        rows = np.flatnonzero(split.lengths)[: len(rows)] if np.any(split.lengths) else rows
    batch = split.batch(rows)
    with torch.inference_mode():
        logits = net.eval()(batch.inputs)
    arrays: Arrays = {f"in.{name}": value.numpy() for name, value in batch.inputs.items()}
    arrays |= {f"out.{task}": value.numpy() for task, value in logits.items()}
    write_atomic(folder / GOLDEN, npz_bytes(arrays))


def read_arrays(path: Path) -> Arrays:
    """The arrays of a samples file.

    Raises:
        StorageError: it cannot be read.
        IntegrityError: it is damaged.
    """
    return arrays_of(path, _content(path))


def calibration_of(
    path: Path, specs: Sequence[ArraySpec]
) -> Callable[[], Iterable[Mapping[str, npt.NDArray[Any]]]]:
    """The calibration rows as batches, each trimmed to its own longest row; none is empty."""

    def batches() -> Iterable[Mapping[str, npt.NDArray[Any]]]:
        arrays = read_arrays(path)
        for begin in range(0, _rows(arrays), _BATCH):
            part = {name: array[begin : begin + _BATCH] for name, array in arrays.items()}
            yield {spec.name: _trimmed(spec, part) for spec in specs}

    return batches


def calibration_sample(path: Path, seed: int) -> Callable[[], Mapping[str, Any]]:
    """What an artefact says of the rows that it was calibrated on: how many, from where, which.

    The fingerprint is of the run's ``calibration.npz``, whose bytes follow from its arrays.
    """

    def stated() -> Mapping[str, Any]:
        content = _content(path)
        rows = _rows(arrays_of(path, content))
        return {"split": "train", "rows": rows, "seed": seed, "sha256": fingerprint_bytes(content)}

    return stated


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error


def arrays_of(path: Path, content: bytes) -> Arrays:
    """The arrays in the bytes of a samples file.

    Raises:
        IntegrityError: it is damaged.
    """
    try:
        return npz_arrays(content)
    except IntegrityError as error:
        raise IntegrityError(f"{path}: {error}: run `kd2edge distill --resume` again") from error


def _rows(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))


def _trimmed(spec: ArraySpec, arrays: Arrays) -> npt.NDArray[Any]:
    """An array of some rows without the padding that only other rows need."""
    array = arrays[spec.name]
    for dim, at in spec.dynamic.items():
        longest = max(1, int(arrays[_LENGTHS + dim].max()))
        array = array[(slice(None),) * at + (slice(longest),)]
    return array
