"""What ``check`` says of labels: those that look alike, look like nothing, or are blank."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commands import kd2edge, succeed
from kd2edge.pipeline.reading.label_notes import label_notes
from kd2edge.pipeline.reading.prepare import prepare_data, require_sound
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
    data = prepare_data(loaded)
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


CONLL = {"train": 3, "validation": 1, "test": 1}
IOB1 = """\
Anna NN I-PER
Bert NN B-PER
sees VB O
Rome NN I-LOC

it PRP O
likes VB O
Oslo NN I-LOC

"""


def column_project(folder: Path, text: str, options: str) -> Path:
    """The token recipe over column files."""
    recipe = write_token_project(folder)
    for split, times in CONLL.items():
        (folder / f"{split}.conll").write_text(text * times, encoding="utf-8")
    content = recipe.read_text(encoding="utf-8").replace(".jsonl", ".conll")
    recipe.write_text(
        content.replace("kind: jsonl", f"kind: conll\n      {options}"), encoding="utf-8"
    )
    return recipe


def test_part_of_speech_tags_are_not_learned_as_entities(tmp_path: Path) -> None:
    recipe = column_project(tmp_path, IOB1, "tasks: [ner, pos]")
    result = kd2edge("check", recipe)
    assert result.code == 2
    assert f"{tmp_path / 'train.conll'}:1: expected 2 columns (tokens, ner), found 3" in result.err
    assert "options: {columns: [tokens, _, ner]}" in result.err


NAMED = "options: {columns: [tokens, pos, ner]}"


def test_iob1_is_said_and_can_be_read_as_iob2(tmp_path: Path) -> None:
    recipe = column_project(tmp_path, IOB1, NAMED)
    (note,) = (note for note in notes(recipe, "ner") if "IOB1" in note)
    assert note.startswith("source names writes entities as IOB1 (15 begin with I-, B- stands")
    assert "state `scheme: iob1` for it" in note
    assert not any("IOB1" in note for note in notes(recipe, "pos"))
    recipe = column_project(tmp_path, IOB1, f"{NAMED}\n      scheme: {{ner: iob1}}")
    assert not any("begin" in note for note in notes(recipe, "ner"))
    data = prepare_data(load_recipe(recipe))
    assert data.rows["train"][0]["ner"] == ["B-PER", "B-PER", "O", "B-LOC"]
    assert data.rows["train"][0]["pos"] == ["NN", "NN", "VB", "NN"]
    assert next(spec for name, spec in data.tasks.items() if name == "ner").labels == (
        "B-LOC",
        "B-PER",
        "O",
    )


def test_iob2_is_not_taken_for_iob1_and_slips_are_counted(tmp_path: Path) -> None:
    text = IOB1.replace("I-", "B-")
    assert not any("begin" in note for note in notes(column_project(tmp_path, text, NAMED), "ner"))
    slips = text.replace("Rome NN B-LOC", "Rome NN I-LOC")
    (note,) = (
        note for note in notes(column_project(tmp_path, slips, NAMED), "ner") if "begin" in note
    )
    assert note == ("source names: 5 of 20 entities begin with I-; `scheme: iob2` reads them as B-")


def test_labels_of_bilou_are_told_how_they_are_read(tmp_path: Path) -> None:
    bilou = (
        IOB1.replace("I-LOC", "U-LOC")
        .replace("I-PER", "B-PER", 1)
        .replace("Bert NN B", "Bert NN L")
    )
    result = kd2edge("check", column_project(tmp_path, bilou, NAMED))
    assert result.code == 2
    assert "found 'L-PER' (`scheme: bilou` of a source reads BILOU); use accuracy" in result.err
    recipe = column_project(tmp_path, bilou, f"{NAMED}\n      scheme: {{ner: bilou}}")
    first = prepare_data(load_recipe(recipe)).rows["train"][0]
    assert first["ner"] == ["B-PER", "I-PER", "O", "B-LOC"]


@pytest.mark.parametrize(
    ("scheme", "says"),
    [
        ("iob3", "found 'iob3'"),
        ("{nerr: iob1}", "found 'nerr'"),
        ("{ner: bio}", "found 'bio'"),
        ("iob1", "column 'pos': word 1: expected a tag of iob1 (O, B-x, I-x), found 'NN'"),
    ],
)
def test_a_scheme_that_cannot_be_meant_is_refused(tmp_path: Path, scheme: str, says: str) -> None:
    result = kd2edge("check", column_project(tmp_path, IOB1, f"{NAMED}\n      scheme: {scheme}"))
    assert result.code == 2
    assert says in result.err
