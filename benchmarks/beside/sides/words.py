"""The words that all sides get, from a file of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, final


@final
class Words:
    """``{"splits": {split: {"tokens": [[...]], column: [[...]]}}}``."""

    def __init__(self, path: Path) -> None:
        self._splits: dict[str, dict[str, list[list[Any]]]] = json.loads(
            path.read_text(encoding="utf-8")
        )["splits"]

    def of(self, split: str, column: str = "tokens") -> list[list[Any]]:
        """A column of a split, a list a sentence."""
        return self._splits[split][column]
