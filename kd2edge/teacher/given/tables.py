"""Columns of the rows as scikit-learn takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, final

import numpy as np

from kd2edge.errors import BackendError, UsageError
from kd2edge.inputs.spec import InputSpec
from kd2edge.ragged import listed

Row = Mapping[str, Any]

#: Inputs whose value is a cell that scikit-learn can read.
_READ = ("tabular", "text", "tokens")


@final
@dataclass(frozen=True, slots=True)
class Table:
    """What an estimator is given.

    Args:
        columns: in the order of its fit.
        alone: it reads the only column as a list, as vectorisers of texts do.
        named: it finds columns by name, as it was fitted to a data frame.
        numeric: those of the columns that hold numbers.
    """

    columns: tuple[str, ...]
    alone: bool
    named: bool
    numeric: frozenset[str]

    def of(self, rows: Sequence[Row]) -> Any:
        """Some rows: a list of texts, a pandas frame, or an array ``[row, column]``.

        Missing numbers and categories are NaN, a missing text is empty where it stands alone.

        Raises:
            BackendError: a data frame is needed, and pandas is not there.
        """
        if self.alone:
            return [_text(row[self.columns[0]]) for row in rows]
        cells = {
            name: np.array([_cell(row[name]) for row in rows], self._dtype(name))
            for name in self.columns
        }
        if self.named:
            return _pandas().DataFrame(cells, columns=list(self.columns))
        whole = np.empty((len(rows), len(cells)), float if self._is_numeric else object)
        for at, column in enumerate(cells.values()):
            whole[:, at] = column
        return whole

    @property
    def _is_numeric(self) -> bool:
        return self.numeric.issuperset(self.columns)

    def _dtype(self, name: str) -> type:
        return float if name in self.numeric else object


def table_of(
    estimator: Any, inputs: Mapping[str, InputSpec], columns: Sequence[str], label: str
) -> Table:
    """What an estimator is to be given.

    Args:
        estimator: fitted.
        inputs: what the teacher reads.
        columns: in the order of the fit; empty: those that it was fitted to, where it knows their
            names, else those of the inputs.
        label: what messages call it.

    Raises:
        UsageError: columns that the inputs lack, or cannot give; or another number of them than
            that of the fit.
    """
    kinds = {column: spec.kind for spec in inputs.values() for column in spec.columns}
    fitted = [str(one) for one in listed(getattr(estimator, "feature_names_in_", None)) or []]
    wanted = tuple(columns or fitted or (one for one in kinds if kinds[one] in _READ))
    lacking = [one for one in wanted if kinds.get(one) not in _READ]
    if lacking:
        there = ", ".join(one for one, kind in kinds.items() if kind in _READ) or "none"
        raise UsageError(
            f"{label}: it reads the columns {', '.join(wanted)}; of the teacher's inputs there are"
            f" {there}: name tables and texts that have {', '.join(lacking)}, or state `columns` in"
            " the order of its fit"
        )
    alone = len(wanted) == 1 and kinds[wanted[0]] != "tabular" and not fitted
    count = getattr(estimator, "n_features_in_", None)
    if not alone and isinstance(count, int) and count != len(wanted):
        raise UsageError(
            f"{label}: it was fitted to {count} columns, found {len(wanted)}"
            f" ({', '.join(wanted)}): state `columns` in the order of its fit"
        )
    numeric = {one for spec in inputs.values() for one in spec.options.get("numeric", ())}
    return Table(wanted, alone, bool(fitted), frozenset(numeric & set(wanted)))


def _cell(value: Any) -> Any:
    return np.nan if value is None else value


def _text(value: Any) -> Any:
    return "" if value is None else value


def _pandas() -> Any:
    try:
        return import_module("pandas")
    except ImportError as error:
        raise BackendError(
            "an estimator that was fitted to a data frame is asked with one: pip install pandas"
        ) from error
