"""A teacher that is no net: boosted trees teach beside a net, from the rows to the gate."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import kd2edge
from kd2edge.files.npz import npz_arrays
from kd2edge.recipe import load_recipe
from kd2edge.teacher.boosted import load_boosted
from products import write_jsonl

_RECIPE = """\
version: 1
name: trees
seed: 3
data:
  sources:
    - {name: rows, kind: jsonl, train: train.jsonl, validation: other.jsonl, test: other.jsonl}
inputs:
  person: {kind: tabular, numeric: [age, hours], categorical: [town, member]}
tasks:
  happy: {kind: binary, positive: "yes", metric: auc}
  level: {kind: ordinal, metric: level_mae}
  likes: {kind: multi_label, metric: macro_f1}
  pay: {kind: regression, metric: mae}
  place: {kind: classification, metric: accuracy}
teachers:
  - name: trees
    model: {family: boosting, max_iter: 8, learning_rate: 0.3, max_leaf_nodes: 5}
    tasks: [happy, level, likes, pay]
  - name: net
    model: {family: mlp, config: {hidden: [8]}}
    tasks: [place]
    train: {epochs: 1, batch_size: 32}
student:
  model: {family: mlp, config: {hidden: [8], embedding: 2}}
train: {epochs: 3, lr: 1.0e-2, batch_size: 32, threads: 1, device: cpu, precision: fp32}
export: {targets: [onnx], precisions: [fp32], calibration: {rows: 16}}
validate: {max_drop: {happy: 0.5, level: 2, likes: 0.5, pay: 100, place: 0.5}}
"""


_PIECES = "{train: {kind: wordpiece, size: 40}}"


def rows_of(count: int, seed: int = 0) -> list[dict[str, Any]]:
    draw = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for at in range(count):
        age, town = int(draw.integers(20, 70)), str(draw.choice(["Rome", "Oslo", "Bern"]))
        points = age + 20 * (town == "Rome") + draw.normal() * 5
        row = {"age": age, "hours": draw.random() * 40, "town": town, "member": at % 3 == 0}
        row |= {"happy": "yes" if points > 50 else "no", "level": int(points // 30)}
        row |= {"likes": [one for one, lot in (("tea", 40), ("rum", 60)) if points > lot]}
        row |= {"pay": round(points * 3, 1), "place": town[0]}
        row["hours"] = None if at % 7 == 0 else row["hours"]
        row["happy"] = None if at % 5 == 0 else row["happy"]
        rows.append(row)
    return rows


def project(folder: Path, recipe: str = _RECIPE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / "train.jsonl", rows_of(200))
    write_jsonl(folder / "other.jsonl", rows_of(150, seed=1))
    (folder / "recipe.yaml").write_text(recipe)
    return folder / "recipe.yaml"


def distil(recipe: Path, run: Path, *more: str) -> str:
    result = kd2edge("distill", recipe, "--run-dir", run, *more)
    assert result.code == 0, result.err
    return result.err


def setting(*overrides: str) -> list[str]:
    return [word for one in overrides for word in ("--set", one)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trees")
    distil(project(folder), folder / "run")
    return folder


@pytest.fixture
def again(folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(folder, tmp_path / "again")
    return tmp_path / "again"


def test_trees_and_a_net_teach_a_student_that_passes_the_gate(folder: Path) -> None:
    result = kd2edge("export", folder / "run", "--out", folder / "bundle")
    assert result.code == 0, result.err
    judged = kd2edge("validate", folder / "bundle", "--run", folder / "run", "--json")
    assert judged.code == 0, judged.err
    report = json.loads((folder / "run" / "report.json").read_bytes())
    assert report["models"]["teacher"]["names"] == ["trees", "net"]
    for task, models in report["splits"]["test"]["tasks"].items():
        assert models.keys() == {"teacher", "baseline", "student"}, task
        assert models["teacher"]["metrics"][report["tasks"][task]["metric"]]["value"] is not None
    told = report["splits"]["test"]["tasks"]
    assert told["happy"]["teacher"]["metrics"]["auc"]["value"] > 0.9
    assert told["pay"]["teacher"]["metrics"]["r2"]["value"] > 0.8
    assert report["models"]["teacher"]["flops"] > 0


def test_trees_are_cross_fitted_too(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    told = distil(folder / "recipe.yaml", run, *setting("teachers.0.folds=2"))
    shown = [int(rows) for rows in re.findall(r"teacher trees \d/2 +boosted trees on (\d+)", told)]
    assert len(shown) == 2
    assert sum(shown) == 200
    nets = [run / "teachers" / "folds" / f"trees-{fold}.npz" for fold in (1, 2)]
    final, before = (one / "teachers" / "trees.npz" for one in (run, folder / "run"))
    assert len({one.read_bytes() for one in (*nets, final)}) == 3
    assert final.read_bytes() == before.read_bytes()
    happy = [load_boosted(net.with_suffix("")).forests[0].rows for net in nets]
    assert sum(happy) == sum(row["happy"] is not None for row in rows_of(200))
    assert "(done before)" in distil(
        folder / "recipe.yaml", run, "--resume", *setting("teachers.0.folds=2")
    )


def test_what_is_kept_is_arrays_and_says_what_it_was_grown_on(folder: Path) -> None:
    stem = folder / "run" / "teachers" / "trees"
    arrays = npz_arrays(stem.with_name("trees.npz").read_bytes())
    assert all(one.dtype != object for one in arrays.values())
    boosted = load_boosted(stem)
    assert [task.name for task in boosted.tasks] == ["happy", "level", "likes", "pay"]
    happy = boosted.forests[0]
    assert happy.rows == sum(row["happy"] is not None for row in rows_of(200))
    record = json.loads(stem.with_name("trees.record.json").read_bytes())
    assert record["steps"] == boosted.trees
    assert record["files"].keys() == {"trees.npz", "trees.json"}


def test_finished_trees_are_taken_over_and_changed_settings_grow_others(again: Path) -> None:
    recipe, run = again / "recipe.yaml", again / "run"
    trees, student = run / "teachers" / "trees.npz", run / "student.safetensors"
    before, known = trees.read_bytes(), student.read_bytes()
    written = trees.stat().st_mtime_ns
    told = distil(recipe, run, "--resume")
    assert trees.stat().st_mtime_ns == written
    assert re.search(r"teacher trees +\d+ trees +\(done before\)", told)
    assert student.read_bytes() == known
    distil(recipe, run, *setting("teachers.0.model.learning_rate=0.2"))
    assert trees.read_bytes() != before
    distil(recipe, run)
    assert trees.read_bytes() == before
    assert student.read_bytes() == known


def test_another_run_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    distil(project(tmp_path), tmp_path / "run")
    for name in ("teachers/trees.npz", "student.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (folder / "run" / name).read_bytes()


def test_damaged_trees_are_never_used_in_silence(again: Path) -> None:
    trees = again / "run" / "teachers" / "trees.npz"
    trees.write_bytes(trees.read_bytes()[:-1])
    result = kd2edge("distill", again / "recipe.yaml", "--run-dir", again / "run", "--resume")
    assert result.code == 5
    assert "trees.npz" in result.err
    trees.unlink()  # what is gone is grown again
    distil(again / "recipe.yaml", again / "run")
    assert trees.is_file()


def test_deleted_trees_are_grown_again_under_the_student_that_they_taught(again: Path) -> None:
    recipe, run = again / "recipe.yaml", again / "run"
    record, trees = (run / "teachers" / f"trees.{one}" for one in ("record.json", "npz"))
    before, known = trees.read_bytes(), (run / "student.safetensors").read_bytes()
    trees.write_bytes(before[:-1])
    result = kd2edge("distill", recipe, "--run-dir", run, "--resume")
    assert f"or delete {record} and run `kd2edge distill` again with --resume" in result.err
    record.unlink()
    told = distil(recipe, run, "--resume")
    assert re.search(r"student +\d+ steps +\(done before\)", told)
    assert trees.read_bytes() == before
    trees.unlink()  # its record is there
    distil(recipe, run, "--resume")
    assert trees.read_bytes() == before
    assert (run / "student.safetensors").read_bytes() == known
    report = (run / "report.json").read_bytes()
    other = setting("teachers.0.model.learning_rate=0.2")
    result = kd2edge("distill", recipe, "--run-dir", run, "--resume", *other)
    assert result.code == 2
    assert "belongs to another net" in result.err
    assert (run / "report.json").read_bytes() == report


def test_trees_teach_another_run_as_a_checkpoint(folder: Path, tmp_path: Path) -> None:
    recipe = project(tmp_path)
    stem = folder / "run" / "teachers" / "trees"
    loaded = setting(f"teachers.0.checkpoint={stem}.npz")
    distil(recipe, tmp_path / "run", *loaded)
    assert not (tmp_path / "run" / "teachers" / "trees.npz").exists()
    report, own = (
        json.loads((one / "run" / "report.json").read_bytes()) for one in (folder, tmp_path)
    )
    for task in ("happy", "pay"):
        said = [one["splits"]["test"]["tasks"][task]["teacher"] for one in (report, own)]
        assert said[0] == said[1]
    result = kd2edge("check", recipe, *loaded, *setting("inputs.person.scaling=quantile"))
    assert result.code == 2
    assert "its trees were grown on another input: options" in result.err
    write_jsonl(tmp_path / "train.jsonl", rows_of(90))
    assert kd2edge("check", recipe, *loaded).code == 0  # it reads by its own run's table
    alone = tmp_path / "alone"
    shutil.copytree(stem.parent, alone)
    result = kd2edge("check", recipe, *setting(f"teachers.0.checkpoint={alone}/trees.npz"))
    assert "its trees were grown on another input: fitted table" in result.err
    result = kd2edge("check", recipe, *setting(f"teachers.0.checkpoint={folder}/gone.npz"))
    assert "no file" in result.err


def test_check_says_how_many_trees_there_will_be(folder: Path) -> None:
    result = kd2edge("check", folder / "recipe.yaml")
    assert result.code == 0, result.err
    # A yes or no, four levels, two likes and a value: eight channels.
    assert "model      trees: boosted trees, at most 64 of 5 leaves, on 200 labelled rows" in (
        result.out
    )
    assert kd2edge("check", folder / "recipe.yaml", "--json").json["models"]["trees"] == {
        "trees": 64,
        "leaves": 5,
        "rows": 200,
    }


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("teachers.0.train={epochs: 3}", "trees are not trained in epochs"),
        ("student.init={from: trees}", "'trees' is made of trees, a net cannot start from them"),
        ("distill.features=[{teacher: trees, from: a, to: b}]", "no features to follow"),
        (
            "student.model={family: boosting}",
            "no family 'boosting'; expected one of transformers, cnn, conv, mlp, static, joint",
        ),
        ("teachers.0.model.max_bins=3", "column 'town' has 3 categories, at most 1"),
        ("teachers.0.model.max_iter=0", "max_iter"),
        ("teachers.0.model.max_features=2", "max_features"),
        ("teachers.0.model.epochs=5", "epochs"),
        (
            f"teachers.0.inputs={{words: {{kind: text, columns: [town], tokenizer: {_PIECES}}}}}",
            "boosted trees read one table and are given words",
        ),
    ],
)
def test_what_makes_no_sense_for_trees_is_refused(folder: Path, override: str, said: str) -> None:
    result = kd2edge("check", folder / "recipe.yaml", *setting(override))
    assert result.code == 2
    assert said in result.err


def test_trees_do_not_label_words(tmp_path: Path) -> None:
    recipe = _RECIPE.replace(
        "inputs:\n",
        f"inputs:\n  words: {{kind: tokens, columns: [w], tokenizer: {_PIECES}}}\n",
    )
    recipe = recipe.replace("tasks:\n", "tasks:\n  tag: token_classification\n", 1)
    recipe = recipe.replace("tasks: [happy,", "tasks: [tag, happy,")
    recipe = recipe.replace("max_drop: {", "max_drop: {tag: 1, ")
    result = kd2edge("check", project(tmp_path, recipe))
    assert result.code == 2
    assert "'tag' has a label a word, trees answer rows" in result.err


def test_a_label_that_never_varies_is_named(tmp_path: Path) -> None:
    recipe = project(tmp_path)
    write_jsonl(tmp_path / "train.jsonl", [row | {"happy": "no"} for row in rows_of(200)])
    for verb in (("check", recipe), ("distill", recipe, "--run-dir", tmp_path / "run")):
        result = kd2edge(*verb)
        assert result.code == 2
        assert "task happy: every labelled training row says 'no'" in result.err
        assert "teachers.0.tasks.0" in result.err
    assert not (tmp_path / "run" / "teachers").exists()  # before anything was trained


def test_the_recipe_with_every_default_is_read_as_the_same(folder: Path) -> None:
    own = load_recipe(folder / "recipe.yaml").recipe
    resolved = load_recipe(folder / "run" / "recipe.yaml").recipe
    assert resolved.teachers == own.teachers
