"""What a caller hands to ``predict``, in all the forms that can be meant, as rows by input.

Data frames, their columns and tensors are known by what they can do, not by their type: none of
their libraries is needed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from os import PathLike
from typing import Any, TypeAlias, cast

import numpy as np

from kd2edge.errors import InputError
from kd2edge.inputs.cell import file_of, is_picture
from kd2edge.wording import meant
from kd2edge.wording import value as short

#: The column of an input, or its columns.
Columns: TypeAlias = "str | tuple[str, ...]"

#: Values that stand for one row: none of them is a list of rows.
_PLAIN = (str, bytes, PathLike)
#: How columns of data frames give their values, the most exact way first.
_TO_LIST = ("to_pylist", "to_list")
#: Names that a message lists at most.
_LISTED = 8


def rows_by_input(
    handed: Any, columns: Mapping[str, Columns], optional: Collection[str] = ()
) -> Mapping[str, Any]:
    """Input -> its rows, a list, tuple or array each; names and numbers are not compared here.

    Args:
        handed: input (or column of the data) -> rows; a data frame or table with the inputs'
            columns; a row, or a list of rows, each a mapping or as a data frame gives it; for a
            model with one input also its rows alone.  A text, the bytes or the path of a file, or
            a picture may stand for one row.
        columns: input -> the column of the data that its values come from; of several columns, a
            value is a mapping of them.
        optional: inputs that rows and tables may lack; a table's are left out, a row's are None.

    Raises:
        InputError: none of these, or a table that lacks a column.
    """
    if isinstance(handed, Mapping):
        found = {_input_of(name, handed, columns): _rows(name, of) for name, of in handed.items()}
        return _gathered(found, columns)
    names = _column_names(handed)
    if names is not None:
        there = [
            name
            for name, column in columns.items()
            if name not in optional or any(one in names for one in (name, *_listed_columns(column)))
        ]
        return {name: _column(handed, names, name, columns[name]) for name in there}
    if _is_record(handed, columns):
        return {name: _records([handed], name, columns[name], name in optional) for name in columns}
    if isinstance(handed, (list, tuple)) and handed and _is_record(handed[0], columns):
        return {name: _records(handed, name, columns[name], name in optional) for name in columns}
    if len(columns) == 1 and not isinstance(handed, (int, float)) and handed is not None:
        (name,) = columns
        return {name: _rows(name, handed)}
    shape = ", ".join(f"{name!r}: [...]" for name in columns)
    raise InputError(f"expected {{{shape}}}, found a {type(handed).__name__}")


def are_rows(values: object) -> bool:
    """Whether it is a list of rows as encoders take it."""
    # Not any sequence: a string is one too, of letters, and the classic mistake.
    if isinstance(values, np.ndarray):
        return values.ndim > 0
    return isinstance(values, (list, tuple))


def _gathered(found: dict[Any, Any], columns: Mapping[str, Columns]) -> dict[Any, Any]:
    """Columns that were handed over one by one, as the rows of the input that they make."""
    for name, several in columns.items():
        own = [one for one in _listed_columns(several) if one in found]
        if name in found or isinstance(several, str) or not own:
            continue
        parts = {one: found.pop(one) for one in own}
        counts = {one: len(part) for one, part in parts.items()}
        if len(set(counts.values())) > 1:
            raise InputError(
                f"every column needs the same number of rows, found {counts}", name=name
            )
        found[name] = [dict(zip(parts, row, strict=True)) for row in zip(*parts.values())]  # noqa: B905
    return found


def _listed_columns(columns: Columns) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else columns


def _input_of(name: Any, handed: Mapping[Any, Any], columns: Mapping[str, Columns]) -> Any:
    """The input that a key means: its name, or else its column."""
    if name in columns:
        return name
    return next((of for of, column in columns.items() if column == name and of not in handed), name)


def _rows(name: Any, values: Any) -> Any:
    if are_rows(values):
        return values
    plain = _plain(values)
    if plain is not None:
        return [plain]
    for method in _TO_LIST:
        if callable(getattr(values, method, None)):
            return _list(name, values, getattr(values, method))
    if hasattr(values, "__array__"):
        array = _list(name, values, lambda: np.asarray(values))
        if array.ndim:
            return array
        if isinstance(array.item(), _PLAIN):
            return [array.item()]
    elif isinstance(values, Sequence):
        return list(values)
    raise InputError(
        f"input {name!r} must be a list or an array with one entry a row,"
        f" found a {type(values).__name__}{_advice(values)}"
    )


def _plain(values: Any) -> Any:
    """What stands for one row; None for anything else."""
    held = file_of(values)
    return held if isinstance(held, _PLAIN) or is_picture(held) else None


def _list(name: Any, values: Any, give: Callable[[], Any]) -> Any:
    try:
        return give()
    except Exception as error:  # noqa: BLE001  (another library's, of any type)
        raise InputError(
            f"input {name!r}: a {type(values).__name__} that does not give its values ({error});"
            " hand over a list"
        ) from error


def _advice(values: Any) -> str:
    if callable(getattr(values, "read", None)):
        return "; hand over what its read() gives"
    if hasattr(values, "collect"):
        return "; collect() it first"
    if isinstance(values, Mapping):
        return "; hand over list(....values()), or [...] around it where it is one row"
    return "; write list(...) around it" if hasattr(values, "__iter__") else ""


def _column_names(handed: Any) -> list[Any] | None:
    """Names of a table's columns; None where it is no table."""
    if isinstance(handed, (*_PLAIN, list, tuple, type)):
        return None
    if isinstance(handed, np.ndarray):
        return None if handed.dtype.names is None else list(handed.dtype.names)
    found = getattr(handed, "column_names", getattr(handed, "columns", None))
    if found is None or not hasattr(handed, "__getitem__"):
        return None
    if getattr(handed, "__len__", None) is None:
        advice = _advice(handed) or "; hand over a data frame"
        raise InputError(
            f"expected a table with all its rows, found a {type(handed).__name__}{advice}"
        )
    return list(found)


