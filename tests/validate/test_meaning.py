from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

import bundles
from kd2edge.errors import IntegrityError, SchemaTooNewError
from kd2edge.files import canonical_json
from kd2edge.validate.agreement import misreadings
from kd2edge.validate.meaning import Meaning, SplitMeaning, meaning_of, open_meaning

TASKS = {str(one.name): one for one in bundles.IMAGE_TASKS}
INPUTS = {"image": bundles.IMAGE_INPUT}
SPLITS = {"test": SplitMeaning(3, "a" * 64, {"digit": "b" * 64, "larger": "c" * 64})}


def meant(**changes: Any) -> Meaning:
    return dataclasses.replace(meaning_of("5" * 64, TASKS, INPUTS, {}, SPLITS), **changes)


def test_what_was_written_comes_back_under_its_name() -> None:
    found = open_meaning(meant().to_json())
    assert found.to_json() == meant().to_json()
    assert found.key == meant().key
    assert found.splits == SPLITS
    assert found.tasks["digit"]["labels"] == list(TASKS["digit"].labels)


@pytest.mark.parametrize(
    "other",
    [
        meant(weights="6" * 64),
        meant(splits={}),
        meant(splits={"test": dataclasses.replace(SPLITS["test"], inputs="0" * 64)}),
        meant(splits={"test": dataclasses.replace(SPLITS["test"], labels={})}),
        meant(inputs={}),
        meant(tasks=meaning_of("", {"digit": TASKS["digit"]}, {}, {}).tasks),
    ],
)
def test_another_meaning_has_another_name(other: Meaning) -> None:
    assert other.key != meant().key


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": tuple(reversed(TASKS["digit"].labels))},
        {"decode": {"temperature": 4.0}},
        {"metric": "macro_f1"},
        {"column": "other"},
        {"input": "other"},
    ],
)
def test_whatever_reads_outputs_in_another_way_is_named(changes: dict[str, Any]) -> None:
    tasks = {**TASKS, "digit": dataclasses.replace(TASKS["digit"], **changes)}
    (fault,) = misreadings(meant(), meaning_of("", tasks, INPUTS, {}), "the manifest")
    assert fault.startswith(f"task digit: {next(iter(changes))} is ")
    assert "in the manifest, was" in fault


def test_what_came_or_went_is_named() -> None:
    fewer = meaning_of("", {"digit": TASKS["digit"]}, INPUTS, {})
    assert misreadings(meant(), fewer, "it") == [
        "task larger: PyTorch's stored outputs have it, it does not"
    ]
    assert misreadings(fewer, meant(), "it") == [
        "task larger: it has it, PyTorch's stored outputs do not"
    ]
    assert misreadings(meant(), meant(), "it") == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.pop("weights"), "weights: missing"),
        (lambda m: m.update(more=1), "more: unknown key"),
        (lambda m: m["splits"]["test"].update(rows=-1), "rows: expected a whole number"),
        (lambda m: m["tasks"].update(digit=[]), "expected an object"),
    ],
)
def test_what_is_no_meaning_is_refused(
    change: Callable[[dict[str, Any]], object], said: str
) -> None:
    value = json.loads(meant().to_json())
    change(value)
    with pytest.raises(IntegrityError, match=said):
        open_meaning(canonical_json(value))


def test_a_newer_one_is_refused() -> None:
    with pytest.raises(SchemaTooNewError):
        open_meaning(canonical_json({**json.loads(meant().to_json()), "schema": 2}))


def test_other_bytes_of_the_same_meaning_are_refused() -> None:
    with pytest.raises(IntegrityError, match="not as kd2edge writes it"):
        open_meaning(meant().to_json() + b"\n")
