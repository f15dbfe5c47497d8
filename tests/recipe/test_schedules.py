from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from kd2edge.errors import Problem
from kd2edge.recipe import json_schema
from kd2edge.recipe.schema.distill import Distill
from kd2edge.recipe.schema.schedules import Confidence, LinearAlpha, LinearTemperature
from kd2edge.recipe.schema.written import written

Problems = Callable[..., list[Problem]]
FALLING = {"kind": "linear", "from": 0.9, "to": 0.3}


def test_a_schedule_is_for_all_tasks_or_one_of_a_map() -> None:
    falling = LinearAlpha.model_validate(FALLING)
    assert Distill.model_validate({"alpha": FALLING}).alpha == falling
    mixed = Distill.model_validate({"alpha": {"intent": 0.9, "domain": FALLING, "tag": "linear"}})
    assert mixed.alpha == {"intent": 0.9, "domain": falling, "tag": LinearAlpha()}
    assert (LinearAlpha().first, LinearAlpha().last) == (1.0, 0.0)
    warm = {"kind": "linear", "from": 4, "to": 1}
    found = Distill.model_validate({"temperature": warm}).temperature
    assert found == LinearTemperature.model_validate(warm)


def test_a_schedule_is_written_as_it_is_read() -> None:
    alpha = {"intent": 0.9, "domain": FALLING, "tag": {"kind": "confidence", "by": "entropy"}}
    first = Distill.model_validate({"alpha": alpha})
    plain = written(first)
    assert plain["alpha"]["domain"] == FALLING
    assert list(plain["alpha"]["domain"])[0] == "kind"
    assert Distill.model_validate(plain) == first
    assert Distill.model_validate(first.model_dump(mode="json", by_alias=True)) == first
    assert isinstance(first.alpha, dict)
    assert first.alpha["tag"] == Confidence(by="entropy")


@pytest.mark.parametrize(
    ("override", "field", "says"),
    [
        ("distill.alpha={kind: linear, from: 1.1}", "distill.alpha.from",
         "expected at most 1, found 1.1"),
        ("distill.alpha={kind: cosine, to: -0.1}", "distill.alpha.to", "at least 0, found -0.1"),
        ("distill.alpha={kind: confidence, low: 2}", "distill.alpha.low", "at most 1, found 2"),
        ("distill.alpha={kind: liner}", "distill.alpha", "did you mean 'linear'"),
        ("distill.alpha=liner", "distill.alpha", "did you mean 'linear'"),
        ("distill.alpha={kind: linear, form: 1}", "distill.alpha.form", "did you mean 'from'"),
        ("distill.alpha='0.5'", "distill.alpha", "expected a number, found '0.5'"),
        ("distill.alpha=[0.5]", "distill.alpha", "expected a number|found a list"),
        ("distill.alpha={intent: 0.5, urgent: {kind: correct, high: 3}}",
         "distill.alpha.urgent.high", "at most 1, found 3"),
        ("distill.alpha={intent: linear}", "distill.alpha", "names every task; no 'urgent'"),
        ("distill.temperature={kind: linear, from: 0, to: 1}", "distill.temperature.from",
         "above 0|more than 0"),
        ("distill.temperature={kind: linear, from: 1}", "distill.temperature",
         "the key 'to' is missing"),
        ("distill.temperature={kind: confidence}", "distill.temperature", "no kind"),
        ("distill.temperature={kind: cosine, from: 2, to: 1.0e999}", "distill.temperature",
         "1.0e999 is no finite number"),
        ("distill.temperature={kind: curriculum, from: 1}", "distill.temperature.from",
         "expected more than low (1) and less than high (21), found 1"),
        ("distill.temperature={intent: 2, urgent: {kind: curriculum, high: 3}}",
         "distill.temperature.urgent.from", "less than high (3), found 4"),
        ("distill.alpha={kind: by_class, labels: {yes: 2}}", "distill.alpha.labels.yes",
         "at most 1, found 2"),
        ("distill.alpha=curriculum", "distill.alpha", "curriculum"),
    ],
)  # fmt: skip
def test_what_is_no_such_value_is_refused_at_its_place(
    problems: Problems, small: str, override: str, field: str, says: str
) -> None:
    (found,) = problems(small, override)
    assert found.field == field
    assert any(one in found.message for one in says.split("|")), found.message


def test_a_schedule_is_no_word_of_a_task_that_nobody_teaches(
    problems: Problems, small: str
) -> None:
    (found,) = problems(small, "teachers=[]", "distill.alpha=linear")
    assert "no teacher teaches 'intent', 'urgent': give it one, or set alpha to 0" in found.message
    only = ("teachers.big.tasks=[intent]", "distill.alpha={intent: 1, urgent: linear}")
    (found,) = problems(small, *only)
    assert found.field == "distill.alpha.urgent"


@pytest.mark.parametrize(
    ("alpha", "field"),
    [("progress", "distill.alpha"), ("{intent: 0.5, urgent: progress}", "distill.alpha.urgent")],
)
def test_progress_needs_a_validation_before_the_end(
    problems: Problems, load: Callable[..., object], small: str, alpha: str, field: str
) -> None:
    stated = (f"distill.alpha={alpha}", "train.epochs=4")
    (found,) = problems(small, *stated, "train.validate_every=4")
    assert found.field == field
    assert "with 4 epochs and validate_every 4 that is the end" in found.message
    load(small, *stated, "train.validate_every=3")
    phases = "phases=[{name: one, train: {epochs: 5}}, {name: two, train: {epochs: 4}}]"
    (found,) = problems(small, *stated, "train.validate_every=4", phases)
    assert found.field == f"phases.1.{field}"


