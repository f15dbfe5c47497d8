from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pareto
from beside.judged import OURS


def bundle(name: str, ours: tuple[float, int, float], **others: tuple[float | None, int, float]):
    """A result of one bundle: side -> (accuracy, bytes, rows a second)."""
    sides = {OURS: ours, **others}
    known = {side: {"value": one[0]} for side, one in sides.items() if one[0] is not None}
    return {
        "bundle": name,
        "sides": {side: {"bytes": one[1]} for side, one in sides.items()},
        "tasks": {"intent": {
            "plain": {"accuracy": {side: {"value": 0.1} for side in sides}},
            "rejecting at 0.95": {"accuracy": known},
        }},
        "calls": [{"batch": 1, "per_second": {side: one[2] for side, one in sides.items()}}],
    }  # fmt: skip


def results(*bundles: Any) -> Any:
    return {"beside_model2vec": {
        "command": "c", "commit": "d", "versions": {}, "measured": {"bundles": list(bundles)},
        "machine": {"cpu": "x", "cores": 1, "os": "y", "python": "3"},
    }}  # fmt: skip


FOUND = results(
    bundle("small", (0.88, 2_000, 50.0), other=(0.87, 9_000, 40.0), distilbert=(None, 64_000, 1.0)),
    bundle("large", (0.90, 4_000, 10.0), other=(0.86, 9_000, 60.0)),
)


def test_every_model_stands_once_and_the_front_gives_up_nothing():
    found = {one.name: one for one in pareto.models(FOUND)}
    assert list(found) == ["small", "other", "distilbert", "large"]
    assert found["other"].accuracy == 0.87
    assert found["distilbert"].accuracy == pareto.PUBLISHED["distilbert"]
    assert [one.name for one in pareto.front(list(found.values()))] == ["small", "large"]
    alike = pareto.models(results(bundle("a", (0.9, 1, 1.0)), bundle("b", (0.9, 1, 1.0))))
    assert pareto.front(alike) == alike


def test_the_section_and_the_picture_name_every_model():
    said, drawn = pareto.pareto(FOUND), pareto.picture(FOUND)
    for name in ("small", "other", "distilbert", "large"):
        assert f"| {name} |" in said
        assert f">{name}</text>" in drawn
    assert "0.8770 (published)" in said
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert pareto.pareto({}) == pareto.picture({}) == ""
