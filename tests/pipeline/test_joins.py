"""Several teachers of one task: trees that read a table and a net that reads a text, as one."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import Interrupt, kd2edge, succeed
from kd2edge.errors import Interrupted
from kd2edge.pipeline.verbs.distilling import RunOptions, distill_recipe
from kd2edge.recipe import load_recipe
from products import write_jsonl, write_tokenizer

_READER = """\
  - name: reader
    model: {family: static, config: {embedding: 6, hidden: [6]}}
    inputs: {note: {kind: text, tokenizer: {path: tokenizer.json}}}
    train: {epochs: 8, lr: 2.0e-2, batch_size: 32}
"""
_TREES = """\
  - name: trees
    model: {family: boosting, max_iter: 8, learning_rate: 0.3, max_leaf_nodes: 5}
    inputs: {person: {kind: tabular, numeric: [age], categorical: [member]}}
    tasks: [happy, level, pay]
    folds: 2
"""
_RECIPE = f"""\
version: 1
name: joint
seed: 3
data:
  sources:
    - {{name: rows, kind: jsonl, train: train.jsonl, validation: other.jsonl, test: test.jsonl}}
inputs:
  person: {{kind: tabular, numeric: [age], categorical: [member]}}
  note: {{kind: text, tokenizer: {{path: tokenizer.json}}}}
tasks:
  happy: {{kind: binary, positive: "yes", metric: accuracy}}
  level: {{kind: ordinal, metric: level_mae}}
  pay: {{kind: regression, metric: mae}}
  place: {{kind: classification, metric: accuracy}}
teachers:
{_TREES}{_READER}\
student:
  model:
    encoders:
      person: {{family: mlp, config: {{hidden: [8], embedding: 2}}}}
      note: {{family: static, config: {{embedding: 4}}}}
distill:
  join: {{happy: confidence, level: mean, pay: {{kind: skill, power: 2.0}}, place: none}}
