"""A task and a column that come later, to a table: the old student reads by its own run's fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from commands import Interrupt, kd2edge, succeed
from kd2edge.errors import Interrupted
from kd2edge.nets import load_net
from kd2edge.pipeline.reading.model_inputs import ModelInputs, student_inputs, teacher_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.steps.folders import RunFolder
from kd2edge.pipeline.steps.work import Work
from kd2edge.pipeline.verbs.distilling import RunOptions, distill_recipe
from kd2edge.recipe import Recipe, load_recipe
from kd2edge.recipe.schema import Teacher
from kd2edge.teacher import TeacherCache
from products import write_jsonl

_MODEL = "{family: mlp, config: {hidden: [16], embedding: 2}, dropout: 0.0}"
_OWN = "kind: tabular, numeric: [age, hours], categorical: [town]"
_HEAD = """\
version: 1
name: table
seed: 3
data:
  sources:
    - {name: bank, kind: jsonl, train: train.jsonl, validation: validation.jsonl, test: test.jsonl}
"""
_TAIL = """\
train: {epochs: 12, lr: 2.0e-2, batch_size: 16, threads: 1, device: cpu, precision: fp32}
baseline: false
export: {targets: [onnx], precisions: [fp32], calibration: {rows: 16}}
"""
_OLD = f"""\
{_HEAD}
inputs: {{person: {{{_OWN}}}}}
tasks: {{happy: {{kind: binary, positive: "yes", metric: accuracy}}}}
student: {{model: {_MODEL}}}
distill: {{alpha: 0}}
{_TAIL}"""
#: The new rows are of older people, one more town and column, and have the new task's label alone.
_NEW = f"""\
{_HEAD}
    - {{name: desk, kind: jsonl, train: later.jsonl, tasks: [busy]}}
inputs: {{person: {{kind: tabular, numeric: [age, hours, calls], categorical: [town]}}}}
tasks:
  happy: {{kind: binary, positive: "yes", metric: accuracy}}
  busy: {{kind: binary, positive: "yes", metric: accuracy}}
teachers:
  - name: old
    inputs: {{person: {{{_OWN}}}}}
    model: {_MODEL}
    checkpoint: old/student.safetensors
    tasks: [happy]
student: {{model: {_MODEL}}}
distill: {{alpha: {{happy: 1.0, busy: 0}}}}
{_TAIL}"""
#: The student reads what the old one read, and starts as it.
_STARTED = (
    "--set",
    f"inputs.person={{{_OWN}}}",
    "--set",
    "teachers.old.inputs=null",
    "--set",
    "student.init={run: old}",
)
_UNTAUGHT = ("teachers=[]", "distill={alpha: 0}")


def _rows(count: int, oldest: int, towns: tuple[str, ...]) -> list[dict[str, Any]]:
    """Age says who is happy, calls who is busy."""
    draw = np.random.default_rng(oldest)
    rows: list[dict[str, Any]] = []
    for _ in range(count):
        age, calls = int(draw.integers(20, oldest)), int(draw.integers(0, 30))
        row = {"age": age, "hours": float(draw.random() * 40), "town": str(draw.choice(towns))}
        happy, busy = "yes" if age > 45 else "no", "yes" if calls > 14 else "no"
        rows.append({**row, "calls": calls, "happy": happy, "busy": busy})
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do not change it."""
    folder = tmp_path_factory.mktemp("added")
    rows = _rows(200, 70, ("Bern", "Oslo", "Rome"))
    later = _rows(120, 95, ("Bern", "Lima", "Oslo", "Rome"))
    write_jsonl(folder / "train.jsonl", [{**row, "busy": None} for row in rows[0::2]])
    write_jsonl(folder / "later.jsonl", [{**row, "happy": None} for row in later])
    write_jsonl(folder / "validation.jsonl", rows[1::4])
    write_jsonl(folder / "test.jsonl", rows[3::4])
    (folder / "old.yaml").write_text(_OLD)
    (folder / "new.yaml").write_text(_NEW)
    succeed("distill", folder / "old.yaml", "--run-dir", folder / "old")
    succeed("distill", folder / "new.yaml", "--run-dir", folder / "new")
    return folder


def _reached(run: Path, task: str, model: str) -> float:
    report: dict[str, Any] = json.loads((run / "report.json").read_bytes())
    return report["splits"]["test"]["tasks"][task][model]["metrics"]["accuracy"]["value"]


