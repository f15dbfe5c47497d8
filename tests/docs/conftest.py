"""The documents, and a small product of the quick start to try them on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from kd2edge.rows.kinds import open_rows


@pytest.fixture(scope="session")
def workplace(image_product: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``models/quickstart``, ``runs/quickstart`` and ``rows.jsonl``, as shown."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(image_product.bundle, folder / "models" / "quickstart")
    shutil.copytree(image_product.run, folder / "runs" / "quickstart")
    rows = open_rows("builtin", {"builder": "multimnist", "split": "test"})
    lines = [json.dumps({"image": rows[at]["image"].tolist()}) for at in range(2)]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder
