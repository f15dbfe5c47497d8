"""What a bench runs on: rows as they come, else golden or synthetic ones, in any batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.bundle.manifest import Artefact
from kd2edge.bundle.store import Bundle
from kd2edge.errors import DataError
from kd2edge.inputs.kinds import input_kind, masks
from kd2edge.inputs.rows import shortened
from kd2edge.inputs.spec import BATCH, ArraySpec, Encoded, dynamic_dimensions
from kd2edge.rows.rows import Rows
from kd2edge.runtime.batches import merged
from kd2edge.runtime.golden import golden_arrays

__all__ = ["BATCHES", "Piece", "Sample", "sample", "sample_of", "tiled", "values_of"]

#: Batches of each size: at least this many calls are timed, of as many lengths as the rows have.
BATCHES = 32

ArrayDict = dict[str, npt.NDArray[Any]]

_LENGTH = 32  # every dynamic length of synthetic rows, where the artefact takes that many
# Lengths that they have one after the other, as shares of that: sentences are of any length.
_SHARES = (0.4, 0.9, 0.2, 0.6, 1.0, 0.3, 0.7, 0.5)


@dataclass(frozen=True, slots=True)
class Piece:
    """One batch: the graph's arrays, and the raw values that they are of (None: there are none)."""

    arrays: ArrayDict
    raw: Mapping[str, list[Any]] | None


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows to run on.

    Args:
        source: ``rows``, ``golden`` or ``synthetic``.
        rows: graph inputs of some rows, or none where ``raw`` has them.
        lengths: of each of ``rows``; what is beyond is padding.
        raw: input -> raw values.
    """

    source: str
    rows: ArrayDict
    lengths: npt.NDArray[np.int64]
    raw: Mapping[str, list[Any]] | None = None

    def pieces(
        self,
        size: int,
        encode: Callable[[Mapping[str, Any]], Mapping[str, Encoded]],
        arrays: tuple[ArraySpec, ...],
        *,
        is_fixed: bool,
    ) -> list[Piece]:
        """:data:`BATCHES` batches of ``size`` rows in their order, from the first again at the end.

        Args:
            size: rows a batch.
            encode: raw values to encoded inputs.
            arrays: what the graph takes.
            is_fixed: the first batch over and over.
        """
        count = 1 if is_fixed else BATCHES
        made = [self._piece(at * size + np.arange(size), encode, arrays) for at in range(count)]
        return made * (BATCHES // count)

    def _piece(
        self,
        positions: npt.NDArray[np.int64],
        encode: Callable[[Mapping[str, Any]], Mapping[str, Encoded]],
        arrays: tuple[ArraySpec, ...],
    ) -> Piece:
        if self.raw is not None:
            count = len(next(iter(self.raw.values())))
            raw = {n: [values[at % count] for at in positions] for n, values in self.raw.items()}
            return Piece(merged(encode(raw)), raw)
        at = positions % len(self.lengths)
        longest = int(self.lengths[at].max())
        specs = {array.name: array for array in arrays}
        cut = {n: shortened(array[at], specs[n], longest) for n, array in self.rows.items()}
        return Piece({n: np.ascontiguousarray(array) for n, array in cut.items()}, None)


def sample_of(bundle: Bundle, rows: Rows | None, most: int) -> Sample:
    """Rows to run on: real ones where there are some, else the bundle's golden ones, else made-up.

    Args:
        bundle: the bundle.
        rows: real ones; None: none are at hand.
        most: rows of the largest batch.

    Raises:
        DataError: rows without a column, or values of a wrong type; the message names the place.
    """
    if rows is not None and len(rows):
        count = min(len(rows), BATCHES * most)
        chosen = np.linspace(0, len(rows) - 1, count).astype(np.int64)
        return Sample(
            "rows", {}, np.ones(count, np.int64), values_of(bundle, rows, chosen.tolist())
        )
    arrays, source = sample(bundle)
    if source == "golden":
        hiding = masks(bundle.manifest.inputs.values())
        return Sample(source, arrays, _lengths(arrays, hiding))
    artefact = next((one for one in bundle.manifest.artefacts.values() if one.inputs), None)
    low, high = _range(artefact)
    lengths = np.array([np.clip(share * _LENGTH, low, min(high, _LENGTH)) for share in _SHARES])
    return Sample(source, tiled(arrays, len(_SHARES)) if arrays else {}, lengths.astype(np.int64))


def _range(artefact: Artefact | None) -> tuple[int, int]:
    """The lengths that synthetic rows may have."""
    dims = () if artefact is None else dynamic_dimensions(artefact.inputs)
    ranges = [artefact.ranges[dim] for dim in dims if artefact and dim in artefact.ranges]
    lows, highs = zip(*ranges, strict=True) if ranges else ((1,), (_LENGTH,))
    return max(lows), max(highs)


def values_of(bundle: Bundle, rows: Rows, positions: Iterable[int]) -> dict[str, list[Any]]:
    """Raw values of some rows, by input.

    Raises:
        DataError: a row without a column, or a value of a wrong type; the message names the place.
    """
    found: dict[str, list[Any]] = {name: [] for name in bundle.manifest.inputs}
    for at in positions:
        row = rows[at]
        for name, spec in bundle.manifest.inputs.items():
            try:
                found[name].append(input_kind(spec.kind).value(spec, row, rows.root_of(at)))
            except ValueError as error:
                raise DataError(f"{rows.place(at)}: input {name}: {error}") from error
    return found


def _lengths(arrays: ArrayDict, hiding: Sequence[str]) -> npt.NDArray[np.int64]:
    """Length of each row, by its mask; without one the rows are all as long as they are."""
    found = [arrays[name] for name in hiding if name in arrays]
    rows = len(next(iter(arrays.values())))
    if not found:
        return np.full(rows, np.iinfo(np.int32).max, np.int64)
    return np.maximum(np.max([mask.sum(axis=1) for mask in found], axis=0), 1).astype(np.int64)


def sample(bundle: Bundle) -> tuple[ArrayDict, str]:
    """Some rows as graph inputs, and where they are from: ``golden`` or ``synthetic``.

    Synthetic rows are ones: a valid token id, a mask that hides nothing, a dark pixel.
    """
    manifest = bundle.manifest
    if manifest.golden:
        return golden_arrays(bundle.read(manifest.golden))[0], "golden"
    ready = [one for one in manifest.artefacts.values() if one.inputs]
    return {array.name: _ones(array, ready[0]) for array in ready[0].inputs} if ready else {}, (
        "synthetic"
    )


def tiled(rows: ArrayDict, batch: int) -> ArrayDict:
    """``batch`` rows: those of ``rows``, from the first again when they run out."""
    return {
        name: np.ascontiguousarray(np.take(array, np.arange(batch) % len(array), axis=0))
        for name, array in rows.items()
    }


def _ones(array: ArraySpec, artefact: Artefact) -> npt.NDArray[Any]:
    most = {dim: artefact.ranges.get(dim, (1, _LENGTH))[1] for dim in array.dynamic}
    sizes = {BATCH: 1} | {dim: min(_LENGTH, high) for dim, high in most.items()}
    shape = tuple(one if isinstance(one, int) else sizes.get(one, 1) for one in array.shape)
    return np.ones(shape, np.dtype(array.dtype))