def _column(table: Any, names: Sequence[Any], name: str, column: Columns) -> Any:
    if not isinstance(column, str):
        parts = [list(_column(table, names, one, one)) for one in column if one in names]
        known = [one for one in column if one in names]
        if known:
            return [dict(zip(known, row, strict=True)) for row in zip(*parts, strict=True)]
        column = column[0]
    wanted = column if column in names else name
    count = Counter(map(str, names))[wanted]
    if count != 1:
        raise InputError(
            f"input {name!r}: expected one column {column!r} in the {type(table).__name__}, "
            + (f"found {count}" if count else f"found {_listed(names)}{near(column, names)}")
        )
    return _rows(name, _list(name, table, lambda: table[wanted]))


def _records(rows: Sequence[Any], name: str, column: Columns, optional: bool) -> list[Any]:  # noqa: FBT001
    found: list[Any] = []
    for number, given in enumerate(rows):
        row = _record(given)
        if row is None:
            reason = f"expected a mapping as in the rows before, found a {type(given).__name__}"
            raise InputError(reason, name=name, row=number)
        if not isinstance(column, str) and name not in row:
            own = {one: row[one] for one in column if one in row}
            if own or optional:
                found.append(own or None)
                continue
        key = column if isinstance(column, str) and column in row else name
        if key not in row and not optional:
            reason = f"no {column!r}, the row has {_listed(list(row))}{near(column, list(row))}"
            raise InputError(reason, name=name, row=number)
        found.append(row.get(key))
    return found


def _is_record(row: Any, columns: Mapping[str, Columns]) -> bool:
    """Whether it is one row by the names of its columns: a mapping, or a data frame's own row."""
    if isinstance(row, Mapping):
        return True
    names = _record(row)
    return names is not None and any(
        name in names
        for own, several in columns.items()
        for name in (own, *_listed_columns(several))
    )


def _record(row: Any) -> Mapping[Any, Any] | None:
    """A row by column: a mapping, a named tuple, a row that a data frame gave; None for others."""
    if isinstance(row, Mapping):
        return cast("Mapping[Any, Any]", row)
    if isinstance(row, tuple):
        give = getattr(row, "_asdict", None)
        return cast("Mapping[str, Any]", give()) if callable(give) else None
    names, values = getattr(row, "index", None), getattr(row, "to_list", None)
    if not callable(values) or callable(names) or not hasattr(names, "to_list"):
        return None
    return dict(zip(cast("Any", names).to_list(), cast("list[Any]", values()), strict=False))


def _listed(names: Sequence[Any]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(short(repr(name)) for name in names[:_LISTED]) + more if names else "none"


def near(wanted: object, known: Sequence[Any]) -> str:
    """The name that may have been meant, as the end of a message; "" where none is like it."""
    found = meant(wanted, known)
    return f" ({found})" if found else ""
