"""A recipe of one table, from its rows to the gate and to answers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import kd2edge
from kd2edge.errors import InputError
from kd2edge.runtime import load
from products import write_jsonl

_RECIPE = """\
version: 1
name: tables
data:
  sources:
    - {name: rows, kind: jsonl, train: train.jsonl, validation: test.jsonl, test: test.jsonl}
inputs:
  person: {kind: tabular, numeric: [age, hours], categorical: [town, member], scaling: quantile}
tasks:
  happy: {kind: binary, positive: "yes", metric: auc}
teachers:
  - name: large
    model: {family: mlp, config: {hidden: [16, 16], residual: true, numbers: periodic}}
    train: {epochs: 2, batch_size: 16}
student:
  model: {family: mlp, config: {hidden: [8], numbers: quantile, bins: 4, embedding: 2}}
baseline: false
train: {epochs: 2, lr: 5.0e-3, batch_size: 16, threads: 1, device: cpu, precision: fp32}
export: {targets: [onnx, openvino, tensorrt], precisions: [fp32, int8], calibration: {rows: 16}}
"""


def rows_of(count: int = 160) -> list[dict[str, Any]]:
    draw = random.Random(0)
    rows: list[dict[str, Any]] = []
    for at in range(count):
        age, town = draw.randrange(20, 70), draw.choice(["Rome", "Oslo", "Bern"])
        row = {"age": age, "hours": draw.random() * 40, "town": town, "member": draw.random() < 0.3}
        row["happy"] = "yes" if age + 10 * (town == "Rome") > 45 else "no"
        if at % 7 == 0:
            row["hours"] = None
        if at % 11 == 0:
            row["town"] = ""
        rows.append(row)
    return rows


def project(folder: Path, rows: list[dict[str, Any]], recipe: str = _RECIPE) -> Path:
    write_jsonl(folder / "train.jsonl", rows[0::2])
    write_jsonl(folder / "test.jsonl", rows[1::2])
    (folder / "recipe.yaml").write_text(recipe)
    return folder / "recipe.yaml"


def test_rows_of_a_table_with_categories_are_mixed_at_features_alone(tmp_path: Path) -> None:
    recipe = project(tmp_path, rows_of(80))
    refused = kd2edge("check", recipe, "--set", "train.mixup={}")
    assert refused.code == 2
    assert "train.mixup: mixup: array categories of the inputs holds ids" in " ".join(
        refused.err.split()
    )
    run = tmp_path / "run"
    mixed = ("--set", "train.mixup={at: features}", "--set", "train.epochs=1")
    result = kd2edge("distill", recipe, "--run-dir", run, *mixed)
    assert result.code == 0, result.err
    assert "mixup" in (run / "recipe.yaml").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    result = kd2edge("distill", project(folder, rows_of()), "--run-dir", folder / "run")
    assert result.code == 0, result.err
    result = kd2edge("export", folder / "run", "--out", folder / "bundle")
    assert result.code == 0, result.err
    return folder


def test_the_gate_passes_what_was_exported(folder: Path) -> None:
    run, bundle = folder / "run", folder / "bundle"
    assert (bundle / "inputs" / "person.table").is_file()
    judged = kd2edge("validate", bundle, "--run", run, "--threads", "1", "--json")
    assert judged.code in (0, 3), judged.err
    artefacts = judged.json["artefacts"]
    assert any(name.endswith("int8") for name in artefacts)
    for name, one in artefacts.items():
        if name.startswith(("onnx", "openvino")):
            assert one["verdict"] != "failed", (name, one["reason"])
    levels = json.dumps(artefacts["onnx-fp32"])
    assert "person: categories never seen" in levels or artefacts["onnx-fp32"]["verdict"] == "ok"


def test_the_same_rows_get_the_same_answers_in_every_form(folder: Path) -> None:
    rows = [{key: one for key, one in row.items() if key != "happy"} for row in rows_of(5)]
    with load(folder / "bundle", self_test=True) as model:
        wanted = scores(model.predict(rows))
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        texts = [{name: "" if one is None else str(one) for name, one in r.items()} for r in rows]
        for given in (
            columns,
            {"person": rows},
            texts,
            [dict(reversed(row.items())) for row in rows],
        ):
            assert scores(model.predict(given)) == wanted
        assert scores(model.predict(rows[::-1])) == pytest.approx(wanted[::-1], abs=1e-6)


def scores(answers: Mapping[str, Any]) -> list[float]:
    return [answer["score"] for answer in answers["happy"]]


def test_what_training_never_saw_is_answered_and_what_is_no_cell_is_refused(folder: Path) -> None:
    usual: dict[str, Any] = {"age": 40, "hours": 3, "town": "Rome", "member": True}
    with load(folder / "bundle") as model:
        unknown, nan, gone = (
            scores(model.predict([usual | changed]))
            for changed in ({"town": "Kiel"}, {"hours": float("nan")}, {"hours": None})
        )
        assert np.isfinite(unknown).all()
        assert nan == gone
        for changed, said in (
            ({"age": "many"}, r"row 1: column 'age': expected a number, found .*many"),
            ({"age": True}, r"column 'age'.*write 1 and 0"),
            ({"age": "NaN"}, r"column 'age'.*null"),
            ({"age": float("inf")}, r"column 'age'.*expected a finite number"),
            ({"age": 2**60}, r"column 'age'.*2\*\*53"),
            ({"age": [40]}, r"column 'age'.*expected a number"),
            ({"town": ["Rome"]}, r"column 'town'.*expected a category"),
            ({"member": 0.5}, r"column 'member'.*numeric"),
        ):
            with pytest.raises(InputError, match=said):
                model.predict([usual, usual | changed])
        with pytest.raises(InputError, match="no column 'hours'"):
            model.predict([{key: one for key, one in usual.items() if key != "hours"}])


def test_predict_names_file_line_and_column(folder: Path, tmp_path: Path) -> None:
    good = {"age": 40, "hours": None, "town": "Kiel", "member": "true"}
    lines = write_jsonl(tmp_path / "good.jsonl", [good])
    assert kd2edge("predict", folder / "bundle", lines).code == 0
    lines = write_jsonl(tmp_path / "bad.jsonl", [good, good | {"age": "1,000"}])
    result = kd2edge("predict", folder / "bundle", lines)
    assert result.code == 2
    assert "bad.jsonl:2" in result.err
    assert "column 'age'" in result.err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([{"age": "old"}], ["train.jsonl:2", "column 'age'", "found a str ('old')"]),
        (
            [{"age": None}] * 80,
            [
                "recipe.yaml:",
                "inputs.person: input person",
                "column 'age' is empty in every training row",
            ],
        ),
        # Nothing is left to be fitted to, but it is not that the column is empty.
        (
            [{"age": "old"}, *[{"age": None}] * 79],
            ["train.jsonl:2", "column 'age'", "found a str ('old')"],
        ),
        ([{"age": "old"}] * 80, ["column 'age'", "found a str ('old')", "more rows"]),
        ([{"hours": 2e300}], ["train.jsonl:2", "column 'hours'", "2**53"]),
        ([{"hours": 10**400}], ["train.jsonl:2", "hours"]),
        ([{"hours": float("inf")}], ["train.jsonl:2", "hours"]),
        ([{"hours": "NaN"}], ["train.jsonl:2", "column 'hours'", "null"]),
        ([{"hours": "-inf"}], ["train.jsonl:2", "column 'hours'", "null"]),
        ([{"hours": True}], ["train.jsonl:2", "column 'hours'", "write 1 and 0"]),
        ([{"town": 1.5}], ["train.jsonl:2", "column 'town'", "under `numeric`"]),
        ([{"town": ["Rome"]}], ["train.jsonl:2", "column 'town'", "expected a category"]),
    ],
)
def test_columns_that_cannot_be_used_are_named(
    tmp_path: Path, changes: Iterable[Mapping[str, Any]], said: list[str]
) -> None:
    rows = rows_of()
    for at, change in enumerate(changes, start=1):
        rows[2 * at % 160] |= change
    result = kd2edge("check", project(tmp_path, rows))
    assert result.code == 2
    for part in said:
        assert part in result.err


def test_check_names_a_column_that_never_varies_and_one_that_is_misspelt(tmp_path: Path) -> None:
    result = kd2edge("check", project(tmp_path, [row | {"hours": 1} for row in rows_of()]))
    assert result.code == 0, result.err
    assert "person: hours: the same in every training row" in result.out
    result = kd2edge("check", project(tmp_path, rows_of(), _RECIPE.replace("[age,", "[aged,")))
    assert result.code == 2
    assert "no column 'aged'" in result.err
    assert "did you mean 'age'" in result.err


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("numeric: [age, age]", "'age' stands 2 times"),
        ("numeric: [age], categorical: [age]", "'age' stands 2 times"),
        ("rare: 2", "a table needs columns"),
        ("categorical: [town, happy]", "'happy' is the label of task 'happy'"),
        ("numeric: [age], columns: [age]", "columns"),
    ],
)
def test_recipes_that_cannot_be_meant(tmp_path: Path, columns: str, said: str) -> None:
    recipe = _RECIPE.replace(
        "numeric: [age, hours], categorical: [town, member], scaling: quantile", columns
    )
    result = kd2edge("check", project(tmp_path, rows_of(20), recipe))
    assert result.code == 2
    assert said in result.err
