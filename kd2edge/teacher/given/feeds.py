"""What feeds the inputs of a graph: encoded arrays, columns of the rows, zeros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError, UsageError
from kd2edge.inputs.spec import ArraySpec

Array = npt.NDArray[Any]
Row = Mapping[str, Any]

#: A graph's type of texts, as ``runtime`` names it.
TEXTS = "object"


@final
@dataclass(frozen=True, slots=True)
class ArrayFeed:
    """An array of the batch.

    Args:
        array: its name.
        scale: what whole numbers are multiplied by where the graph takes fractions, ``[channel]``.
        shift: what is added to that, ``[channel]``.
    """

    array: str
    scale: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class ColumnsFeed:
    """Columns of the rows, side by side.

    Args:
        columns: their names.
        vocabulary: column -> its categories in the order of their ids.
        unknown: the id of any other category; None: it is refused.
    """

    columns: tuple[str, ...]
    vocabulary: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    unknown: int | None = None


@final
@dataclass(frozen=True, slots=True)
class ZerosFeed:
    """Zeros of the shape of an array of the batch."""

    like: str


Feed = ArrayFeed | ColumnsFeed | ZerosFeed


def fed(feed: Feed, spec: ArraySpec, arrays: Mapping[str, Array], rows: Sequence[Row]) -> Array:
    """What a graph's input is given for some rows.

    Args:
        feed: where it comes from.
        spec: the graph's input.
        arrays: of the batch.
        rows: the same rows by column; empty where no feed reads columns.

    Returns:
        Of the graph's type and number of dimensions.

    Raises:
        UsageError: what cannot feed such an input.
        DataError: a cell that is no number, or no known category.
    """
    if isinstance(feed, ColumnsFeed):
        found = _columns(feed, spec, rows)
    elif isinstance(feed, ZerosFeed):
        found = np.zeros(arrays[feed.like].shape, spec.dtype)
    else:
        found = _array(feed, spec, arrays[feed.array])
    if len(spec.shape) == 1 and found.ndim == 2 and found.size == len(found):
        found = found[:, 0]
    if found.ndim != len(spec.shape):
        raise UsageError(
            f"input {spec.name!r}: the graph wants {_shape(spec)}, what feeds it is"
            f" {list(found.shape)}: feed it by something else"
        )
    return found


def _shape(spec: ArraySpec) -> str:
    return f"{spec.dtype} [{', '.join(map(str, spec.shape))}]"


def _array(feed: ArrayFeed, spec: ArraySpec, found: Array) -> Array:
    has, wants = found.dtype.kind, np.dtype(spec.dtype).kind
    if wants == "f" and feed.scale:
        channels = (1, -1, *([1] * (found.ndim - 2)))
        scale, shift = (np.reshape(one, channels) for one in (feed.scale, feed.shift))
        found = found * scale + shift
    elif wants not in "iuf" or (has == "f") != (wants == "f"):
        # Rounding numbers to ids, or ids as numbers, would be no error and no answer either.
        raise UsageError(
            f"input {spec.name!r}: the graph wants {_shape(spec)}, the array {feed.array!r} is"
            f" {found.dtype} {list(found.shape)}: feed it by something else"
        )
    return np.ascontiguousarray(found.astype(spec.dtype))


def _columns(feed: ColumnsFeed, spec: ArraySpec, rows: Sequence[Row]) -> Array:
    """``[row, column]``, of the graph's type."""
    columns = [_column(feed, name, spec, [row[name] for row in rows]) for name in feed.columns]
    if spec.dtype == TEXTS:
        return np.array(columns, object).T.copy()
    return np.stack(columns, 1).astype(spec.dtype)


def _column(feed: ColumnsFeed, name: str, spec: ArraySpec, cells: Sequence[Any]) -> Array:
    if name in feed.vocabulary:
        return _ids(feed, name, spec, cells)
    if spec.dtype == TEXTS:
        odd = next((cell for cell in cells if not isinstance(cell, str | None)), None)
        if odd is not None:
            raise DataError(
                f"input {spec.name!r}: the graph wants texts, column {name!r} has {odd!r:.60}: list"
                " it under `categorical`, or feed a text"
            )
        return np.array(["" if cell is None else cell for cell in cells], object)
    odd = next((cell for cell in cells if not isinstance(cell, int | float | None)), None)
    if odd is not None:
        raise DataError(
            f"input {spec.name!r}: the graph wants numbers, column {name!r} has {odd!r:.60}: state"
            " its `vocabulary`"
        )
    numbers = np.array([np.nan if cell is None else cell for cell in cells], np.float64)
    if np.dtype(spec.dtype).kind != "f":
        whole = numbers == np.round(numbers)  # NaN is none
        if not whole.all():
            raise DataError(
                f"input {spec.name!r}: the graph wants {spec.dtype}, column {name!r} has"
                f" {numbers[int((~whole).argmax())]:g}"
            )
    return numbers


def _ids(feed: ColumnsFeed, name: str, spec: ArraySpec, cells: Sequence[Any]) -> Array:
    known: dict[Any, int] = {one: at for at, one in enumerate(feed.vocabulary[name])}
    found = [known.get(cell, feed.unknown) for cell in cells]
    if None in found:
        odd = cells[found.index(None)]
        raise DataError(
            f"input {spec.name!r}: column {name!r} has {odd!r:.60}, which its vocabulary lacks:"
            " add it, or state the id of `unknown` ones"
        )
    return np.array(found, np.int64)
