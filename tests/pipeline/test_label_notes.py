"""What ``check`` says of labels: those that look alike, look like nothing, or are blank."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commands import succeed
from kd2edge.pipeline.label_notes import label_notes
from kd2edge.pipeline.prepare import prepared, require_sound
from kd2edge.recipe import load_recipe
from products import write_text_project, write_token_project


def change(path: Path, lines: dict[int, dict[str, Any]]) -> None:
    """Change columns of the rows in some lines (from 1)."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    for line, values in lines.items():
        rows[line - 1] |= values
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def notes(recipe: Path, task: str) -> list[str]:
    loaded = load_recipe(recipe)
    data = prepared(loaded)
    require_sound(loaded, data)
    (spec,) = (spec for name, spec in data.tasks.items() if name == task)
    return list(label_notes(data, spec))


def test_sound_labels_are_not_spoken_of(tmp_path: Path) -> None:
    assert notes(write_text_project(tmp_path), "intent") == []
    assert notes(write_text_project(tmp_path), "urgent") == []


def test_labels_that_look_alike_are_named_with_counts_and_places(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    change(train, {3: {"intent": "Greet"}, 5: {"intent": "Greet"}, 7: {"intent": "caf\u00e9"}})
    change(test, {2: {"intent": "cafe\u0301"}, 4: {"intent": "order\u00a0"}})
    found = notes(recipe, "intent")
    at = found.index("labels alike but for case:")
    assert found[at + 1] == f"  'Greet': 2, first in {train}:3"
    assert found[at + 2].startswith("  'greet': ")
    at = found.index("labels alike but for Unicode form:")
    assert found[at + 1] == f"  'cafe\\u0301': 1, first in {test}:2"
    assert found[at + 2] == f"  'caf\\xe9': 1, first in {train}:7"
    at = found.index("labels alike but for blanks:")
    assert found[at + 2] == f"  'order\\xa0': 1, first in {test}:4"
    said = succeed("check", recipe)
    assert "           labels alike but for case:\n             'Greet': 2, first in" in said.out


def test_tags_and_types_of_entities_are_compared_too(tmp_path: Path) -> None:
    recipe = write_token_project(tmp_path)
    row = json.loads((tmp_path / "train.jsonl").read_text(encoding="utf-8").split("\n")[0])
    odd = [f"{label} " if label.startswith("B-") else label for label in row["ner"]]
    assert odd != row["ner"]
    change(tmp_path / "train.jsonl", {1: {"ner": odd}})
    found = notes(recipe, "ner")
    at = found.index("labels alike but for blanks:")
    assert f"first in {tmp_path / 'train.jsonl'}:1" in found[at + 2]
    assert " ': 1, " in found[at + 2]


@pytest.mark.parametrize("value", ["nan", "NULL"])
def test_a_label_that_looks_like_a_missing_one_is_named(tmp_path: Path, value: str) -> None:
    recipe = write_text_project(tmp_path)
    change(tmp_path / "train.jsonl", {4: {"intent": value}})
    (note,) = (note for note in notes(recipe, "intent") if "looks like" in note)
    assert note.startswith(f"the label {value!r} (1, first in {tmp_path / 'train.jsonl'}:4) looks")


@pytest.mark.parametrize("value", ["", " ", "\u00a0\t", float("nan")])
def test_blank_labels_and_nan_are_missing_and_counted(tmp_path: Path, value: object) -> None:
    recipe = write_text_project(tmp_path)
    before = succeed("check", recipe, "--json").json["tasks"]["intent"]
    change(tmp_path / "train.jsonl", {4: {"intent": "greet"}, 9: {"intent": "greet"}})
    kept = succeed("check", recipe, "--json").json["tasks"]["intent"]["labelled"]
    change(tmp_path / "train.jsonl", {4: {"intent": value}, 9: {"intent": value}})
    after = succeed("check", recipe, "--json").json["tasks"]["intent"]
    assert (after["labels"], after["labelled"]) == (before["labels"], kept - 2)
    place = f"{tmp_path / 'train.jsonl'}:4"
    said = f"2 rows have labels of blanks alone or NaN, read as missing (first: {place})"
    assert after["notes"] == [said]
