"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

# One thread a test process: the suite runs on two cores and must not depend on timing.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def data_set() -> Callable[[str], Path]:
    """Folder of a real data set by name; the test is skipped, naming it, where it is absent."""

    def find(name: str) -> Path:
        root = os.environ.get("KD2EDGE_DATA", "")
        folder = Path(root) / name
        if not root or not folder.is_dir():
            pytest.skip(f"data set {name} is not here (set KD2EDGE_DATA to the folder that holds it)")
        return folder

    return find
