"""Rows that are held out of training: the same ones for check, the run and everything after it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from commands import kd2edge, succeed
from kd2edge.pipeline.reading.prepare import prepare_data, require_sound, rows_plan
from kd2edge.pipeline.reading.sources import RowsPlan, open_split, read_rows_plan, write_rows_plan
from kd2edge.recipe import load_recipe
from products import write_text_project

SPLITS = ("train", "validation", "test")
FILES = "      validation: validation.jsonl\n      test: test.jsonl\n"
HOLD_OUT = "{validation: 0.2, test: 0.2}"


def project(folder: Path, hold_out: str = HOLD_OUT, train: str = "train.jsonl") -> Path:
    """The text recipe with rows held out in place of files."""
    recipe = write_text_project(folder)
    text = recipe.read_text(encoding="utf-8").replace(FILES, f"      hold_out: {hold_out}\n")
    recipe.write_text(text.replace("train: train.jsonl", f"train: {train}"), encoding="utf-8")
    return recipe


def places(plan: RowsPlan) -> dict[str, list[str]]:
    """The places of the labelled rows of every split."""
    found = {}
    for split in SPLITS:
        rows = open_split(plan, split)
        found[split] = [rows.place(at) for at in range(len(rows)) if rows.tasks_of(at)]
    return found


def test_every_row_is_in_one_split_and_equal_inputs_in_the_same(tmp_path: Path) -> None:
    recipe = project(tmp_path)
    loaded = load_recipe(recipe)
    data = prepare_data(loaded)
    require_sound(loaded, data)
    found = places(data.plan)
    lines = (tmp_path / "train.jsonl").read_text(encoding="utf-8").count("\n")
    assert sorted(place for several in found.values() for place in several) == sorted(
        f"{tmp_path / 'train.jsonl'}:{line}" for line in range(1, lines + 1)
    )
    texts = [{" ".join(row["text"].split()).casefold() for row in data.rows[s]} for s in SPLITS[1:]]
    assert not texts[0] & texts[1]
    plan = succeed("check", recipe, "--json").json
    assert plan["held_out"] == {"bank": {"validation": 0.2, "test": 0.2}}
    assert plan["leaks"] == {}
    said = succeed("check", recipe).out
    assert "held out   of the training rows of bank: 20.0% for validation, 20.0% for test" in said


def test_the_plan_of_a_run_finds_the_same_rows_in_another_process(tmp_path: Path) -> None:
    plan = rows_plan(load_recipe(project(tmp_path)).recipe)
    write_rows_plan(tmp_path / "rows.json", plan)
    assert read_rows_plan(tmp_path / "rows.json") == plan
    code = (
        "import sys, pathlib, json\n"
        "from kd2edge.pipeline.reading.sources import open_split, read_rows_plan\n"
        "plan = read_rows_plan(pathlib.Path(sys.argv[1]))\n"
        "splits = ('train', 'validation', 'test')\n"
        "print(json.dumps([open_split(plan, split).fingerprint for split in splits]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "rows.json")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert json.loads(said) == [open_split(plan, split).fingerprint for split in SPLITS]


def test_several_files_are_shared_out_as_one(tmp_path: Path) -> None:
    recipe = project(tmp_path, train="[train.jsonl, test.jsonl]")
    found = places(rows_plan(load_recipe(recipe).recipe))
    files = {split: {Path(place).name.split(":")[0] for place in found[split]} for split in SPLITS}
    assert all(names == {"train.jsonl", "test.jsonl"} for names in files.values())
    texts = {
        split: {row["text"] for row in open_split(rows_plan(load_recipe(recipe).recipe), split)}
        for split in SPLITS[1:]
    }
    assert not texts["validation"] & texts["test"]


def test_the_seed_of_the_recipe_does_not_change_the_rows_and_that_of_hold_out_does(
    tmp_path: Path,
) -> None:
    recipe = project(tmp_path)
    first = places(rows_plan(load_recipe(recipe).recipe))
    assert places(rows_plan(load_recipe(recipe, overrides=["seed=9"]).recipe)) == first
    other = ["data.sources.0.hold_out={validation: 0.2, test: 0.2, seed: 9}"]
    assert places(rows_plan(load_recipe(recipe, overrides=other).recipe)) != first


def test_rows_of_a_group_stay_together(tmp_path: Path) -> None:
    recipe = project(tmp_path, "{validation: 0.2, test: 0.2, group: who}")
    path = tmp_path / "train.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    for at, row in enumerate(rows):
        row |= {"who": at // 3, "text": f"{row['text']} {at}"}
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    plan = rows_plan(load_recipe(recipe).recipe)
    groups = [{row["who"] for row in open_split(plan, split) if "who" in row} for split in SPLITS]
    assert all(groups)
    assert sum(map(len, groups)) == len(set.union(*groups))


@pytest.mark.parametrize(
    ("hold_out", "says"),
    [
        ("{}", "expected a share of the rows for validation or test, found neither"),
        ("{validation: 0.6, test: 0.4}", "the shares leave no row to train on"),
        ("{validation: 0, test: 0.1}", "expected more than 0"),
        ("{validation: 0.2}", "hold_out: {test: 0.1}"),
        ("{validation: 0.2, test: 0.2, group: who}", "train.jsonl:1: hold_out: no column 'who'"),
        ("{validation: 0.2, test: 0.2, grup: who}", "did you mean 'group'?"),
    ],
)
def test_what_cannot_be_held_out_is_refused(tmp_path: Path, hold_out: str, says: str) -> None:
    result = kd2edge("check", project(tmp_path, hold_out))
    assert result.code == 2
    assert says in result.err


def test_a_split_has_files_or_is_held_out(tmp_path: Path) -> None:
    result = kd2edge("check", project(tmp_path, f"{HOLD_OUT}\n      test: test.jsonl"))
    assert result.code == 2
    assert "the source has files for test: name those or hold out" in result.err