train: {{epochs: 3, lr: 1.0e-2, batch_size: 32, threads: 1, device: cpu, precision: fp32}}
export: {{targets: [onnx], precisions: [fp32], calibration: {{rows: 16}}}}
validate: {{max_drop: {{happy: 0.5, level: 2, pay: 100, place: 0.5}}}}
"""


def _rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Half of what is to be told stands in the table, half in the text; a fifth has no label."""
    draw = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for at in range(count):
        age, town = int(draw.integers(20, 70)), str(draw.choice(["Rome", "Oslo", "Bern"]))
        points = age + 20 * (town == "Rome") + draw.normal() * 5
        row = {"age": age, "member": at % 3 == 0, "note": f"someone from {town} writes"}
        row |= {"happy": "yes" if points > 50 else "no", "level": int(points // 30)}
        row |= {"pay": round(points * 3, 1), "place": town[0]}
        row["happy"] = None if at % 5 == 0 else row["happy"]
        rows.append(row)
    return rows


def _project(folder: Path, recipe: str = _RECIPE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(("train", "other", "test")):
        write_jsonl(folder / f"{name}.jsonl", _rows(150 if seed else 200, seed))
    write_tokenizer(folder / "tokenizer.json", [row["note"] for row in _rows(20, 0)])
    (folder / "recipe.yaml").write_text(recipe)
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joint")
    succeed("distill", _project(folder), "--run-dir", folder / "run")
    return folder


def _report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run" / "report.json").read_bytes())


def test_the_report_has_each_teacher_and_what_they_say_together(folder: Path) -> None:
    report = _report(folder)
    assert report["models"]["teacher"]["names"] == ["trees", "reader"]
    test = report["splits"]["test"]
    assert test["teachers"].keys() == {"happy", "level", "pay"}
    for task, several in test["teachers"].items():
        assert several.keys() == {"trees", "reader"}
        for one in several.values():
            assert one["metrics"].keys() == test["tasks"][task]["teacher"]["metrics"].keys()
    joined = {task: one["teacher"]["metrics"] for task, one in test["tasks"].items()}
    assert "place" in joined
    # Each knows the half: together they know more than the better one alone.
    alone = [one["metrics"]["accuracy"]["value"] for one in test["teachers"]["happy"].values()]
    assert joined["happy"]["accuracy"]["value"] > max(alone)


def test_the_report_says_how_they_were_joined(folder: Path) -> None:
    report = _report(folder)
    joins = report["joins"]
    assert joins["happy"] == {"kind": "confidence"}
    assert joins["level"] == {"kind": "mean"}
    assert joins["pay"].keys() == {"kind", "power", "lacks"}
    told = report["splits"]["validation"]["teachers"]["pay"]
    errors = {name: one["metrics"]["mae"]["value"] for name, one in told.items()}
    lacks = joins["pay"]["lacks"]
    # Shares follow the ratio of the errors on the validation rows.
    assert lacks["trees"] / lacks["reader"] == pytest.approx(errors["trees"] / errors["reader"])
    log = (folder / "run" / "log.jsonl").read_text().splitlines()
    stages = {one["stage"]: one["detail"] for one in map(json.loads, log) if "stage" in one}
    assert stages["join happy"] == "confidence: trees, reader"
    assert re.fullmatch(r"skill: trees lacks [\d.e-]+, reader lacks [\d.e-]+", stages["join pay"])


def test_people_are_shown_each_teacher(folder: Path) -> None:
    shown = succeed("distill", folder / "recipe.yaml", "--run-dir", folder / "run", "--resume").out
    assert "pay: mae of each teacher" in shown
    assert "together (skill, power 2)" in shown
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "Each teacher" in page
    assert "joined by confidence" in page
    compared = succeed("compare", folder / "run", folder / "run").out
    assert "happy: accuracy of each teacher on test" in compared


def test_the_plan_says_who_teaches_what(folder: Path) -> None:
    result = succeed("check", folder / "recipe.yaml")
    assert "taught by trees, reader together, joined by skill" in result.out
    plan = succeed("check", folder / "recipe.yaml", "--json").json
    assert plan["tasks"]["happy"]["teachers"] == ["trees", "reader"]
    assert plan["tasks"]["happy"]["join"] == "confidence"
    assert "join" not in plan["tasks"]["place"]


def test_a_second_teacher_is_in_the_plan_s_cache(folder: Path) -> None:
    sizes = [
        succeed("check", folder / "recipe.yaml", "--set", one, "--json").json["cache_bytes"]
        for one in ("seed=3", "teachers.trees.tasks=[happy]")
    ]
    assert sizes[0] > sizes[1]


def test_the_student_passes_the_gate(folder: Path) -> None:
    succeed("export", folder / "run", "--out", folder / "bundle")
    judged = kd2edge("validate", folder / "bundle", "--run", folder / "run", "--json")
    assert judged.code == 0, judged.err


def test_the_order_of_teachers_changes_no_bit(folder: Path, tmp_path: Path) -> None:
    swapped = _RECIPE.replace(f"{_TREES}{_READER}", f"{_READER}{_TREES}")
    assert swapped != _RECIPE
    succeed("distill", _project(tmp_path, swapped), "--run-dir", tmp_path / "run")
    names = [f"{one}.safetensors" for one in ("student", "baseline")]
    for name in names:
        assert (tmp_path / "run" / name).read_bytes() == (folder / "run" / name).read_bytes()
    one, other = (_report(at)["splits"]["test"]["tasks"] for at in (folder, tmp_path))
    assert {task: told["teacher"] for task, told in one.items()} == {
        task: told["teacher"] for task, told in other.items()
    }


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(folder: Path, tmp_path: Path) -> None:
    recipe, run = _project(tmp_path), tmp_path / "run"
    with pytest.raises(Interrupted):
        distill_recipe(load_recipe(recipe), RunOptions(run), on_event=Interrupt("student"))
    told = succeed("distill", recipe, "--run-dir", run, "--resume").err
    assert "resumed at step" in told
    for name in ("teachers/trees.npz", "student.safetensors"):
        assert (run / name).read_bytes() == (folder / "run" / name).read_bytes()


def test_what_is_done_is_taken_over_and_another_join_teaches_anew(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "again")
    recipe, run = tmp_path / "again" / "recipe.yaml", tmp_path / "again" / "run"
    before = (run / "student.safetensors").read_bytes()
    told = succeed("distill", recipe, "--run-dir", run, "--resume", "--recache").err
    assert re.search(r"student +\d+ steps +\(done before\)", told)
    assert (run / "student.safetensors").read_bytes() == before
    other = ("--set", "distill.join.pay=mean")
    refused = kd2edge("distill", recipe, "--run-dir", run, "--resume", *other)
    assert refused.code == 2
    assert "the checkpoint belongs to another net" in refused.err
    told = succeed("distill", recipe, "--run-dir", run, *other).err
    assert told.count("(done before)") == 6  # the teachers, those of folds, their caches
    assert (run / "student.safetensors").read_bytes() != before


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("distill.join=none", "'pay' has several teachers: trees, reader; let one of them name"),
        ("distill.join=confidence", "join of pay: confidence is defined for tasks that choose"),
        ("distill.join=median", "no kind 'median'"),
        ("distill.join={kind: skill, power: -1}", "power"),
        ("distill.join={kind: mean, power: 1}", "power"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_trained(
    folder: Path, override: str, said: str
) -> None:
    result = kd2edge("check", folder / "recipe.yaml", "--set", override)
    assert result.code == 2
    assert said in result.err


def test_teachers_cannot_be_weighed_by_labels_that_no_row_has(tmp_path: Path) -> None:
    recipe = _project(tmp_path)
    rows = [{**row, "pay": None} for row in _rows(150, 1)]
    write_jsonl(tmp_path / "other.jsonl", rows)
    result = kd2edge("check", recipe)
    assert result.code == 2
    assert "no validation row has a label of pay, by which its teachers could be weighed" in (
        result.err
    )
