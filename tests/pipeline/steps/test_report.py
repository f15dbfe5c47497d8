"""What a run says it reached is what its stored outputs are worth, on the rows that it names."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import kd2edge
from kd2edge.metrics import measure
from kd2edge.pipeline.reading.sources import open_split, read_rows_plan
from kd2edge.pipeline.steps import report as module
from kd2edge.pipeline.steps.measured import classes_of
from kd2edge.pipeline.verbs.finished import FinishedRun, finished_run
from kd2edge.ragged import Ragged
from kd2edge.reporting.reading import check_report
from kd2edge.validate import Reference, open_reference, row_keys
from kd2edge.validate.truths import inputs_fingerprint, labels_fingerprint
from products import Product

PRODUCTS = pytest.mark.parametrize("name", ["text_product", "image_product", "token_product"])
SPLITS = ("validation", "test")


@pytest.fixture
def run(name: str, request: pytest.FixtureRequest) -> FinishedRun:
    product: Product = request.getfixturevalue(name)
    return finished_run(product.run)


def stored(run: FinishedRun, split: str) -> tuple[dict[str, Any], Reference]:
    from kd2edge.nets import load_net

    tasks = {str(spec.name): spec for spec in load_net(run.folder.student).tasks}
    content = (run.folder.samples / f"reference-{split}.npz").read_bytes()
    return tasks, open_reference(content, tasks)


@PRODUCTS
def test_the_student_s_metrics_are_those_of_its_stored_decisions(run: FinishedRun) -> None:
    check_report(run.report)
    for split in SPLITS:
        tasks, reference = stored(run, split)
        for task, spec in tasks.items():
            said = run.report["splits"][split]["tasks"][task]["student"]["metrics"]
            assert set(said) == set(spec.metrics)
            for metric, numbers in said.items():
                own = measure(spec, reference.truths[task], reference.decoded[task], metric)
                assert own == pytest.approx(numbers["value"], abs=1e-6)
                assert numbers["low"] <= numbers["value"] <= numbers["high"]


@PRODUCTS
def test_whole_rows_are_those_on_which_every_stored_decision_is_right(run: FinishedRun) -> None:
    for split in SPLITS:
        tasks, reference = stored(run, split)
        told = run.report["splits"][split]["whole_rows"]
        assert set(told["tasks"]) == set(tasks)
        assert {"teacher", "baseline", "student"} <= set(told["models"])
        right, labelled = np.ones((2, run.report["splits"][split]["rows"]), dtype=bool)
        for task in tasks:
            labels, said = reference.truths[task].labels, reference.decoded[task].labels
            rows = range(len(right))
            pairs = (
                [(labels.row(at), said.row(at)) for at in rows]
                if isinstance(labels, Ragged)
                else [(labels[at : at + 1], said[at : at + 1]) for at in rows]
            )
            labelled &= [bool((one >= 0).any()) for one, _ in pairs]
            right &= [bool((one == other)[one >= 0].all()) for one, other in pairs]
        found = told["models"]["student"]
        assert found["rows"] == labelled.sum()
        assert found["value"] == pytest.approx(right[labelled].mean())
        gain = found["value"] - told["models"]["baseline"]["value"]
        assert told["gain"]["value"] == pytest.approx(gain)


@PRODUCTS
def test_classes_are_grouped_where_their_training_rows_differ_tenfold(run: FinishedRun) -> None:
    tasks, reference = stored(run, "test")
    for task, spec in tasks.items():
        truth, decoded = reference.truths[task], reference.decoded[task]
        inputs = np.arange(run.report["splits"]["test"]["rows"], dtype=np.uint64)
        even = classes_of(spec, truth, decoded, [30] * len(spec.labels), inputs)
        assert even["groups"] == {}
        support = [5000, *[7] * (len(spec.labels) - 1)]
        long = classes_of(spec, truth, decoded, support, inputs)
        own = {"head": long["per_class"][:1], "tail": long["per_class"][1:]}
        assert list(long["groups"]) == [
            name for name in own if any(c["support"] for c in own[name])
        ]
        for name, found in long["groups"].items():
            occurring = [one["f1"] for one in own[name] if one["support"]]
            assert found["f1"] == pytest.approx(np.mean(occurring))
            assert found["low"] <= found["f1"] <= found["high"]
            assert found["confidence"] == 0.95


@PRODUCTS
def test_the_meaning_names_the_rows_and_labels_that_were_measured(run: FinishedRun) -> None:
    assert run.meaning.splits.keys() == set(SPLITS)
    for split, said in run.meaning.splits.items():
        tasks, reference = stored(run, split)
        assert (reference.meaning, reference.split) == (run.meaning.key, split)
        assert run.meaning.tasks.keys() == tasks.keys()
        rows = open_split(read_rows_plan(run.folder.rows), split)
        from kd2edge.nets import load_net

        inputs = {spec.name: spec for spec in load_net(run.folder.student).inputs}
        hashes = np.array(row_keys(rows, inputs)[1], np.uint64)
        assert said.inputs == inputs_fingerprint(hashes) == inputs_fingerprint(reference.hashes)
        assert said.rows == len(rows) == run.report["splits"][split]["rows"]
        for task, truth in reference.truths.items():
            assert said.labels[task] == labels_fingerprint(truth)


@pytest.mark.parametrize("name", ["text_product"])
def test_the_report_says_nothing_of_the_meaning_again(run: FinishedRun) -> None:
    assert run.report["fingerprints"]["meaning"] == run.meaning.key
    for split in SPLITS:
        assert not {"inputs", "labels"} & run.report["splits"][split].keys()
    assert "student" not in run.report["fingerprints"]


def test_a_run_that_stops_at_its_report_is_not_finished(
    text_product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Path(shutil.copytree(text_product.folder, tmp_path / "project"))
    place = project / "runs" / text_product.run.name

    def full(*arguments: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "html_report", full)
    recipe = project / text_product.recipe.name
    assert kd2edge("distill", recipe, "--run-dir", place, "--resume").code != 0
    assert not (place / "report.json").exists()