def _copied(folder: Path, to: Path) -> Path:
    """The project with its old run, without the new one."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("new", "cache"))
    return to / "new.yaml"


def _read(recipe: Path, model: str) -> tuple[ModelInputs, list[dict[str, Any]]]:
    """What a teacher or the student of a recipe reads, and its training rows."""
    loaded = load_recipe(recipe, check_files=True)
    data = prepare_data(loaded)
    rows = data.rows["train"]
    found = (
        student_inputs(loaded.recipe, rows, data.learned)
        if model == "student"
        else teacher_inputs(loaded.recipe, model, data.learned)
    )
    return found, [dict(rows[at]) for at in range(len(rows))]


def _encoded(inputs: ModelInputs, rows: list[dict[str, Any]]) -> dict[str, npt.NDArray[Any]]:
    return inputs.encoders["person"].encode(rows).arrays


def test_the_old_student_teaches_what_it_was(folder: Path) -> None:
    old = _reached(folder / "old", "happy", "student")
    assert old > 0.8
    assert _reached(folder / "new", "happy", "teacher") == old


def test_the_check_says_whose_tables_are_not_fitted_to_these_rows(folder: Path) -> None:
    said = "as the net's own run fitted it, not to these rows"
    plan = succeed("check", folder / "new.yaml", "--json").json
    assert plan["notes"] == {"person of old": [said]}
    assert f"person of old: {said}" in succeed("check", folder / "new.yaml").out
    plan = succeed("check", folder / "new.yaml", *_STARTED, "--json").json
    assert plan["notes"] == {"person": [said], "person of old": [said]}
    same = ("--set", f"student.init.run={folder / 'old'}")
    assert succeed("check", folder / "old.yaml", *same, "--json").json["notes"] == {}


def test_the_new_one_knows_both_tasks(folder: Path) -> None:
    assert _reached(folder / "new", "happy", "student") > 0.8
    assert _reached(folder / "new", "busy", "student") > 0.8


def test_rows_are_encoded_for_the_teacher_by_its_own_fit(folder: Path) -> None:
    """Written out: less the mean of the old run's training rows, by their deviation."""
    inputs, rows = _read(folder / "new.yaml", "old")
    lines = (folder / "train.jsonl").read_text().splitlines()
    known = [json.loads(line) for line in lines]
    for at, column in enumerate(("age", "hours")):
        of_old = np.array([row[column] for row in known], np.float64)
        expected = (np.array([row[column] for row in rows]) - of_old.mean()) / of_old.std()
        found = _encoded(inputs, rows)["numbers"][:, at]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    towns = sorted({row["town"] for row in known})
    ids = [2 + towns.index(row["town"]) if row["town"] in towns else 1 for row in rows]
    assert _encoded(inputs, rows)["categories"][:, 0].tolist() == ids
    assert 1 in ids  # a town that it has never seen is unknown, as it was to what was shipped
    assert inputs.files["inputs/person.table"] == (folder / "old/inputs/person.table").read_bytes()


def test_what_the_new_one_hears_is_what_it_says_of_rows_so_encoded(folder: Path) -> None:
    inputs, rows = _read(folder / "new.yaml", "old")
    arrays = {name: torch.from_numpy(one) for name, one in _encoded(inputs, rows).items()}
    with torch.no_grad():
        said = load_net(folder / "old" / "student")(arrays)["happy"].numpy()
    caches = [TeacherCache(one) for one in (folder / "new" / "cache" / "teachers").iterdir()]
    (heard,) = [one for one in caches if one.rows == len(rows)]
    found = heard.logits("happy", np.arange(len(rows)))
    np.testing.assert_allclose(found, said, rtol=2e-3, atol=2e-3)  # kept as float16


def test_the_new_student_is_fitted_to_its_own_rows_whoever_teaches_it(folder: Path) -> None:
    alone = prepare_data(load_recipe(folder / "new.yaml", overrides=_UNTAUGHT))
    (fitted,) = alone.learned.values()
    assert (folder / "new/inputs/person.table").read_bytes() == fitted
    assert fitted != (folder / "old/inputs/person.table").read_bytes()
    assert json.loads((folder / "new/student.json").read_bytes())["inputs"][0]["columns"] == [
        "age",
        "hours",
        "calls",
        "town",
    ]


def test_another_fit_is_another_cache(folder: Path, tmp_path: Path) -> None:
    """The same weights, rows and columns: only the scale tells the two apart."""
    loaded = load_recipe(folder / "new.yaml", overrides=_STARTED[1::2])
    data = prepare_data(loaded)
    own, brought = (
        teacher_inputs(recipe, "old", data.learned)
        for recipe in (
            loaded.recipe.model_copy(update={"teachers": [_trained_here(loaded.recipe)]}),
            loaded.recipe,
        )
    )
    assert own.specs == brought.specs
    work = Work(loaded, RunFolder(tmp_path), data, tmp_path, False, lambda event: None)
    keys = [
        {name: split.arrays_fingerprint for name, split in work.encode(inputs, 0).items()}
        for inputs in (own, brought)
    ]
    assert all(keys[0][name] != keys[1][name] for name in ("train", "validation", "test"))


def _trained_here(recipe: Recipe) -> Teacher:
    return recipe.teacher("old").model_copy(update={"checkpoint": None})


