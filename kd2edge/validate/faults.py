"""What no sound artefact does to any row, as checks that name the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kd2edge.validate.served import Served
from kd2edge.validate.validation import Check

__all__ = ["row_checks"]

#: Rows that a check names.
_NAMED = 5


def row_checks(served: Sequence[Served], ids: Sequence[str]) -> tuple[Check, ...]:
    """Finite outputs, no row refused, answers that the outputs say: one check each, over all ways.

    Args:
        served: an artefact's runs of the split.
        ids: the id of each row.
    """
    kinds = {"finite outputs": _not_finite, "every row answered": _refused, "answers": _odd}
    found: list[Check] = []
    for name, faults in kinds.items():
        said = [text for one in served for text in faults(one, ids)]
        found.append(
            Check(name, "failed", "; ".join(dict.fromkeys(said))) if said else Check(name, "ok")
        )
    return tuple(found)


def _not_finite(served: Served, ids: Sequence[str]) -> Iterator[str]:
    for task, rows in served.faults.not_finite.items():
        yield f"{task}: outputs are NaN or infinite on {_rows(rows, ids)} ({served.way})"


def _refused(served: Served, ids: Sequence[str]) -> Iterator[str]:
    bad = {row for rows in served.faults.not_finite.values() for row in rows}
    refused = {row: said for row, said in served.faults.refused.items() if row not in bad}
    if refused:
        first = next(iter(refused.values()))
        yield f"predict refuses {_rows(list(refused), ids)}: {first} ({served.way})"
    for (first, last), said in list(served.faults.together.items())[:1]:
        yield f"predict fails on rows {first} to {last} together: {said} ({served.way})"
    if served.faults.stopped is not None:
        yield f"rows behind {served.faults.stopped} were not tried ({served.way})"


def _odd(served: Served, ids: Sequence[str]) -> Iterator[str]:
    odd: Mapping[str, Mapping[int, str]] = served.faults.odd
    for task, rows in odd.items():
        first = next(iter(rows.values()))
        yield f"{task}: {first}; so on {_rows(list(rows), ids)} ({served.way})"


def _rows(rows: Sequence[int], ids: Sequence[str]) -> str:
    """``3 rows (17, 203, 4711)``, with ids where they are not the row's number."""
    rising = sorted(set(rows))
    named = [str(row) if ids[row] == str(row) else f"{row} {ids[row]!r}" for row in rising[:_NAMED]]
    more = ", ..." if len(rising) > _NAMED else ""
    return f"{len(rising):,} of {len(ids):,} rows ({', '.join(named)}{more})"
