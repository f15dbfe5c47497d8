"""Small fitted estimators, and the rows that they were fitted to."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn

skops_io = pytest.importorskip("skops.io", reason="skops is not installed (kd2edge[skops])")

TOWNS = ("Bern", "Oslo", "Rome")


def people(count: int = 120, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of a table and a text, with a label of each kind."""
    draw = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for _ in range(count):
        age, town = float(draw.integers(20, 70)), str(draw.choice(TOWNS))
        points = age + 20 * (town == "Rome") + draw.normal()
        rows.append(
            {
                "age": age,
                "hours": float(draw.random() * 40),
                "town": town,
                "text": f"from {town} " + ("old" if age > 45 else "young"),
                "place": town[0],
                "happy": "yes" if points > 50 else "no",
                "likes": [int(points > 40), int(points > 60)],
                "pay": 3 * points,
            }
        )
    return rows


def saved(estimator: Any, path: Path) -> Path:
    """An estimator in skops' form."""
    skops_io.dump(estimator, path)
    return path


def as_of_version(path: Path, version: str) -> None:
    """Let a file say that another version of scikit-learn saved it."""
    with zipfile.ZipFile(path) as archive:
        files = {one: archive.read(one).decode("latin-1") for one in archive.namelist()}
    own, other = (json.dumps(json.dumps(one)) for one in (sklearn.__version__, version))
    assert own in files["schema.json"]
    files["schema.json"] = files["schema.json"].replace(own, other)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content.encode("latin-1"))
