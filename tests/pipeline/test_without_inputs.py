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

from commands import Interrupt, kd2edge
from kd2edge.bundle import open_bundle
from kd2edge.bundle.evidence import append_evidence
from kd2edge.errors import Interrupted
from kd2edge.nets import load_net
from kd2edge.pipeline.verbs.distilling import RunOptions, distill_recipe
from kd2edge.recipe import load_recipe
from kd2edge.runtime import load
from kd2edge.runtime.batches import Batches
from kd2edge.runtime.known import known_here
from kd2edge.validate import open_reference
from kd2edge.validate.calls import FORMS, MIXTURES
from kd2edge.validate.golden import IDS
from kd2edge.validate.markdown import validation_table
from kd2edge.validate.record import REPORT, open_record
from products import write_jsonl, write_review_project
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


def torn(graph: onnx.ModelProto, name: str) -> None:
    """The graph says the opposite where some rows have an input, and a third or more lack it."""
    for node in graph.graph.node:
        node.output[:] = ["intent_right" if one == "intent" else one for one in node.output]
    for key, value in (("torn_least", 0.0), ("torn_most", 0.67)):
        graph.graph.initializer.append(
            onnx.numpy_helper.from_array(np.array(value, np.float32), key)
        )
    make = onnx.helper.make_node
    graph.graph.node.extend(
        [
            make("Cast", [f"{name}_present"], ["torn_there"], to=onnx.TensorProto.FLOAT),
            make("ReduceMean", ["torn_there"], ["torn_share"], keepdims=0),
            make("Greater", ["torn_share", "torn_least"], ["torn_some"]),
            make("Less", ["torn_share", "torn_most"], ["torn_few"]),
            make("And", ["torn_some", "torn_few"], ["torn"]),
            make("Neg", ["intent_right"], ["intent_wrong"]),
            make("Where", ["torn", "intent_wrong", "intent_right"], ["intent"]),
        ]
    )


@pytest.mark.parametrize("name", ["review", "details"])
def test_what_goes_wrong_where_rows_with_and_without_an_input_meet_is_stopped(
    folder: Path, tmp_path: Path, name: str
) -> None:
    bundle = shutil.copytree(folder / "bundle", tmp_path / "bundle")
    model = onnx.load_from_string((bundle / "onnx" / "onnx-fp32.onnx").read_bytes())
    torn(model, name)
    onnx.checker.check_model(model)
    with_artefact(bundle, "onnx-int8-odd", model.SerializeToString(deterministic=True))
    found = validated(bundle, folder, "--artefact", "onnx-int8-odd")["artefacts"]["onnx-int8-odd"]
    assert found["verdict"] == "fail"
    (said,) = [one for one in found["edges"] if one["status"] == "failed"]
    assert said["name"] == MIXTURES
    assert said["detail"].startswith(f"every second row without {name}, ")
    assert found["faults"] == [f"{MIXTURES}: {said['detail']}"]  # nothing else sees it
    sound = validated(folder / "bundle", folder, "--artefact", "onnx-int8-qdq")
    (said,) = [
        one for one in sound["artefacts"]["onnx-int8-qdq"]["edges"] if one["name"] == MIXTURES
    ]
    assert said["status"] == "ok"


def test_every_row_of_both_embedding_tables_is_asked_for(folder: Path, tmp_path: Path) -> None:
    content = (folder / "bundle" / "onnx" / "onnx-fp32.onnx").read_bytes()
    for ids, said in (("input_ids", "by the pieces of review"), ("categories", "by column 'town'")):
        bundle = shutil.copytree(folder / "bundle", tmp_path / ids)
        model = onnx.load_from_string(content)
        node = next(one for one in model.graph.node if one.op_type == "Gather" and ids in one.input)
        (table,) = [one for one in model.graph.initializer if one.name == node.input[0]]
        value = onnx.numpy_helper.to_array(table).copy()
        value[[-2, -1]] = value[[-1, -2]]
        table.CopyFrom(onnx.numpy_helper.from_array(value, table.name))
        with_artefact(bundle, "onnx-fp32-odd", model.SerializeToString(deterministic=True))
        judged = validated(bundle, folder, "--artefact", "onnx-fp32-odd")
        graph = judged["artefacts"]["onnx-fp32-odd"]["graph"]
        found = [one["detail"] for one in graph if one["name"] == IDS and one["status"] == "failed"]
        assert found
        assert all(said in one for one in found)
        assert any("rows of the table changed places" in one for one in found)


