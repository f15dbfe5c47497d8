"""The kinds of sources, and the door that opens one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kd2edge.errors import DataError
from kd2edge.inputs.cell import described
from kd2edge.rows.builtin import open_builtin
from kd2edge.rows.rows import Rows
from kd2edge.wording import meant

_HALF = re.compile("[\ud800-\udfff]")
_Opener = Callable[[Path, Mapping[str, Any]], Rows]


def _jsonl(path: Path, options: Mapping[str, Any]) -> Rows:
    from kd2edge.rows.jsonl import JsonlRows

    return JsonlRows(path, **options)


def _csv(path: Path, options: Mapping[str, Any]) -> Rows:
    from kd2edge.rows.csv import CsvRows

    return CsvRows(path, **options)


def _parquet(path: Path, options: Mapping[str, Any]) -> Rows:
    from kd2edge.rows.parquet import ParquetRows

    return ParquetRows(path, **options)


def _conll(path: Path, options: Mapping[str, Any]) -> Rows:
    from kd2edge.rows.conll import ConllRows

    return ConllRows(path, **options)


#: Kinds that read a file, by name.
FILE_KINDS: Mapping[str, _Opener] = {
    "jsonl": _jsonl,
    "csv": _csv,
    "parquet": _parquet,
    "conll": _conll,
}

#: What an option must be, and its name for people; None is "not said" for each of them.
_Type = tuple[type | tuple[type, ...], str]
_TEXT: _Type = (str, "a text")
_NAMES: _Type = ((list, tuple, Mapping), "a list of names")

#: Options that each kind takes beside the path.  Rows are opened without recipes too (by a bundle's
#: ``sources.json``, by callers), so these are checked here too; a test compares with the schema.
ROW_KINDS: Mapping[str, Mapping[str, _Type]] = {
    "jsonl": {},
    "csv": {"delimiter": _TEXT},
    "parquet": {"columns": _NAMES},
    "conll": {"columns": _NAMES, "separator": _TEXT, "comment": _TEXT},
    "builtin": {},
}


def open_rows(
    kind: str,
    place: str | Path | Mapping[str, Any],
    *,
    root: str | Path = "",
    options: Mapping[str, Any] | None = None,
) -> Rows:
    """Open one split of one source.

    Args:
        kind: a name in ``ROW_KINDS``.
        place: the file, relative to ``root``; for ``builtin`` a mapping
            ``{builder: multimnist, split: train, ...}``.
        root: folder that ``place`` starts at.
        options: further options of the kind (``delimiter``, ``columns`` ...).

    Raises:
        DataError: an unknown kind or option, no such file, or a file that is not of its kind.
        BackendError: a package that the kind needs is not installed.
    """
    chosen = {name: one for name, one in (options or {}).items() if one is not None}
    if kind not in ROW_KINDS:
        raise DataError(f"no kind of rows {kind!r}; {_hint(kind, ROW_KINDS)}")
    if kind == "builtin":
        if not isinstance(place, Mapping):
            raise DataError(f"builtin: expected {{builder: NAME, ...}}, found {place!r}")
        return open_builtin({**place, **chosen})
    if isinstance(place, Mapping):
        raise DataError(f"{kind}: expected a file, found {dict(place)!r}")
    for name in chosen:
        if name not in ROW_KINDS[kind]:
            raise DataError(f"{kind}: no option {name!r}; {_hint(name, ROW_KINDS[kind])}")
        wanted, words = ROW_KINDS[kind][name]
        if not isinstance(chosen[name], wanted) or not all(map(_is_text, chosen[name])):
            raise DataError(f"{kind}: {name}: expected {words}, found {described(chosen[name])}")
    return FILE_KINDS[kind](Path(root) / place, chosen)


def _is_text(value: object) -> bool:
    """Whether it is one, without half a surrogate pair."""
    return isinstance(value, str) and not _HALF.search(value)


def _hint(name: str, known: Mapping[str, Any]) -> str:
    return meant(name, known) or f"there are: {', '.join(known) or 'none'}"
