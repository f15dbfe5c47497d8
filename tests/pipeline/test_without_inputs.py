"""What models, stored outputs and report say of rows without an input that may be absent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import kd2edge
from kd2edge.nets import load_net
from kd2edge.runtime import load
from kd2edge.validate import open_reference
from kd2edge.validate.record import REPORT, open_record
from products import write_review_project

Json = Mapping[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviews")
    recipe = write_review_project(folder)
    result = kd2edge("distill", recipe, "--run-dir", folder / "run")
    assert result.code == 0, result.err
    assert "without details: 48 rows" in result.out
    assert max(map(len, result.out.partition("run:")[0].splitlines())) <= 80
    result = kd2edge("export", folder / "run", "--out", folder / "bundle")
    assert result.code == 0, result.err
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> Json:
    return json.loads((folder / "run" / "report.json").read_bytes())


def rows_of(folder: Path, split: str = "test") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_report_says_what_is_reached_without_each_input(
    folder: Path, report: Json, split: str
) -> None:
    rows = rows_of(folder, split)
    found = report["splits"][split]["without"]
    assert list(found) == ["review", "details"]
    for name, column in (("review", "age"), ("details", "review")):
        assert found[name]["rows"] == sum(row[column] is not None for row in rows)
        assert found[name]["distinct"] <= found[name]["rows"]
        for task in ("intent", "urgent"):
            for model in ("baseline", "student"):
                numbers = found[name]["tasks"][task][model]["metrics"]
                metric = report["tasks"][task]["metric"]
                assert 0 <= numbers[metric]["low"] <= numbers[metric]["value"] <= 1


def test_a_teacher_is_told_where_it_can_do_without(report: Json) -> None:
    found = report["splits"]["test"]["without"]
    assert "teacher" in found["review"]["tasks"]["intent"]
    assert "teacher" in found["details"]["tasks"]["intent"]
    # The other one reads the text under a name of its own, and cannot do without.
    assert "teacher" not in found["review"]["tasks"]["urgent"]
    whole = report["splits"]["test"]["tasks"]["urgent"]["teacher"]["metrics"]
    told = found["details"]["tasks"]["urgent"]["teacher"]["metrics"]
    assert {name: one["value"] for name, one in told.items()} == {
        name: one["value"] for name, one in whole.items()
    }
    # As sure as there are different texts: fewer than there are rows.
    assert told["accuracy"]["high"] >= whole["accuracy"]["high"]


def test_stored_outputs_are_those_that_are_served(folder: Path) -> None:
    net = load_net(folder / "run" / "student")
    tasks = {str(task.name): task for task in net.tasks}
    content = (folder / "bundle" / "reference" / "test.npz").read_bytes()
    reference = open_reference(content, tasks)
    rows = rows_of(folder)
    with load(folder / "bundle", artefact="onnx-fp32") as model:
        for name in ("review", "details"):
            stored = reference.without[name]
            kept = [rows[int(at)] for at in stored.ids]
            given = (
                {"details": [{"age": row["age"], "town": row["town"]} for row in kept]}
                if name == "review"
                else {"review": [row["review"] for row in kept]}
            )
            answers = model.predict(given)["intent"]
            labels = tasks["intent"].labels
            decided = [labels[at] for at in np.asarray(stored.decoded["intent"].labels)]
            assert [one[0]["label"] for one in answers] == decided
            assert set(stored.ids) <= set(reference.ids)
            assert stored.full == min(64, len(kept))


def test_people_are_shown_it(folder: Path) -> None:
    page = (folder / "run" / "report.html").read_text()
    assert "Without an input" in page
    compared = kd2edge("compare", folder / "run", folder / "run")
    assert compared.code == 0, compared.err
    for name in ("review", "details"):
        for task in ("intent", "urgent"):
            assert f"{task} without {name}: " in compared.out
    assert max(map(len, compared.out.splitlines())) <= 80


def test_the_bundle_carries_what_the_report_says(folder: Path, report: Json) -> None:
    record = open_record((folder / "bundle" / REPORT).read_bytes())
    for split, part in report["splits"].items():
        for name, lacking in part["without"].items():
            for task, models in lacking["tasks"].items():
                for metric, numbers in models["student"]["metrics"].items():
                    assert record.value(split, task, metric, name) == numbers["value"]
