"""Teachers that are there already, a graph and an object, from a recipe to the report."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import kd2edge, succeed
from kd2edge.recipe import load_recipe
from products import write_jsonl

_RECIPE = """\
version: 1
name: given
seed: 3
data:
  sources:
    - {name: rows, kind: jsonl, train: train.jsonl, validation: other.jsonl, test: other.jsonl}
inputs:
  person: {kind: tabular, numeric: [age, hours], categorical: [town]}
tasks:
  happy: {kind: binary, positive: "yes", metric: auc}
  level: {kind: ordinal, metric: level_mae}
  likes: {kind: multi_label, metric: macro_f1}
  pay: {kind: regression, metric: mae}
  place: {kind: classification, metric: accuracy}
student:
  model: {family: mlp, config: {hidden: [8], embedding: 2}}
baseline: false
train: {epochs: 2, lr: 1.0e-2, batch_size: 32, threads: 1, device: cpu, precision: fp32}
export: {targets: [onnx], precisions: [fp32], calibration: {rows: 16}}
"""
_ALONE = _RECIPE + "distill: {alpha: 0}\n"
_TAUGHT = "distill: {alpha: {happy: 0.5, level: 0.5, likes: 0.5, pay: 0, place: 0.5}}\n"
_TASKS = "tasks: [happy, level, likes, place]"
_CHECKPOINT = f"""\
{_RECIPE}{_TAUGHT}teachers:
  - {{name: net, model: {{family: mlp, config: {{hidden: [8]}}}}, {_TASKS}, checkpoint: STEM}}
"""
_GRAPH = f"""\
{_RECIPE}{_TAUGHT}teachers:
  - name: graph
    {_TASKS}
    model:
      family: onnx
      path: teacher.onnx
      outputs:
        happy: {{output: happy, labels: ["no", "yes"]}}
        level: {{output: level, labels: [0, 1, 2]}}
        likes: {{output: likes, labels: [rum, tea]}}
        place: {{output: place, labels: [B, O, R]}}
"""
_OBJECT = f"""\
{_RECIPE}distill: {{alpha: {{happy: 0.5, level: 0, likes: 0, pay: 0.5, place: 0}}}}
teachers:
  - name: rule
    tasks: [happy, pay]
    model:
      family: python
      object: its_rule:Rule
      folder: .
      options: {{slope: 3}}
      outputs:
        happy: {{gives: probabilities, labels: ["yes", "no"]}}
"""
_RULE = """\
from pathlib import Path

import numpy as np

Path(__file__).with_name("imported").touch()


class Rule:
    def __init__(self, slope):
        self.slope = slope

    def __call__(self, rows):
        points = np.array([row["age"] + 20 * (row["town"] == "Rome") for row in rows])
        yes = 1 / (1 + np.exp((50 - points) / 5))
        return {"happy": np.stack([yes, 1 - yes], 1), "pay": self.slope * points}
"""


def rows_of(count: int, seed: int = 0) -> list[dict[str, Any]]:
    draw = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for at in range(count):
        age, town = int(draw.integers(20, 70)), str(draw.choice(["Rome", "Oslo", "Bern"]))
        points = age + 20 * (town == "Rome") + draw.normal()
        row = {"age": age, "hours": draw.random() * 40, "town": town, "place": town[0]}
        row |= {"happy": "yes" if points > 50 else "no", "level": int(points // 30)}
        row |= {"likes": [one for one, lot in (("tea", 40), ("rum", 60)) if points > lot]}
        row |= {"pay": round(points * 3, 1)}
        row["happy"] = None if at % 5 == 0 else row["happy"]
        rows.append(row)
    return rows


def project(folder: Path, recipe: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / "train.jsonl", rows_of(150))
    write_jsonl(folder / "other.jsonl", rows_of(120, seed=1))
    (folder / "recipe.yaml").write_text(recipe)
    return folder / "recipe.yaml"


def report(run: Path) -> dict[str, Any]:
    return json.loads((run / "report.json").read_bytes())


def setting(*overrides: str) -> list[str]:
    return [word for one in overrides for word in ("--set", one)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``alone/run``: a student; ``graph`` and ``net``: taught by it, as a graph and as a net."""
    folder = tmp_path_factory.mktemp("given")
    alone = project(folder / "alone", _ALONE)
    succeed("distill", alone, "--run-dir", alone.parent / "run")
    succeed("export", alone.parent / "run", "--out", folder / "bundle")
    (graph,) = folder.glob("bundle/**/*.onnx")
    recipe = project(folder / "graph", _GRAPH)
    shutil.copy(graph, folder / "graph" / "teacher.onnx")
    succeed("distill", recipe, "--run-dir", folder / "graph" / "run")
    stem = str(folder / "alone" / "run" / "student.safetensors")
    recipe = project(folder / "net", _CHECKPOINT.replace("STEM", stem))
    succeed("distill", recipe, "--run-dir", folder / "net" / "run")
    return folder


