"""The page that says which method when: its numbers are those of the results."""

from __future__ import annotations

import json
import re
from statistics import mean
from typing import Any

import pytest

from docs.documents import ROOT

PAGE = (ROOT / "docs" / "how-to" / "choose.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"
#: Points with a sign, metrics with four digits, shares of a teacher.
NUMBERS = re.compile(r"[+\N{MINUS SIGN}]\d+\.\d\d|\b0\.\d{4}\b|\d+\.\d %")

#: (what stands in front of the number, study, what the variant's name holds, task)
VARIANTS = [
    ("`dist` ", "losses", '"dist"', "intent"),
    ("`standardise` ", "losses", "standardise", "intent"),
    ("`temperature: 4` ", "losses", '"temperature": 4', "intent"),
    ("`mse` ", "losses", '"mse"', "intent"),
    ("`dkd` ", "losses", '"dkd"', "intent"),
    ("domain: `dist` ", "losses", '"dist"', "domain"),
    ("0.5 ", "losses", '"alpha": 0.5}', "intent"),
    ("`correct` ", "losses", '"correct"', "intent"),
    ("from chance ", "starts", "init=null", "intent"),
    ("`svd` instead of `output` ", "starts", '"svd"', "intent"),
]
#: (what stands in front, recipe, task)
GAINS = [
    ("UNER names ", "uner_ewt", "ner"),
    ("NLU++ slots ", "nlupp", "slots"),
    ("CLINC intent ", "clinc150", "intent"),
]


def result(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["measured"]


def signed(share: float) -> str:
    return f"{100 * share:+.2f}".replace("-", "\N{MINUS SIGN}")


@pytest.mark.parametrize(("before", "study", "variant", "task"), VARIANTS)
def test_what_a_variant_brought_is_what_its_study_found(
    before: str, study: str, variant: str, task: str
) -> None:
    (found,) = [
        one
        for one in result(f"study-{study}")["comparisons"]
        if variant in one["variant"] and one["task"] == task
    ]
    assert f"{before}{signed(found['gain']['value'])}" in PAGE


@pytest.mark.parametrize(("before", "recipe", "task"), GAINS)
def test_what_a_recipe_brought_is_its_gain_over_labels_alone(
    before: str, recipe: str, task: str
) -> None:
    gain = result(f"accuracy-{recipe}")["tasks"][task]["gain"]["value"]
    assert f"{before}{signed(gain)}" in PAGE


def test_the_temperature_of_a_score_is_told_as_it_was_measured() -> None:
    scores = result("scopes-clinc150_static")["tasks"]["intent"]
    means = [mean(scores[f"probability, temperature {heat}"]["accuracy"]) for heat in (1, 2)]
    assert "temperature 2 for 1, {:.4f} to {:.4f}".format(*means) in PAGE
    scores = result("scopes-clinc150_static")["tasks"]["domain"]
    names = ("probability, temperature 2", "cosine to the nearest of 16 prototypes a class")
    means = [mean(scores[name]["accuracy"]) for name in names]
    assert "16 prototypes for that, {:.4f} to {:.4f}".format(*means) in PAGE


def test_no_other_number_stands_there() -> None:
    """What is not compared above has to be added there."""
    assert len(NUMBERS.findall(PAGE)) == len(VARIANTS) + len(GAINS) + 4


def test_it_fits_a_screen() -> None:
    assert len(PAGE.splitlines()) <= 40
