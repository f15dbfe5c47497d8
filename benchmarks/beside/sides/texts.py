"""The sentences that all sides get, from a file of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import final


@final
class Texts:
    """``{"labels": {task: [...]}, "splits": {split: {"text": [...], task: [...]}}}``."""

    def __init__(self, path: Path) -> None:
        found = json.loads(path.read_text(encoding="utf-8"))
        #: Task -> its labels in the order of the scores.
        self.labels: dict[str, list[str]] = found["labels"]
        self.tasks = list(self.labels)
        self._splits: dict[str, dict[str, list[str]]] = found["splits"]

    def of(self, split: str, column: str = "text") -> list[str]:
        """A column of a split: ``text``, or the labels of a task."""
        return self._splits[split][column]
