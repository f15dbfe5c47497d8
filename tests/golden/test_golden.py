"""Pinned losses and metrics of tiny runs: drift shows, whoever caused it.

After a change that is meant: ``pytest tests/golden --update-golden``, then look at the diff.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from products import Product

FOLDER = Path(__file__).parent
#: Sums in another order (other CPUs, other threads) move the sixth digit.
TOLERANCE = 1e-4


@pytest.mark.parametrize("name", ["image", "text", "token"])
def test_the_numbers_of_a_run(name: str, request: pytest.FixtureRequest) -> None:
    product: Product = request.getfixturevalue(f"{name}_product")
    report = json.loads((product.run / "report.json").read_text(encoding="utf-8"))
    found = dict(numbers(report))
    path = FOLDER / f"{name}.json"
    if request.config.getoption("--update-golden"):
        text = json.dumps(found, indent=0, sort_keys=True)
        path.write_text(f"{text}\n", encoding="utf-8")
        return
    expected = json.loads(path.read_text(encoding="utf-8"))
    assert found.keys() == expected.keys()
    odd = {
        key: (value, expected[key])
        for key, value in found.items()
        if value != pytest.approx(expected[key], rel=TOLERANCE, abs=1e-7)
    }
    assert not odd


def numbers(report: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of a report that training and measuring decide; no seconds, no bytes."""
    for model, cost in report["models"].items():
        for key in ("parameters", "flops", "steps"):
            yield f"{model}.{key}", cost[key]
    for model, points in report["curves"].items():
        for point in (points[0], points[-1]):
            for task, losses in point["train"].items():
                for kind, value in losses.items():
                    yield f"{model}.epoch{point['epoch']}.{task or 'features'}.{kind}", value
    for task, models in report["splits"]["test"]["tasks"].items():
        for model, one in models.items():
            for metric, estimate in one["metrics"].items():
                for key in ("value", "low", "high"):
                    yield f"{model}.test.{task}.{metric}.{key}", estimate[key]
