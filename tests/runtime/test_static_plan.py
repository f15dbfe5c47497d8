"""The text that says what a student of static embeddings is made of."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

import bundles
from kd2edge.errors import IntegrityError, SchemaTooNewError
from kd2edge.runtime.static_plan import StaticPlan


def plan() -> StaticPlan:
    found = bundles.static_layers()[0]
    return replace(found, encoders=(replace(found.encoders[0], norms=(None, 1e-5)),))


def test_a_plan_is_read_as_it_was_written() -> None:
    assert StaticPlan.from_json(plan().to_json(), "plan") == plan()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.pop("heads"), "heads: missing"),
        (lambda one: one.update(more=1), "more: unknown key"),
        (lambda one: one.update(hidden=1), "expected true or false"),
        (lambda one: one.update(fusion="sum"), "expected one of single, concat, gated"),
        (lambda one: one.update(fusion="concat"), "1 encoders do not go with fusion 'concat'"),
        (lambda one: one.update(encoders=[]), "0 encoders do not go with"),
        (lambda one: one["encoders"][0].update(pooling="cls"), "expected one of mean, max, both"),
        (lambda one: one["encoders"][0].update(norms=["x"]), "expected a number"),
        (lambda one: one["encoders"][0].update(norms=[-1e-5]), r"norms\[0\]: .* above 0"),
        (lambda one: one["encoders"][0].update(norms=[0]), r"norms\[0\]: .* above 0"),
        (lambda one: one["encoders"][0].update(least=0), r"least: expected a number above 0"),
        (lambda one: one["encoders"][0].update(least=-1.0), "above 0 .* found -1.0"),
        (lambda one: one["encoders"][0].update(least=1e-50), "that float32 holds"),  # 0 there
        (lambda one: one["encoders"][0].update(least=1e39), "that float32 holds"),
        (lambda one: one["heads"][0].update(reads="other"), "a head reads 'other'"),
        (lambda one: one["heads"].append(one["heads"][0]), "2 heads of output"),
        (
            lambda one: one.update(fusion="concat", encoders=2 * one["encoders"]),
            "2 encoders of input",
        ),
    ],
)
def test_a_plan_that_is_none_is_refused(change: Any, message: str) -> None:
    content = json.loads(plan().to_json())
    change(content)
    with pytest.raises(IntegrityError, match=message):
        StaticPlan.from_json(json.dumps(content).encode(), "plan.json")


def test_a_plan_of_an_older_kd2edge_says_what_to_do() -> None:
    content = json.loads(plan().to_json()) | {"schema": 1}
    with pytest.raises(IntegrityError, match="layers of schema 1, .* export the run again"):
        StaticPlan.from_json(json.dumps(content).encode(), "plan")


def test_a_plan_of_a_newer_kd2edge_says_so() -> None:
    content = json.loads(plan().to_json()) | {"schema": 9}
    with pytest.raises(SchemaTooNewError, match="update kd2edge"):
        StaticPlan.from_json(json.dumps(content).encode(), "plan")
