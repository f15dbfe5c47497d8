"""Tables: a row of numbers and categories, by column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import InputError, UsageError
from kd2edge.inputs.cell import described, no_column
from kd2edge.inputs.fitted_table import Scale, Table, fitted_table, open_table
from kd2edge.inputs.kind import Encoder, IdRows, InputKind, Probes, Twin
from kd2edge.inputs.spec import BATCH, ArraySpec, Encoded, InputSpec
from kd2edge.inputs.table_cells import KNOWN, LARGEST, Numbers, category, ids, number, numbers
from kd2edge.inputs.table_twins import table_twins
from kd2edge.ragged import listed

Row = Mapping[str, Any]

#: Rows of probes that ask for every category, at most.
_PROBED = 4096


@final
class Tabular(InputKind):
    """A mapping of columns a row.

    Options: ``numeric`` and ``categorical`` (names of columns), ``scaling`` (standard, quantile),
    ``rare`` (categories of fewer training rows are unknown), ``prefix``.  File: ``table``, what was
    fitted.
    """

    name = "tabular"
    columns = None
    fits = True
    picky = True
    usual_probes = False  # all numbers at their largest lie far from any data

    def arrays(self, spec: InputSpec) -> tuple[ArraySpec, ...]:
        numeric, categorical = columns_of(spec)
        shapes = (
            ("numbers", "float32", len(numeric)),
            ("missing", "float32", len(numeric)),
            ("categories", "int64", len(categorical)),
        )
        return tuple(
            ArraySpec(spec.prefix + name, dtype, (BATCH, count))
            for name, dtype, count in shapes
            if count
        )

    def fit(self, spec: InputSpec, values: Iterable[Any]) -> Mapping[str, bytes]:
        quantiles = spec.options.get("scaling", "standard") == "quantile"
        rare = int(spec.options.get("rare", 1))
        table = fitted_table(*columns_of(spec), values, quantiles=quantiles, rare=rare)
        return {"table": table.to_bytes()}

    def ids(self, spec: InputSpec, files: Mapping[str, bytes]) -> int | None:
        return _table(spec, files).size or None

    def notes(self, spec: InputSpec, files: Mapping[str, bytes]) -> tuple[str, ...]:
        table = _table(spec, files)
        same = [name for name, one in table.numeric.items() if one.low == one.high]
        same += [name for name, names in table.categorical.items() if len(names) == 1]
        rare = [name for name, names in table.categorical.items() if not names]
        said = (
            (same, "the same in every training row that has it"),
            (rare, "without a category that is not rare: all of them count as unknown"),
        )
        return tuple(f"{', '.join(names)}: {what}" for names, what in said if names)

    def encoder(self, spec: InputSpec, files: Mapping[str, bytes]) -> Encoder:
        return TabularEncoder(spec, _table(spec, files))

    def raw(self, spec: InputSpec, row: Mapping[str, Any], root: str) -> dict[str, Any]:
        """Numbers as floats, categories by their name, None for what is missing."""
        del root
        numeric, categorical = columns_of(spec)
        found: dict[str, Any] = {name: _read(row, name, number) for name in numeric}
        return found | {name: _read(row, name, category) for name in categorical}

    def nothing(self, spec: InputSpec) -> dict[str, Any]:
        return dict.fromkeys(spec.columns)

    def is_absent(self, value: Any) -> bool:
        if isinstance(value, Mapping):
            cells = cast("Mapping[str, Any]", value).values()
            return all(super(Tabular, self).is_absent(cell) for cell in cells)
        return super().is_absent(value)

    def sample(self, spec: InputSpec) -> dict[str, Any]:
        numeric, categorical = columns_of(spec)
        return {**dict.fromkeys(numeric, 1.5), **dict.fromkeys(categorical, "name")}

    def probes(self, spec: InputSpec, files: Mapping[str, bytes]) -> Probes:
        table = _table(spec, files)
        edges = TabularEncoder(spec, table).edge_values()
        usual = {name: one for name, one in edges.items() if name != "farthest"}
        most = max((len(names) for names in table.categorical.values()), default=0)
        return Probes(
            usual,
            [_categories(table, at) for at in range(min(most, _PROBED))],
            tuple(_id_rows(spec, table)),
        )

    def twins(self, spec: InputSpec, files: Mapping[str, bytes]) -> Iterable[Twin]:
        table = _table(spec, files)
        largest = {name: one.high for name, one in table.numeric.items()}
        return table_twins(largest, table.categorical)


@final
class TabularEncoder(Encoder):
    """Mappings of columns to ``numbers``, ``missing`` (1 or 0) and ``categories``.

    Categories of all columns have ids of their own: those of a column follow those of the column
    before, with missing and unknown in front, so that one table holds what stands for them.
    """

    def __init__(self, spec: InputSpec, table: Table) -> None:
        self._input, self._prefix = spec.name, spec.prefix
        self.arrays = Tabular().arrays(spec)
        self._table = table
        self._ids = {
            name: {one: at for at, one in enumerate(names, start=KNOWN)}
            for name, names in table.categorical.items()
        }

    def encode(self, values: Sequence[Any]) -> Encoded:
        rows = self._checked(values)
        found: dict[str, npt.NDArray[Any]] = {}
        if self._table.numeric:
            columns = [self._column(rows, name, numbers, number) for name in self._table.numeric]
            missing = np.isnan(np.stack(columns, 1))
            scaled = [
                self._scaled(name, one)
                for name, one in zip(self._table.numeric, columns, strict=True)
            ]
            found["numbers"] = np.stack(scaled, 1).astype(np.float32)
            found["missing"] = missing.astype(np.float32)
        if self._table.categorical:
            parts: list[npt.NDArray[np.int64]] = []
            start = 0
            for name, known in self._ids.items():
                read = self._column(rows, name, lambda cells, own=known: ids(cells, own), category)
                parts.append(read + start)
                start += KNOWN + len(known)
            found["categories"] = np.stack(parts, 1)
        return Encoded({self._prefix + name: one for name, one in found.items()})

    def length(self, encoded: Encoded) -> npt.NDArray[np.int64]:
        return np.ones(len(next(iter(encoded.arrays.values()))), np.int64)

    def truncated(self, value: Any) -> bool:
        del value
        return False

    def edge_values(self) -> Mapping[str, Any]:
        scales, usual = self._table.numeric, _categories(self._table, 0)
        unseen = dict.fromkeys(self._table.categorical, "\0never seen\0")
        missing = dict.fromkeys(usual)
        return {
            "usual": usual,
            "categories never seen": {**usual, **unseen},
            "smallest": {**usual, **{name: one.low for name, one in scales.items()}},
            "largest": {**usual, **{name: one.high for name, one in scales.items()}},
            "farthest": {**usual, **{name: _farthest(one) for name, one in scales.items()}},
            "nothing known": missing,
        }

    def _checked(self, values: Sequence[Any]) -> list[Row]:
        rows = list(values)
        for at, row in enumerate(rows):
            if not isinstance(row, Mapping):
                columns = ", ".join((*self._table.numeric, *self._table.categorical))
                reason = f"expected a mapping of the columns {columns}, found {described(row)}"
                raise InputError(reason, name=self._input, row=at)
        return rows

    def _column(
        self,
        rows: Sequence[Row],
        name: str,
        read: Callable[[Sequence[Any]], npt.NDArray[Any]],
        one: Callable[[Any], Any],
    ) -> npt.NDArray[Any]:
        """A column at once; where that fails, cell by cell, to name the row."""
        try:
            return read([row[name] for row in rows])
        except (KeyError, ValueError, TypeError):
            for at, row in enumerate(rows):
                try:
                    _read(row, name, one)
                except ValueError as error:
                    raise InputError(str(error), name=self._input, row=at) from error
            raise

    def _scaled(self, name: str, column: Numbers) -> Numbers:
        scale = self._table.numeric[name]
        filled = np.where(np.isnan(column), scale.fill, column)
        low, high = scale.bounds
        outside = np.flatnonzero((filled < low) | (filled > high))
        if len(outside):
            found = float(filled[outside[0]])
            raise InputError(
                f"column {name!r}: expected a number from {low:g} to {high:g}, found {found!r}; the"
                f" training rows have {scale.low:g} to {scale.high:g}: is it in another unit?"
                " (scaling: quantile takes what lies outside as the end of the range)",
                name=self._input,
                row=int(outside[0]),
            )
        return scale.scaled(filled)


def columns_of(spec: InputSpec) -> tuple[list[str], list[str]]:
    """Numeric and categorical columns.

    Raises:
        UsageError: none at all, or one twice.
    """
    numeric, categorical = (
        [str(name) for name in listed(spec.options.get(key, ())) or ()]
        for key in ("numeric", "categorical")
    )
    both = [*numeric, *categorical]
    if not both or len(set(both)) != len(both):
        found = ", ".join(both) or "none"
        raise UsageError(
            f"input {spec.name!r}: expected columns under `numeric` and `categorical`, each once,"
            f" found {found}"
        )
    return numeric, categorical


def categories_of(spec: InputSpec, files: Mapping[str, bytes]) -> dict[str, int]:
    """Categorical column -> how many categories were fitted, missing and unknown ones not counted.

    Args:
        spec: the input.
        files: role -> what was fitted.

    Raises:
        IntegrityError: a file that is no table.
    """
    return {name: len(names) for name, names in _table(spec, files).categorical.items()}


def _table(spec: InputSpec, files: Mapping[str, bytes]) -> Table:
    return open_table(files["table"], *columns_of(spec), spec.files.get("table", "table.json"))


def _read(row: Row, name: str, read: Callable[[Any], Any]) -> Any:
    if name not in row:
        raise ValueError(no_column(name, row))
    try:
        return read(row[name])
    except ValueError as error:
        raise ValueError(f"column {name!r}: {error}") from error


def _categories(table: Table, at: int) -> dict[str, Any]:
    """A row of usual numbers and of each column's category at ``at``, from the start again."""
    row: dict[str, Any] = {name: one.fill for name, one in table.numeric.items()}
    for name, names in table.categorical.items():
        row[name] = names[at % len(names)] if names else None
    return row


def _id_rows(spec: InputSpec, table: Table) -> Iterator[IdRows]:
    """Every id of each column of categories, missing and unknown ones too, in a usual row."""
    usual = TabularEncoder(spec, table).encode([_categories(table, 0)]).arrays
    first = 0
    for slot, (column, names) in enumerate(table.categorical.items()):
        size = KNOWN + len(names)
        yield IdRows(usual, f"{spec.prefix}categories", slot, size, first, column)
        first += size


def _farthest(scale: Scale) -> float:
    high = scale.bounds[1]
    return high if np.isfinite(high) else LARGEST - 1