def test_one_that_starts_as_it_reads_by_its_fit_and_knows_from_the_start_what_it_knew(
    folder: Path, tmp_path: Path
) -> None:
    recipe, run = _copied(folder, tmp_path / "copy"), tmp_path / "run"
    succeed("distill", recipe, "--run-dir", run, *_STARTED, "--set", "train={epochs: 1, lr: 1e-5}")
    table = (folder / "old/inputs/person.table").read_bytes()
    assert (run / "inputs/person.table").read_bytes() == table
    assert _reached(run, "happy", "student") > 0.9  # of chance it would know nothing by now


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(folder: Path, tmp_path: Path) -> None:
    recipe, run = _copied(folder, tmp_path / "copy"), tmp_path / "run"
    with pytest.raises(Interrupted):
        distill_recipe(load_recipe(recipe), RunOptions(run), on_event=Interrupt("student"))
    caches = {one.name for one in (run / "cache" / "teachers").iterdir()}
    resume = ("distill", recipe, "--run-dir", run, "--resume")
    assert "resumed at step" in succeed(*resume).err
    assert {one.name for one in (run / "cache" / "teachers").iterdir()} == caches
    expected = (folder / "new" / "student.safetensors").read_bytes()
    assert (run / "student.safetensors").read_bytes() == expected


def test_without_the_table_of_its_run_it_is_refused(folder: Path, tmp_path: Path) -> None:
    recipe = _copied(folder, tmp_path / "copy")
    table = recipe.parent / "old" / "inputs" / "person.table"
    stated = ("--set", f"inputs.person={{{_OWN}}}")
    for spoilt in (lambda: table.unlink(), lambda: table.write_bytes(b"{}")):
        spoilt()
        for asked in (stated, (*stated, "--set", "teachers.old.inputs=null"), _STARTED):
            refused = kd2edge("check", recipe, *asked)
            assert refused.code == 2
            assert "teachers.0: checkpoint" in refused.err
            assert "it was trained on other inputs: person.fitted '" in refused.err
            assert "it reads inputs/person.table of its run as it was: put it back" in refused.err
    shutil.copy(folder / "new" / "inputs" / "person.table", table)  # of other columns and rows
    assert "put it back" in kd2edge("check", recipe, *stated).err
    shutil.copy(folder / "old" / "inputs" / "person.table", table)
    succeed("check", recipe, *stated)


def test_other_columns_than_its_own_are_refused_with_both(folder: Path) -> None:
    refused = kd2edge("check", folder / "new.yaml", "--set", "teachers.old.inputs=null")
    assert refused.code == 2
    assert "new.yaml:" in refused.err
    assert "teachers.0: checkpoint" in refused.err
    assert "person.numeric ['age', 'hours'] (recipe: ['age', 'hours', 'calls'])" in refused.err
    assert "person.fitted" not in refused.err  # of other columns it is another one anyway
    assert "state the checkpoint's own under `inputs` of this teacher" in refused.err


def test_a_column_that_it_needs_and_the_rows_lack_is_named_with_its_row(
    folder: Path, tmp_path: Path
) -> None:
    recipe = _copied(folder, tmp_path / "copy")
    lines = (folder / "later.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    write_jsonl(
        recipe.parent / "later.jsonl",
        [
            row if at else {k: v for k, v in row.items() if k != "hours"}
            for at, row in enumerate(rows)
        ],
    )
    other = ("--set", "inputs.person.numeric=[age, calls]")
    refused = kd2edge("check", recipe, *other)
    assert refused.code == 2
    assert f"{recipe.parent}/later.jsonl:1: input person of old: no column 'hours'" in refused.err


def test_a_column_that_is_empty_by_now_is_missing_for_the_teacher(
    folder: Path, tmp_path: Path
) -> None:
    """Nothing could be fitted to it; the old fit knows what stands for a missing number."""
    recipe = _copied(folder, tmp_path / "copy")
    for name in ("train", "later"):
        path = recipe.parent / f"{name}.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        write_jsonl(path, [{**row, "hours": None} for row in rows])
    other = ("--set", "inputs.person.numeric=[age, calls]")
    succeed("check", recipe, *other)
    refused = kd2edge("check", recipe)
    assert "column 'hours' is empty in every training row" in refused.err


def test_a_number_beyond_its_scale_is_refused_with_its_row(folder: Path, tmp_path: Path) -> None:
    recipe = _copied(folder, tmp_path / "copy")
    rows = [json.loads(line) for line in (folder / "later.jsonl").read_text().splitlines()]
    rows[2]["age"] = 1e7
    write_jsonl(recipe.parent / "later.jsonl", rows)
    refused = kd2edge("distill", recipe, "--run-dir", tmp_path / "run")
    assert refused.code == 2
    assert "later.jsonl:3: " in refused.err
    assert "column 'age': expected a number from" in refused.err
