"""Small fitted estimators, and the rows that they were fitted to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