@pytest.mark.parametrize(
    ("alpha", "field"),
    [("progress", "distill.alpha"), ("{intent: 0.5, urgent: progress}", "distill.alpha.urgent")],
)
def test_progress_to_0_leaves_nothing_to_learn_from_rows_without_labels(
    problems: Problems, load: Callable[..., object], small: str, alpha: str, field: str
) -> None:
    phases = "phases=[{name: all}, {name: bare, rows: unlabelled}]"
    (found,) = problems(small, f"distill.alpha={alpha}", phases)
    assert found.field == f"phases.1.{field}"
    assert "state a larger near" in found.message
    load(small, "distill.alpha={kind: progress, near: 0.1}", phases)
    load(small, f"distill.alpha={alpha}", "phases=[{name: some, rows: labelled}, {name: all}]")
    followed = "distill.features=[{teacher: big, from: a, to: a}]"
    load(small, f"distill.alpha={alpha}", phases, followed)
    beside = "phases.1.distill={mutual: {peers: [{name: peer, model: static}]}}"
    load(small, f"distill.alpha={alpha}", phases, beside)


@pytest.mark.parametrize(
    ("weight", "field"),
    [
        ("confidence", "distill.sample_weight"),
        ("0.5", "distill.sample_weight"),
        ("{intent: 1, urgent: labelled}", "distill.sample_weight.urgent"),
    ],
)
def test_a_sample_weight_is_of_a_task_that_somebody_teaches(
    problems: Problems, load: Callable[..., object], small: str, weight: str, field: str
) -> None:
    stated = f"distill.sample_weight={weight}"
    (found,) = problems(small, stated, "distill.alpha=0")
    assert found.field == field
    assert "nobody teaches here" in found.message
    load(small, stated)
    load(small, "distill.sample_weight=1", "distill.alpha=0")


def test_a_sample_weight_leaves_something(
    problems: Problems, load: Callable[..., object], small: str
) -> None:
    (found,) = problems(small, "distill.sample_weight=0")
    assert found.field == "distill.sample_weight"
    bare = "distill.sample_weight={kind: labelled, unlabelled: 0}"
    phases = "phases=[{name: all}, {name: bare, rows: unlabelled}]"
    (found,) = problems(small, bare, phases)
    assert found.field == "phases.1.distill.sample_weight"
    assert "state a larger one" in found.message
    load(small, bare)
    load(small, bare, phases, "distill.features=[{teacher: big, from: a, to: a}]")


CHAIN = """\
  - name: middle
    model: {family: transformers, config: {model_type: electra}}
    taught_by: big
"""


@pytest.fixture
def chain(small: str) -> str:
    """``big`` teaches ``middle``, which teaches the student."""
    return small.replace("student:\n", f"{CHAIN}student:\n")


def test_progress_of_a_taught_teacher_is_asked_of_its_own_training(
    problems: Problems, load: Callable[..., object], chain: str
) -> None:
    short, own = "teachers.middle.train={epochs: 1}", "teachers.middle.distill={alpha: progress}"
    for stated in (own, "distill.alpha=progress"):
        (found,) = problems(chain, stated, short)
        assert found.field == "teachers.1.distill.alpha"
        assert "with 1 epochs and validate_every 1 that is the end" in found.message
    load(chain, own, "train.epochs=1")
    by_task = "distill.alpha={intent: 0.5, urgent: progress}"
    load(chain, by_task, short, "teachers.middle.tasks=[intent]")
    (found,) = problems(chain, own, short, "phases=[{name: one}]")
    assert found.field == "teachers.1.distill.alpha"


def test_a_curriculum_of_a_taught_teacher_begins_within_its_range(
    problems: Problems, chain: str
) -> None:
    wrong = "{temperature: {kind: curriculum, from: 4, low: 5, high: 6}}"
    (found,) = problems(chain, f"teachers.middle.distill={wrong}")
    assert found.field == "teachers.1.distill.temperature.from"
    assert "expected more than low (5) and less than high (6), found 4" in found.message
    (found,) = problems(chain, f"distill={wrong}")  # inherited: told once, where it stands
    assert found.field == "distill.temperature.from"


def test_infinite_and_strange_values_are_refused() -> None:
    for alpha in (float("nan"), True, None, {"kind": 3}, {"kind": "linear", "from": True}):
        with pytest.raises(ValidationError):
            Distill.model_validate({"alpha": alpha})


def test_the_json_schema_takes_numbers_words_and_mappings_alone_and_by_task() -> None:
    distill: dict[str, Any] = json.loads(json.dumps(json_schema()))["$defs"]["Distill"]
    alone, by_task = distill["properties"]["alpha"]["anyOf"]
    (inner,) = by_task["patternProperties"].values()
    for form in (alone, inner):
        number, method = form["anyOf"]
        assert (number["minimum"], number["maximum"]) == (0, 1)
        assert method["anyOf"][0]["enum"][:2] == ["linear", "cosine"]
    logits, _ = distill["properties"]["logits"]["anyOf"]
    assert "kl" in logits["anyOf"][0]["enum"]  # a bare word for all tasks, too
