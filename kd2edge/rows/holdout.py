"""Rows that are held out of training: stratified, seeded, what belongs together in one part."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.inputs.cell import no_column
from kd2edge.ragged import listed
from kd2edge.rows.hashes import Hashes
from kd2edge.rows.rows import Row, Rows
from kd2edge.tasks.labels import is_missing, label_text

Ints = npt.NDArray[np.int64]

#: What stays is part 0, the shares that are held out follow.
REST = 0


def held_out(
    rows: Rows,
    shares: Mapping[str, float],
    hashes: Hashes,
    *,
    columns: Sequence[str] = (),
    labels: Sequence[str] = (),
    group: str | None = None,
    seed: int = 0,
) -> Ints:
    """Which part each row belongs to ``[row]``: 0 for the rest, 1 ... in the order of ``shares``.

    Rows with the same input are one, and so are those of one group: none of them stands in two
    parts.  Labels are shared out the rarest first, each to the part that lacks it most, so that
    every part has about its share of every label (of words: of the rows with it).  The same
    rows and seed give the same parts, on every machine and in any order of the rows.

    Args:
        rows: the rows.
        shares: part -> share of the rows, above 0; their sum is below 1.
        hashes: of the rows' inputs ``[row]``, equal where these are the same.
        columns: those that the hashes are of: one that is not there is why rows are the same.
        labels: columns of labels, one a row or a list of them.
        group: column of what belongs together; a row without a value is its own group.
        seed: another one gives other parts.

    Raises:
        DataError: a row without the column ``group``, or too few rows (groups) for the parts, the
            first of them without one of ``columns`` perhaps.
    """
    unit, found = _units(rows, hashes, labels, group)
    sizes = np.bincount(unit)
    wanted = np.array([1 - sum(shares.values()), *shares.values()])
    parts = _shared_out(sizes, found, wanted, _order(unit, hashes, seed))
    missing = [name for at, name in enumerate(shares, start=1) if at not in parts]
    if missing or REST not in parts:
        _require_columns(rows, columns)
        what = "rows with different inputs" if group is None else f"groups of {group!r}"
        raise DataError(
            f"{rows.place(0) if len(rows) else 'the source'}: {len(sizes)} {what} are too few to "
            f"hold out {', '.join(missing) or 'so much'}: lower the shares, or name files for it"
        )
    return parts[unit]


def _require_columns(rows: Rows, columns: Sequence[str]) -> None:
    row = rows[0] if len(rows) else {}
    absent = [column for column in columns if row and column not in row]
    if absent:
        raise DataError(f"{rows.place(0)}: {no_column(absent[0], row)}")


def _units(
    rows: Rows, hashes: Hashes, labels: Sequence[str], group: str | None
) -> tuple[Ints, list[dict[Hashable, int]]]:
    """The unit of each row ``[row]``, and how many rows of each unit have which label."""
    parents = np.arange(len(rows), dtype=np.int64)
    first: dict[Hashable, int] = {}
    seen: list[frozenset[Hashable]] = []
    for position in range(len(rows)):
        row = _row_or_nothing(rows, position)
        seen.append(frozenset(_labels(row, labels)))
        keys: list[Hashable] = [int(hashes[position])]
        keys += _group(rows, position, row, group)
        for key in keys:
            _join(parents, first.setdefault(key, position), position)
    roots = [_root(parents, position) for position in range(len(rows))]
    unit = np.unique(roots, return_inverse=True)[1].astype(np.int64)
    counts: list[dict[Hashable, int]] = [{} for _ in range(int(unit.max(initial=-1)) + 1)]
    for own, names in zip(unit.tolist(), seen, strict=True):
        for name in names:
            counts[own][name] = counts[own].get(name, 0) + 1
    return unit, counts


def _order(unit: Ints, hashes: Hashes, seed: int) -> Ints:
    """The units in an order that the seed and their rows alone decide."""
    smallest = np.full(int(unit.max(initial=-1)) + 1, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(smallest, unit, hashes)
    # No generator of numpy: its streams may change with its version.
    key = seed.to_bytes(8, "little")
    mixed = [blake2b(int(own).to_bytes(8, "little"), digest_size=8, key=key) for own in smallest]
    return np.array(sorted(range(len(mixed)), key=lambda at: mixed[at].digest()), dtype=np.int64)


def _row_or_nothing(rows: Rows, position: int) -> Row | None:
    try:
        return rows[position]
    except DataError:  # `check_rows` names it
        return None


def _labels(row: Row | None, columns: Sequence[str]) -> Iterable[Hashable]:
    for column in columns if row is not None else ():
        value = (row or {}).get(column)
        parts = listed(value)
        for part in [value] if parts is None else parts:
            try:
                if not is_missing(part):
                    yield column, label_text(part)
            except ValueError:  # no label: `check_rows` names it
                continue


def _group(rows: Rows, position: int, row: Row | None, column: str | None) -> list[Hashable]:
    if column is None or row is None:
        return []
    if column not in row:
        there = ", ".join(map(repr, row))
        raise DataError(
            f"{rows.place(position)}: hold_out: no column {column!r} to group by, the row has "
            f"{there}"
        )
    value: Any = row[column]
    return [] if is_missing(value) else [("group", str(value))]


def _join(parents: Ints, one: int, other: int) -> None:
    first, second = sorted((_root(parents, one), _root(parents, other)))
    parents[second] = first


def _root(parents: Ints, at: int) -> int:
    while parents[at] != at:
        parents[at] = parents[parents[at]]
        at = int(parents[at])
    return at


def _shared_out(
    sizes: Ints, found: Sequence[Mapping[Hashable, int]], shares: npt.NDArray[Any], order: Ints
) -> Ints:
    """The part of each unit ``[unit]``."""
    parts = np.full(len(sizes), -1, dtype=np.int64)
    lacking = shares * sizes.sum()  # [part], rows
    having: dict[Hashable, list[int]] = {}
    for unit in order.tolist():
        for name in found[unit]:
            having.setdefault(name, []).append(unit)
    totals = {name: sum(found[unit][name] for unit in units) for name, units in having.items()}
    lacks = {name: shares * total for name, total in totals.items()}  # [part], rows
    for name in sorted(having, key=lambda name: (totals[name], str(name))):
        for unit in having[name]:
            if parts[unit] < 0:
                parts[unit] = _neediest(lacks[name], lacking)
                lacking[parts[unit]] -= sizes[unit]
                for other, count in found[unit].items():
                    lacks[other][parts[unit]] -= count
    for unit in order.tolist():  # those without any label
        if parts[unit] < 0:
            parts[unit] = _neediest(lacking, lacking)
            lacking[parts[unit]] -= sizes[unit]
    return parts


def _neediest(lacks: npt.NDArray[Any], rows: npt.NDArray[Any]) -> int:
    """The part that lacks most of a label; of equal ones that which lacks most rows."""
    most = np.flatnonzero(lacks >= lacks.max() - 1e-9)
    return int(most[np.argmax(rows[most])])