@pytest.fixture
def ruled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A recipe whose teacher is an object."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    recipe = project(tmp_path, _OBJECT)
    (tmp_path / "its_rule.py").write_text(_RULE)
    yield recipe
    sys.modules.pop("its_rule", None)


def test_a_graph_teaches_what_its_net_teaches(folder: Path) -> None:
    graph, net = (report(folder / name / "run") for name in ("graph", "net"))
    for split in ("validation", "test"):
        for task in ("happy", "level", "likes", "place"):
            ours, theirs = (one["splits"][split]["tasks"][task] for one in (graph, net))
            for name, found in theirs["teacher"]["metrics"].items():
                value = ours["teacher"]["metrics"][name]["value"]
                assert value == pytest.approx(found["value"], abs=1e-2), (task, name)
    assert "teacher" not in graph["splits"]["test"]["tasks"]["pay"]
    student, other = (one["splits"]["test"]["tasks"]["place"]["student"] for one in (graph, net))
    assert student["metrics"]["accuracy"]["value"] == pytest.approx(
        other["metrics"]["accuracy"]["value"], abs=0.05
    )


def test_what_is_known_of_a_graph_is_kept_and_what_is_not_is_left_open(folder: Path) -> None:
    found = report(folder / "graph" / "run")["models"]["teacher"]
    weights = report(folder / "alone" / "run")["models"]["student"]
    assert found["names"] == ["graph"]
    assert found["flops"] is None
    assert found["bytes"] == (folder / "graph" / "teacher.onnx").stat().st_size
    assert found["parameters"] == pytest.approx(weights["parameters"], rel=0.1)
    record = json.loads((folder / "graph" / "run" / "teachers" / "graph.record.json").read_bytes())
    assert record["files"].keys() == {"teacher.onnx"}
    assert record["flops"] is None
    assert "graph.onnx" not in (folder / "graph" / "run" / "report.html").read_text()


def test_answers_are_taken_over_until_the_graph_is_another(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "graph", tmp_path / "graph")
    recipe, run = tmp_path / "graph" / "recipe.yaml", tmp_path / "graph" / "run"
    before = report(run)["fingerprints"]["teacher"]
    told = succeed("distill", recipe, "--run-dir", run, "--resume").err
    assert re.search(r"cache graph .*\(done before\)", told)
    assert re.search(r"student +\d+ steps +\(done before\)", told)
    told = succeed("distill", recipe, "--run-dir", run, "--recache").err
    assert not re.search(r"cache graph .*\(done before\)", told)
    graph = tmp_path / "graph" / "teacher.onnx"
    content = graph.read_bytes()
    graph.write_bytes(content + b"\x32\x01a")  # a word on the model that changes nothing else
    told = succeed("distill", recipe, "--run-dir", run).err
    assert not re.search(r"cache graph .*\(done before\)", told)
    assert report(run)["fingerprints"]["teacher"] != before
    succeed("compare", run, folder / "net" / "run")


def test_check_says_what_will_be_asked(folder: Path) -> None:
    result = succeed("check", folder / "graph" / "recipe.yaml")
    assert re.search(
        r"model +graph: onnx teacher\.onnx, [\d,]+ parameters, asked and not trained", result.out
    )
    plan = succeed("check", folder / "graph" / "recipe.yaml", "--json").json["models"]["graph"]
    assert plan["tasks"] == ["happy", "level", "likes", "place"]


def test_the_recipe_with_every_default_is_read_as_the_same(folder: Path) -> None:
    own = load_recipe(folder / "graph" / "recipe.yaml").recipe
    resolved = load_recipe(folder / "graph" / "run" / "recipe.yaml").recipe
    assert resolved.teachers == own.teachers


