"""What no sound artefact does to any row, as checks that name the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kd2edge.validate.served import Served
from kd2edge.validate.validation import Check

__all__ = ["row_checks"]

#: Rows that a check names.
_NAMED = 5


class _Names(NamedTuple):
    """What rows are called."""

    ids: Sequence[str]
    positions: Sequence[int]


def row_checks(
    served: Sequence[Served], ids: Sequence[str], positions: Sequence[int]
) -> tuple[Check, ...]:
    """Finite outputs, no row refused, answers that the outputs say: one check each, over all ways.

    Args:
        served: an artefact's runs of the split.
        ids: the id of each row.
        positions: where each stands among the rows that were handed over.
    """
    names = _Names(ids, positions)
    kinds = {"finite outputs": _not_finite, "every row answered": _refused, "answers": _odd}
    found: list[Check] = []
    for name, faults in kinds.items():
        said = [text for one in served for text in faults(one, names)]
        found.append(
            Check(name, "failed", "; ".join(dict.fromkeys(said))) if said else Check(name, "ok")
        )
    return tuple(found)


def _not_finite(served: Served, names: _Names) -> Iterator[str]:
    for task, rows in served.faults.not_finite.items():
        yield f"{task}: outputs are NaN or infinite on {_rows(rows, names)} ({served.way})"


def _refused(served: Served, names: _Names) -> Iterator[str]:
    bad = {row for rows in served.faults.not_finite.values() for row in rows}
    refused = {row: said for row, said in served.faults.refused.items() if row not in bad}
    if refused:
        first = next(iter(refused.values()))
        yield f"predict refuses {_rows(list(refused), names)}: {first} ({served.way})"
    for (first, last), said in list(served.faults.together.items())[:1]:
        ends = f"{names.positions[first]} to {names.positions[last]}"
        yield f"predict fails on rows {ends} together: {said} ({served.way})"
    if served.faults.stopped is not None:
        stopped = names.positions[served.faults.stopped]
        yield f"rows behind {stopped} were not tried ({served.way})"


def _odd(served: Served, names: _Names) -> Iterator[str]:
    odd: Mapping[str, Mapping[int, str]] = served.faults.odd
    for task, rows in odd.items():
        first = next(iter(rows.values()))
        yield f"{task}: {first}; so on {_rows(list(rows), names)} ({served.way})"


def _rows(rows: Sequence[int], names: _Names) -> str:
    """``3 rows (17, 203, 4711)``, with ids where they are not the row's number."""
    ids, rising = names.ids, sorted(set(rows))
    places = [(str(names.positions[row]), ids[row]) for row in rising[:_NAMED]]
    named = [place if place == name else f"{place} {name!r}" for place, name in places]
    more = ", ..." if len(rising) > _NAMED else ""
    return f"{len(rising):,} of {len(ids):,} rows ({', '.join(named)}{more})"
