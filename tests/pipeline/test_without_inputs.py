"""What models, stored outputs and report say of rows without an input that may be absent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from commands import kd2edge
from kd2edge.nets import load_net
from kd2edge.runtime import load
from kd2edge.validate import open_reference
from kd2edge.validate.markdown import validation_table
from kd2edge.validate.record import REPORT, open_record
from products import write_review_project
from references import with_artefact

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


def validated(bundle: Path, folder: Path, *more: str) -> Json:
    """What ``validate --json`` says of a bundle on the run's own rows."""
    run = folder / "run"
    result = kd2edge("validate", bundle, "--run", run, "--threads", "1", "--json", *more)
    assert result.code in (0, 3), result.err
    return result.json


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


def test_the_gate_judges_without_each_input(folder: Path) -> None:
    judged = validated(folder / "bundle", folder)
    exact = judged["artefacts"]["onnx-fp32"]
    assert exact["verdict"] == "pass", exact["faults"]
    assert exact["without"].keys() == {"review", "details"}
    for name, part in exact["without"].items():
        assert judged["without"][name]["references"] == {
            "pytorch": judged["without"][name]["rows"], "onnx-fp32": 0,
        }  # fmt: skip
        for task in ("intent", "urgent"):
            assert part["tasks"][task]["verdict"] == "pass"
            assert part["tasks"][task]["changed"] == 0
            assert part["numbers"][task][0]["max_abs"] < 1e-4
            metric = part["tasks"][task]["metric"]
            rows = part["tasks"][task]["metrics"][metric]["candidate"]["rows"]
            assert rows == judged["without"][name]["rows"]


def deaf(graph: onnx.ModelProto, name: str) -> None:
    """The graph takes an input for one that is there."""
    for node in graph.graph.node:
        node.input[:] = ["heard" if one == f"{name}_present" else one for one in node.input]
    one = onnx.numpy_helper.from_array(np.array([1], np.int64), "heard_one")
    graph.graph.initializer.append(one)
    graph.graph.node.insert(
        0, onnx.helper.make_node("Max", [f"{name}_present", "heard_one"], ["heard"])
    )


def filled(graph: onnx.ModelProto, name: str) -> None:
    """The graph says something of its own where an input is absent."""
    for node in graph.graph.node:
        node.output[:] = ["intent_right" if one == "intent" else one for one in node.output]
    tensors = {
        "absent_one": np.array(1.0, np.float32),
        "pull": np.array([[0.0, 90.0, 0.0]], np.float32),
    }
    graph.graph.initializer.extend(
        onnx.numpy_helper.from_array(value, key) for key, value in tensors.items()
    )
    make = onnx.helper.make_node
    graph.graph.node.extend(
        [
            make("Cast", [f"{name}_present"], ["there"], to=onnx.TensorProto.FLOAT),
            make("Sub", ["absent_one", "there"], ["away"]),
            make("Unsqueeze", ["away", "axis"], ["column"]),
            make("Mul", ["column", "pull"], ["said"]),
            make("Add", ["intent_right", "said"], ["intent"]),
        ]
    )
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "axis"))


@pytest.mark.parametrize("fault", [deaf, filled])
def test_what_goes_wrong_without_an_input_alone_is_stopped(
    folder: Path, tmp_path: Path, fault: Callable[[onnx.ModelProto, str], None]
) -> None:
    bundle = shutil.copytree(folder / "bundle", tmp_path / "bundle")
    model = onnx.load_from_string((bundle / "onnx" / "onnx-fp32.onnx").read_bytes())
    fault(model, "review")
    onnx.checker.check_model(model)
    with_artefact(bundle, "onnx-int8-odd", model.SerializeToString(deterministic=True))
    judged = validated(bundle, folder, "--artefact", "onnx-int8-odd")
    found = judged["artefacts"]["onnx-int8-odd"]
    # Every row has a review: with what rows have, nothing is wrong.
    assert {one["verdict"] for one in found["tasks"].values()} == {"pass"}
    assert {one["verdict"] for one in found["without"]["details"]["tasks"].values()} == {"pass"}
    assert found["verdict"] == "fail"
    assert found["faults"]
    assert all(" without review: " in one for one in found["faults"])
    assert found["cause"].startswith("how the graph tells that an input is absent")
    assert f"{found['faults'][0]}" in validation_table(judged)