def test_an_input_that_is_not_handed_over_is_answered_as_one_that_is_none(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Batches._filled

    def filled_otherwise(self: Batches, inputs: Mapping[str, Any], rows: int) -> Any:
        usual = {"details": [{"age": 60.0, "town": "Rome"}] * rows}
        return real(self, usual | dict(inputs), rows)

    monkeypatch.setattr(Batches, "_filled", filled_otherwise)
    bundle = shutil.copytree(folder / "bundle", tmp_path / "bundle")
    found = validated(bundle, folder, "--artefact", "onnx-fp32")["artefacts"]["onnx-fp32"]
    assert found["verdict"] == "fail"
    (said,) = [one for one in found["edges"] if one["status"] == "failed"]
    assert said["name"] == FORMS
    assert "nothing handed over for details" in said["detail"]
    assert len(found["faults"]) == 1


def test_rows_of_a_file_may_lack_inputs_themselves(folder: Path, tmp_path: Path) -> None:
    rows = rows_of(folder)
    mixed = [{**row, "age": None, "town": None} if at % 2 else row for at, row in enumerate(rows)]
    data = write_jsonl(tmp_path / "mixed.jsonl", mixed)
    bundle = shutil.copytree(folder / "bundle", tmp_path / "bundle")
    validated(bundle, folder)  # what stands in for PyTorch has to pass before
    judged = validated(bundle, folder, "--data", str(data))
    # A review without its table is another row than those that outputs are stored of.
    assert judged["references"]["onnx-fp32"] > 0
    found = judged["artefacts"]["onnx-int8-qdq"]
    assert found["verdict"] == "pass", found["faults"]
    assert judged["without"]["details"]["rows"] == len(rows)
    assert judged["without"]["details"]["references"] == {"pytorch": len(rows), "onnx-fp32": 0}
    assert judged["without"]["review"]["rows"] == sum(row["age"] is not None for row in mixed)


def test_where_no_row_has_another_input_nothing_passes(folder: Path, tmp_path: Path) -> None:
    rows = [{**row, "age": None, "town": None} for row in rows_of(folder)]
    data = write_jsonl(tmp_path / "texts.jsonl", rows)
    bundle = shutil.copytree(folder / "bundle", tmp_path / "bundle")
    judged = validated(bundle, folder, "--data", str(data))
    found = judged["artefacts"]["onnx-fp32"]
    assert found["verdict"] == "undecided"
    assert judged["without"]["review"]["rows"] == 0
    said = "intent without review: no row has another input: nothing is known of rows without this"
    assert any(one.startswith(said) for one in found["faults"])


def test_load_asks_for_a_pass_without_each_input(folder: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(folder / "bundle", tmp_path / "bundle")
    judged = dict(validated(bundle, folder))
    opened = open_bundle(bundle)
    assert known_here(opened).verdicts["onnx-int8-qdq"].word == "pass"
    alone = json.loads(json.dumps(judged))
    for one in alone["artefacts"].values():
        del one["without"]["review"]
    append_evidence(bundle, "validation", opened.identity, alone)
    known = known_here(opened).verdicts["onnx-int8-qdq"]
    assert known.word == "undecided"
    assert known.reason.startswith("intent without review was not measured")


@pytest.mark.parametrize("stage", ["teacher", "student", "baseline"])
def test_a_training_that_leaves_inputs_out_resumes_to_the_same_bits(
    folder: Path, tmp_path: Path, stage: str
) -> None:
    run, recipe = tmp_path / "run", folder / "recipe.yaml"
    with pytest.raises(Interrupted, match=r"stopped after step \d+ of \d+.*--resume"):
        distill_recipe(load_recipe(recipe), RunOptions(run), on_event=Interrupt(stage))
    result = kd2edge("distill", recipe, "--run-dir", run, "--resume")
    assert result.code == 0, result.err
    assert "resumed at step" in result.err
    for file in ("student.safetensors", "baseline.safetensors", "teachers/both.safetensors"):
        assert (run / file).read_bytes() == (folder / "run" / file).read_bytes()


def test_a_student_starts_from_the_one_text_of_a_teacher_with_several_inputs(
    folder: Path, tmp_path: Path
) -> None:
    init = "student.init={from: both, embeddings: svd, layers: [0]}"
    checked = kd2edge("check", folder / "recipe.yaml", "--set", init)
    assert checked.code == 0, checked.err
    short = ("train.epochs=1", "train.lr=1.0e-12", "teachers.0.train.epochs=1", "baseline=false")
    more = [part for one in (init, *short) for part in ("--set", one)]
    result = kd2edge("distill", folder / "recipe.yaml", "--run-dir", tmp_path / "run", *more)
    assert result.code == 0, result.err
    student, teacher = (load_net(tmp_path / "run" / name) for name in ("student", "teachers/both"))
    ours, theirs = (net.branches["review"].embeddings()["word"] for net in (student, teacher))
    # Both are as wide: the table is the teacher's, as far as a training that stands still keeps it.
    np.testing.assert_allclose(
        ours.weight.detach().numpy(), theirs.weight.detach().numpy(), atol=1e-6
    )


def test_a_teacher_that_needs_what_a_row_lacks_is_told_of(tmp_path: Path) -> None:
    recipe = write_review_project(tmp_path)
    rows = rows_of(tmp_path, "train")
    rows[3]["review"] = None
    write_jsonl(tmp_path / "train.jsonl", rows)
    for verb in ("check", "distill"):
        result = kd2edge(verb, recipe)
        assert result.code == 2
        assert "train.jsonl:4: input text of reader: column 'review' is empty" in result.err
