"""Rows that all sides get."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any


def labelled_rows(path: Path, columns: Collection[str], most: int | None) -> list[dict[str, Any]]:
    """Rows with a value in all of ``columns``; some are spread evenly, as files may be sorted.

    Args:
        path: of the ``.jsonl``.
        columns: that are needed.
        most: rows; None: all.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line]
    kept = [row for row in rows if all(row.get(one) for one in columns)]
    return kept if most is None else kept[:: max(1, len(kept) // most)][:most]