_OUTPUTS = "teachers.0.model.outputs"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("teachers.0.train={epochs: 3}", "it is there already and not trained: drop train"),
        ("teachers.0.folds=2", "nobody knows which rows it has seen: drop folds"),
        ("teachers.0.checkpoint=other.onnx", "its own file or object stands under `model`"),
        ("student.init={from: graph}", "'graph' is only asked, a net cannot start from it"),
        ("distill.features=[{teacher: graph, from: a, to: b}]", "no features to follow"),
        ("teachers.0.model.path=gone.onnx", "no file"),
        ("teachers.0.tasks=[happy, level, likes]", "it does not teach 'place'"),
        (f"{_OUTPUTS}.place=place", "which number is which label of 'place' is not known"),
        (f"{_OUTPUTS}.place.labels=[B, O]", "found 2: missing are 'R'"),
        (f"{_OUTPUTS}.place.labels=[B, O, R, K]", "found 4: unknown are 'K'"),
        (f"{_OUTPUTS}.place.output=where", "no output 'where' for the task place"),
        (f"{_OUTPUTS}.place.gives=probabilities", "does it give logits?"),
        (f"{_OUTPUTS}.place.output=likes", "expected numbers [batch, 3], found [1, 2]"),
        (f"{_OUTPUTS}.place.gives=chances", "gives"),
        ("teachers.0.model.inputs={numbers: {columns: [age]}}", "must be 2, found 1"),
        ("teachers.0.model.inputs={numbers: {columns: [age, height]}}", "column 'height'"),
        ("teachers.0.model.inputs={other: numbers}", "no input 'other' in the graph"),
        ("student.model={family: onnx, path: teacher.onnx}", "no family 'onnx'"),
        (
            "teachers.0.inputs={one: {kind: tabular, numeric: [age]}}",
            "numbers axis 1 must be 2, found 1|nothing feeds the graph's input",
        ),
    ],
)
def test_what_a_graph_cannot_be_is_refused_at_check(folder: Path, override: str, said: str) -> None:
    result = kd2edge("check", folder / "graph" / "recipe.yaml", *setting(override))
    assert result.code == 2, result.out
    assert any(one in result.err for one in said.split("|")), result.err


def test_code_that_a_recipe_names_runs_only_when_the_command_line_says_so(ruled: Path) -> None:
    run = ruled.parent / "run"
    for verb in (
        ("check", ruled),
        ("distill", ruled, "--run-dir", run),
        ("study", ruled, "--field", "distill.temperature=[1, 2]"),
    ):
        result = kd2edge(*verb)
        assert result.code == 2
        assert "teachers.0.model.object: its_rule:Rule is code" in result.err
        assert "--allow-code" in result.err
    assert not (ruled.parent / "imported").exists()
    assert not run.exists()
    assert "its_rule" not in sys.modules
    result = kd2edge("check", ruled, "--set", "allow_code=true")
    assert result.code == 2
    assert not (ruled.parent / "imported").exists()


def test_an_object_teaches_classes_and_values(ruled: Path) -> None:
    run = ruled.parent / "run"
    plan = succeed("check", ruled, "--allow-code")
    assert "model      rule: python its_rule:Rule, asked and not trained" in plan.out
    succeed("distill", ruled, "--run-dir", run, "--allow-code")
    told = report(run)["splits"]["test"]["tasks"]
    assert told["happy"]["teacher"]["metrics"]["auc"]["value"] > 0.99
    assert told["pay"]["teacher"]["metrics"]["mae"]["value"] < 3.5
    assert told["pay"]["teacher"]["metrics"]["r2"]["value"] > 0.99
    models = report(run)["models"]["teacher"]
    assert [models[key] for key in ("parameters", "flops", "bytes")] == [None] * 3
    again = succeed("distill", ruled, "--run-dir", run, "--allow-code", "--resume").err
    assert re.search(r"cache rule .*\(done before\)", again)
    other = setting("teachers.0.model.options={slope: 2}")
    again = succeed("distill", ruled, "--run-dir", run, "--allow-code", *other).err
    assert not re.search(r"cache rule .*\(done before\)", again)
    assert report(run)["splits"]["test"]["tasks"]["pay"]["teacher"]["metrics"]["mae"]["value"] > 20


def test_a_slip_in_the_object_is_told_with_rows_before_anything_is_trained(ruled: Path) -> None:
    rule = ruled.parent / "its_rule.py"
    rule.write_text(_RULE.replace('row["age"]', 'row["height"]'))
    for verb in (("check", ruled), ("distill", ruled, "--run-dir", ruled.parent / "run")):
        result = kd2edge(*verb, "--allow-code")
        assert result.code == 2
        assert "its_rule:Rule: failed on" in result.err
        assert "train.jsonl:1: KeyError: 'height'" in result.err
        assert f"{rule}:" in result.err
    assert not (ruled.parent / "run" / "student.safetensors").exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("teachers.0.model.object=its_rule", "object"),
        ("teachers.0.model.object=its_rule:Role", "expected a class or a function Role"),
        ("teachers.0.model.object=no_such_rule:Rule", "cannot be imported: ModuleNotFoundError"),
        ("teachers.0.model.options={slop: 3}", "cannot be made: TypeError"),
        ("teachers.0.model.folder=gone", "no folder"),
        ("teachers.0.model.outputs.pay={gives: probabilities}", "are no probabilities"),
        ("teachers.0.model.outputs.pay={labels: [a]}", "have no labels"),
        ("teachers.0.tasks=[happy, pay, place]", "which label of 'place' is not known"),
        ("teachers.0.model.outputs.happy.gives=logits", ""),
    ],
)
def test_what_an_object_cannot_be_is_refused_at_check(
    ruled: Path, override: str, said: str
) -> None:
    result = kd2edge("check", ruled, "--allow-code", *setting(override))
    assert result.code == (2 if said else 0), result.err
    assert said in result.err
