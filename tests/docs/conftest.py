"""The documents, and a small product of the quick start to try them on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from docs.documents import write_pictures


@pytest.fixture(scope="session")
def workplace(image_product: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``models/quickstart``, ``runs/quickstart`` and ``rows.jsonl``, as shown."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(image_product.bundle, folder / "models" / "quickstart")
    shutil.copytree(image_product.run, folder / "runs" / "quickstart")
    write_pictures(folder / "rows.jsonl")
    return folder
