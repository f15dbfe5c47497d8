"""What a table's columns are on the training rows: scales of numbers, categories by name."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from kd2edge.errors import IntegrityError, UsageError
from kd2edge.files.fingerprint import canonical_json
from kd2edge.files.strict_json import Fields, as_integer, as_items, as_number, as_texts, parsed
from kd2edge.inputs.table_cells import KNOWN, Numbers

SCHEMA = 1
#: Most bytes of the file, and most categories of a column.
LONGEST, MOST = 1 << 26, 100_000
#: Bins that quantiles cut the training rows into; columns of few numbers have fewer.
_BINS = 512
#: Standard deviations from the mean: a number that lies farther is in another unit, or a mistake.
#: Sums of such numbers fit fp16.
_FARTHEST = 1000.0


@final
@dataclass(frozen=True, slots=True)
class Scale:
    """How the numbers of a column are scaled.

    Args:
        fill: what stands for a number that is missing: the mean, or the median.
        low: the smallest number of the training rows.
        high: the largest.
        deviation: the standard deviation; 0 where all numbers were the same.
        edges: quantiles, each larger than the one before; none where the deviation scales.
    """

    fill: float
    low: float
    high: float
    deviation: float
    edges: tuple[float, ...] = ()

    @property
    def bounds(self) -> tuple[float, float]:
        """Numbers that can be scaled; quantiles take those outside as their ends."""
        if self.edges or not self.deviation:
            return -np.inf, np.inf
        far = _FARTHEST * self.deviation
        return min(self.low, self.fill - far), max(self.high, self.fill + far)

    def scaled(self, numbers: Numbers) -> Numbers:
        """``[row]`` around 0; a column that never varied says nothing."""
        if self.low == self.high:
            return np.zeros_like(numbers)
        if self.edges:
            return np.interp(numbers, self.edges, np.linspace(-1, 1, len(self.edges)))
        return (numbers - self.fill) / self.deviation


@final
@dataclass(frozen=True, slots=True)
class Table:
    """All columns: numeric ones by their scale, categorical ones by their categories, sorted."""

    numeric: Mapping[str, Scale]
    categorical: Mapping[str, tuple[str, ...]]

    @property
    def size(self) -> int:
        """Ids of all categorical columns, each with those of missing and unknown."""
        return sum(KNOWN + len(names) for names in self.categorical.values())

    def to_bytes(self) -> bytes:
        """The file; the same table gives the same bytes."""
        scales = [
            {
                "column": column,
                "fill": one.fill,
                "low": one.low,
                "high": one.high,
                "deviation": one.deviation,
                "edges": list(one.edges),
            }
            for column, one in self.numeric.items()
        ]
        names = [{"column": name, "names": list(own)} for name, own in self.categorical.items()]
        return canonical_json({"schema": SCHEMA, "numeric": scales, "categorical": names})


def fitted_table(
    numeric: Sequence[str],
    categorical: Sequence[str],
    values: Iterable[Mapping[str, Any]],
    *,
    quantiles: bool,
    rare: int,
) -> Table:
    """Look at the training rows.

    Args:
        numeric: columns of numbers.
        categorical: columns of categories.
        values: rows as ``Tabular.raw`` gives them.
        quantiles: whether numbers are scaled by quantiles, and not by mean and deviation.
        rare: categories of fewer rows are left out: they count as unknown.

    Raises:
        UsageError: a column without anything in it, or with too many categories.
    """
    found = {name: array("d") for name in numeric}
    counts: dict[str, Counter[str]] = {name: Counter() for name in categorical}
    for row in values:
        for name, own in found.items():
            if row[name] is not None:
                own.append(row[name])
        for name, count in counts.items():
            if row[name] is not None:
                count[row[name]] += 1
    for name in (*found, *counts):
        if not (found.get(name) or counts.get(name)):
            raise UsageError(f"column {name!r} is empty in every training row: leave it out")
    scales = {name: _scale(np.array(own), quantiles=quantiles) for name, own in found.items()}
    table = Table(scales, {name: _names(name, own, rare) for name, own in counts.items()})
    if len(table.to_bytes()) > LONGEST:
        raise UsageError(f"categories of {LONGEST:,} bytes: are there texts among the columns?")
    return table


def _scale(numbers: Numbers, *, quantiles: bool) -> Scale:
    low, high = float(numbers.min()), float(numbers.max())
    deviation = float(numbers.std()) if low < high else 0.0
    if not quantiles:
        return Scale(min(max(float(numbers.mean()), low), high), low, high, deviation)
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, _BINS + 1)))
    return Scale(float(np.median(numbers)), low, high, deviation, tuple(edges.tolist()))


def _names(column: str, counts: Counter[str], rare: int) -> tuple[str, ...]:
    names = sorted(name for name, count in counts.items() if count >= rare)
    if len(names) > MOST:
        raise UsageError(
            f"column {column!r} has {len(names):,} categories, at most {MOST:,} are kept: raise"
            " `rare`, or leave it out if it is an id"
        )
    return tuple(names)


def open_table(
    content: bytes, numeric: Sequence[str], categorical: Sequence[str], place: str
) -> Table:
    """Read the file of a table with these columns.

    Args:
        content: its bytes.
        numeric: the columns of numbers that it must have, in this order.
        categorical: those of categories.
        place: what messages call it.

    Raises:
        IntegrityError: it is no such file.
    """
    fields = Fields(parsed(content, place, LONGEST), place)
    schema = fields.one("schema", as_integer)
    if schema != SCHEMA:
        raise IntegrityError(f"{place}: expected schema {SCHEMA}, found {schema}: train again")
    scales, names = fields.list("numeric", _as_scale), fields.list("categorical", _as_names)
    fields.end()
    for stated, found in ((numeric, scales), (categorical, names)):
        if list(stated) != [column for column, _ in found]:
            columns = ", ".join(column for column, _ in found)
            raise IntegrityError(
                f"{place}: expected {', '.join(stated)}, found {columns or 'none'}"
            )
    return Table(dict(scales), dict(names))


def _as_scale(value: object, where: str) -> tuple[str, Scale]:
    fields = Fields(value, where)
    column = str(fields.take("column"))
    fill, low, high, deviation = (
        fields.one(key, as_number) for key in ("fill", "low", "high", "deviation")
    )
    edges = fields.one("edges", _as_numbers)
    fields.end()
    rising = all(one < other for one, other in zip(edges, edges[1:], strict=False))
    if not (low <= fill <= high and (deviation > 0) == (low < high) and rising):
        raise IntegrityError(f"{where}: no scale: fill {fill}, from {low} to {high}")
    return column, Scale(fill, low, high, deviation, edges)


def _as_numbers(value: object, where: str) -> tuple[float, ...]:
    return as_items(value, where, as_number)


def _as_names(value: object, where: str) -> tuple[str, tuple[str, ...]]:
    fields = Fields(value, where)
    column, names = str(fields.take("column")), fields.one("names", as_texts)
    fields.end()
    if len(set(names)) != len(names) or len(names) > MOST:
        raise IntegrityError(f"{where}: expected at most {MOST:,} categories, each once")
    return column, names
