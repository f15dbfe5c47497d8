from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import bundles
from kd2edge.bundle import Gate
from kd2edge.bundle.evidence import read_evidence
from kd2edge.bundle.store import file_entry, open_bundle
from kd2edge.errors import BackendError, DataError, IntegrityError, StorageError, UsageError
from kd2edge.files.npz import npz_arrays, npz_bytes
from kd2edge.validate import validate_bundle

WIDE = {"digit": 0.05, "larger": 0.05}
NARROW = {"digit": 0.001, "larger": 0.001}


def verdicts(found) -> dict[str, str]:
    return {name: result.verdict for name, result in found.artefacts.items()}


def run(folder, rows, **options):
    return validate_bundle(folder, rows=rows, threads=1, **options)


def test_a_faithful_bundle_passes(bundle, rows):
    found = run(bundle, rows, max_drop=WIDE)
    assert found.outcome == "pass"
    assert verdicts(found) == {"onnx-fp32": "pass", "onnx-int8-qdq": "pass"}
    assert found.references == {"pytorch": 200, "onnx-fp32": 0}
    result = found.artefacts["onnx-fp32"]
    assert result.tasks["digit"].changed == 0
    status = {check.name: check.status for check in (*result.graph, *result.answers, *result.edges)}
    assert status.pop("golden raw values") == "not_run"  # this bundle has none
    assert set(status.values()) == {"ok"}
    ways = [part.way for part in result.numbers["digit"]]
    assert ways[:2] == ["1 thread, batch 1", "1 thread, batch 64"]
    assert "other sizes" in ways[-1]
    assert {str(way) for way in result.ways} == {"1 thread, batch 1", "1 thread, batch 64"}
    assert result.bytes == len(bundles.image_graph())


def test_metrics_are_those_of_the_rows(bundle, rows):
    metric = (
        run(bundle, rows, max_drop=WIDE).artefacts["onnx-fp32"].tasks["digit"].metrics["accuracy"]
    )
    outputs = bundles.run_onnx(
        bundles.image_graph(), {"pixel_values": np.stack([row["image"] for row in rows])[:, None]}
    )
    right = outputs["digit"].argmax(-1) == [int(row["digit"]) for row in rows]
    assert metric.candidate.value == pytest.approx(right.mean())
    assert metric.candidate.low < metric.candidate.value < metric.candidate.high


def test_too_few_rows_for_a_narrow_budget_are_undecided(bundle, rows):
    found = run(bundle, rows, max_drop=NARROW)
    assert found.outcome == "undecided"
    assert found.artefacts["onnx-fp32"].tasks["digit"].rows_needed == pytest.approx(3000, rel=0.02)


def test_budgets_come_from_the_manifest_and_can_be_overridden_by_task(bundle, rows):
    found = run(bundle, rows, max_drop={"larger": 0.2})
    tasks = found.artefacts["onnx-fp32"].tasks
    assert (tasks["digit"].max_drop, tasks["larger"].max_drop) == (0.01, 0.2)
    assert (tasks["digit"].verdict, tasks["larger"].verdict) == ("undecided", "pass")


def test_more_confidence_gives_a_wider_bound_than_the_manifest_s(bundle, rows):
    bounds = []
    for confidence in (None, 0.99, 0.999):
        found = run(bundle, rows, max_drop=WIDE, confidence=confidence)
        assert found.confidence == (confidence or 0.95)
        metric = found.artefacts["onnx-int8-qdq"].tasks["digit"].metrics["accuracy"]
        bounds.append(metric.drop.high)
    assert bounds[0] < bounds[1] < bounds[2]


def test_an_int8_artefact_that_got_worse_fails_and_the_others_do_not(bundle, rows, tools):
    graph = tools.scaled(bundles.image_graph(), "digit_weight", -1.0)
    tools.with_artefact(bundle, "onnx-int8-bad", graph)
    found = run(bundle, rows, max_drop=WIDE)
    assert verdicts(found) == {
        "onnx-fp32": "pass",
        "onnx-int8-qdq": "pass",
        "onnx-int8-bad": "fail",
    }
    assert found.outcome == "fail"
    bad = found.artefacts["onnx-int8-bad"]
    assert bad.tasks["digit"].verdict == "fail"
    assert bad.tasks["larger"].verdict == "pass"
    assert bad.numbers["digit"][0].cosine < 0
    assert "digit: accuracy drops" in bad.reason


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("larger", {"labels": ("yes", "no")}),
        ("digit", {"labels": ("1", "0", "2")}),
        ("digit", {"decode": {"temperature": 5.0}}),
        ("larger", {"decode": {"threshold": 0.501}}),
        ("digit", {"metric": "macro_f1"}),
    ],
)
def test_a_manifest_that_reads_the_outputs_in_another_way_fails(bundle, rows, tools, task, changes):
    found = run(tools.misread(bundle, task, **changes), rows, max_drop=WIDE)
    assert set(verdicts(found).values()) == {"fail"}
    reason = found.artefacts["onnx-int8-qdq"].reason
    assert f"task {task}: {next(iter(changes))} is" in reason
    assert "was" in reason


def test_a_manifest_without_a_task_that_was_trained_fails(bundle, rows, tools):
    tasks = dict(open_bundle(bundle).manifest.tasks)
    del tasks["larger"]
    found = run(tools.rewritten(bundle, {}, tasks=tasks), rows, max_drop={"digit": 0.05})
    assert found.outcome == "fail"
    assert "task larger: PyTorch's stored outputs have it" in found.artefacts["onnx-fp32"].reason


def test_golden_outputs_that_do_not_come_out_fail(bundle, rows, tools):
    arrays = npz_arrays(open_bundle(bundle).read("golden/golden.npz"))
    arrays["out.digit"] = -arrays["out.digit"]
    tools.rewritten(bundle, {"golden/golden.npz": npz_bytes(arrays)})
    found = run(bundle, rows, max_drop=WIDE)
    assert set(verdicts(found).values()) == {"fail"}
    assert "misses its golden output" in found.artefacts["onnx-fp32"].reason


def test_a_head_at_another_scale_fails_in_every_precision(bundle, rows, tools):
    graph = tools.scaled(bundles.image_graph(), "digit_weight", 3.0)
    tools.with_artefact(bundle, "onnx-int8-loud", graph)
    found = run(bundle, rows, max_drop=WIDE, artefacts=["onnx-int8-loud"])
    assert verdicts(found) == {"onnx-int8-loud": "fail"}


def test_an_int8_artefact_that_is_wrong_on_single_rows_fails(bundle, rows, tools):
    tools.with_artefact(bundle, "onnx-int8-alone", tools.wrong_alone(bundles.image_graph()))
    found = run(bundle, rows, max_drop=WIDE, artefacts=["onnx-int8-alone"])
    assert verdicts(found) == {"onnx-int8-alone": "fail"}
    task = found.artefacts["onnx-int8-alone"].tasks["digit"]
    assert (task.verdict == "pass", task.way) == (False, "1 thread, batch 1")
    assert "(1 thread, batch 1)" in found.artefacts["onnx-int8-alone"].reason


def test_another_tokenizer_than_in_training_fails(tmp_path, tools):
    rows = tools.text_rows()
    folder = tools.with_reference(bundles.text_bundle(tmp_path / "text"), rows)
    path = open_bundle(folder).manifest.inputs["text"].files["tokenizer"]
    changed = open_bundle(folder).read(path) + b"\n"  # as good, and not the one
    tools.rewritten(folder, {path: changed})
    found = run(folder, rows, max_drop={"intent": 1.0, "ner": 1.0})
    assert found.outcome == "fail"
    assert "input text: files is" in found.artefacts["onnx-fp32"].reason


def test_a_stand_in_that_fails_itself_lets_nothing_pass(tmp_path, rows, tools):
    folder = bundles.image_bundle(tmp_path / "image")
    broken = tools.scaled(bundles.image_graph(), "digit_weight", -1.0)
    for name in ("onnx-fp32", "onnx-int8-qdq"):
        tools.with_artefact(folder, name, broken)
    found = run(folder, rows, max_drop=WIDE, artefacts=["onnx-int8-qdq"])
    assert found.outcome == "fail"  # by its own golden outputs
    tools.with_artefact(folder, "onnx-int8-good", bundles.image_graph())
    found = run(folder, rows, max_drop={"digit": 1.0, "larger": 1.0}, artefacts=["onnx-int8-good"])
    assert verdicts(found) == {"onnx-int8-good": "undecided"}
    assert "its reference onnx-fp32 fails itself" in found.artefacts["onnx-int8-good"].reason


def test_an_fp32_artefact_that_is_a_little_off_fails_by_its_numbers(bundle, rows, tools):
    graph = tools.scaled(bundles.image_graph(), "digit_weight", 1.001)
    tools.with_artefact(bundle, "onnx-fp32-off", graph)
    tools.with_artefact(bundle, "onnx-int8-off", graph)
    found = run(bundle, rows, max_drop=WIDE, artefacts=["onnx-fp32-off", "onnx-int8-off"])
    assert verdicts(found) == {"onnx-fp32-off": "fail", "onnx-int8-off": "pass"}
    assert "digit: logits differ by" in found.artefacts["onnx-fp32-off"].reason


def test_a_token_task_is_compared_word_by_word(tmp_path, tools):
    rows = tools.text_rows()
    folder = tools.with_reference(bundles.text_bundle(tmp_path / "text", openvino=True), rows)
    wide = {"intent": 0.2, "ner": 0.2}
    found = run(folder, rows, max_drop=wide)
    assert verdicts(found) == dict.fromkeys(("onnx-fp32", "onnx-int8-qdq", "openvino-fp32"), "pass")
    ways = [part.way for part in found.artefacts["openvino-fp32"].numbers["ner"]]
    assert "1 thread, batch 64" in ways
    graph = tools.scaled(bundles.text_graph(), "ner_weight", -1.0)
    tools.with_artefact(folder, "onnx-int8-bad", graph)
    bad = run(folder, rows, max_drop=wide, artefacts=["onnx-int8-bad"]).artefacts["onnx-int8-bad"]
    assert bad.tasks["intent"].changed == 0
    assert bad.tasks["ner"].changed > 50
    assert bad.tasks["ner"].differences[0].word >= 0


def test_what_cannot_run_here_is_not_run_and_never_a_pass(bundle, rows, tools):
    tools.with_artefact(
        bundle, "tensorrt-int8", bundles.image_graph(), status="needs_device", reason="no GPU here"
    )
    tools.with_artefact(
        bundle, "onnx-fp16", bundles.image_graph(), status="failed", reason="the exporter said no"
    )
    found = run(bundle, rows, max_drop=WIDE)
    assert found.artefacts["tensorrt-int8"].verdict == "not_run"
    assert found.artefacts["tensorrt-int8"].reason
    assert "the exporter said no" in found.artefacts["onnx-fp16"].reason
    assert found.outcome == "pass"
    assert "tensorrt-int8 not run" in found.table()


def test_a_named_artefact_that_cannot_run_is_no_pass(bundle, rows, tools):
    from commands import kd2edge

    tools.with_artefact(
        bundle, "tensorrt-int8", bundles.image_graph(), status="needs_device", reason="no GPU"
    )
    tools.rewritten(bundle, {}, gate=Gate(WIDE))
    named = run(bundle, rows, artefacts=["onnx-fp32", "tensorrt-int8"])
    assert verdicts(named) == {"onnx-fp32": "pass", "tensorrt-int8": "not_run"}
    assert named.outcome == "not_run"
    pixels = [{**row, "image": row["image"].tolist()} for row in rows]
    file = bundle.parent / "rows.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in pixels), encoding="utf-8")
    command = ("validate", bundle, "--data", file, "--artefact", "onnx-int8-qdq")
    assert kd2edge(*command).code == 0
    asked = kd2edge(*command, "--artefact", "tensorrt-int8", "--json")
    assert (asked.code, asked.json["outcome"]) == (6, "not_run")
    assert "tensorrt-int8 not run" in asked.err


def test_without_any_logits_of_pytorch_fp32_is_undecided_and_the_table_says_why(
    bundle, rows, tools, monkeypatch
):
    tools.with_artefact(bundle, "onnx-fp32-copy", bundles.image_graph())
    (bundle / "reference/test.npz").unlink()
    monkeypatch.setattr("kd2edge.validate.sample._golden_sample", lambda bundle: None)
    found = run(bundle, rows, max_drop=WIDE)
    assert verdicts(found) == {
        "onnx-fp32": "not_run", "onnx-int8-qdq": "undecided", "onnx-fp32-copy": "undecided",
    }  # fmt: skip
    assert "no PyTorch logits" in found.artefacts["onnx-fp32-copy"].reason
    assert "- onnx-int8-qdq numbers not run: no PyTorch logits" in found.table()
    assert "has not itself passed against PyTorch" in found.artefacts["onnx-int8-qdq"].reason


def test_when_nothing_can_run_the_evidence_is_written_and_the_backend_missing(bundle, rows, tools):
    tools.with_artefact(
        bundle, "tensorrt-int8", bundles.image_graph(), status="needs_device", reason="no GPU"
    )
    with pytest.raises(BackendError, match="tensorrt-int8"):
        run(bundle, rows, artefacts=["tensorrt-int8"])
    evidence = read_evidence(bundle, "validation")
    assert [one.payload["outcome"] for one in evidence] == ["not_run"]


def test_rows_without_a_reference_are_held_against_the_fp32_artefact(tmp_path, rows, tools):
    folder = bundles.image_bundle(tmp_path / "image")
    graph = tools.scaled(bundles.image_graph(), "digit_weight", -1.0)
    tools.with_artefact(folder, "onnx-int8-bad", graph)
    found = run(folder, rows, max_drop=WIDE)
    assert verdicts(found) == {
        "onnx-fp32": "not_run", "onnx-int8-qdq": "undecided", "onnx-int8-bad": "fail",
    }  # fmt: skip
    assert found.references == {"pytorch": 0, "onnx-fp32": 200}
    assert "against the artefact onnx-fp32" in found.table()
    assert "itself the reference" in found.artefacts["onnx-fp32"].reason
    # the golden outputs are PyTorch's, so its numbers were looked at all the same
    assert found.artefacts["onnx-fp32"].numbers["digit"][0].rows == 4


def test_the_stand_in_runs_even_when_it_was_not_asked_for(tmp_path, rows):
    folder = bundles.image_bundle(tmp_path / "image")
    found = run(folder, rows, max_drop=WIDE, artefacts=["onnx-int8-qdq"])
    assert verdicts(found) == {"onnx-int8-qdq": "undecided"}  # and has not passed itself
    assert found.artefacts["onnx-int8-qdq"].tasks["digit"].verdict == "pass"


def test_a_reference_cannot_be_judged_by_itself(tmp_path, rows):
    folder = bundles.image_bundle(tmp_path / "image")
    with pytest.raises(UsageError, match="itself the reference"):
        run(folder, rows, max_drop=WIDE, artefacts=["onnx-fp32"])
    assert len(read_evidence(folder, "validation")) == 1


def test_some_new_rows_among_known_ones_are_told_apart(bundle, rows, tools):
    fresh = [dict(row) for row in rows]
    for row in fresh[:50]:
        row["image"] = 255 - row["image"]
    found = run(bundle, tools.ListRows(fresh), max_drop={"digit": 0.3, "larger": 0.3})
    assert found.references == {"pytorch": 150, "onnx-fp32": 50}
    tasks = {name: result.tasks["digit"] for name, result in found.artefacts.items()}
    assert tasks["onnx-int8-qdq"].metrics["accuracy"].drop.rows == 200
    assert tasks["onnx-fp32"].metrics["accuracy"].drop.rows == 150
    assert "150 rows" in found.reference


def test_a_difference_names_the_row_of_the_split(bundle, rows, tools):
    """Also where only the rows with a stored reference are compared."""
    fresh = [dict(row) for row in rows]
    for row in fresh[:50]:
        row["image"] = 255 - row["image"]
    changed = tools.ListRows(fresh)
    graph = tools.scaled(bundles.image_graph(), "digit_weight", -1.0)
    like = open_bundle(bundle).manifest.artefacts["onnx-fp32"]
    entry = file_entry(like.entry, graph)
    artefacts = {"onnx-fp32": dataclasses.replace(like, files=(entry,))}
    tools.rewritten(bundle, {like.entry: graph}, artefacts=artefacts, preferred=("onnx-fp32",))
    found = run(bundle, changed, max_drop=WIDE).artefacts["onnx-fp32"].tasks["digit"]
    assert found.verdict == "fail"
    assert all(part.row >= 50 and part.id == str(part.row) for part in found.differences)


def test_without_rows_numbers_are_checked_and_nothing_passes(bundle):
    found = run(bundle, None)
    assert verdicts(found) == {"onnx-fp32": "undecided", "onnx-int8-qdq": "undecided"}
    assert found.artefacts["onnx-fp32"].numbers["digit"][0].rows == 4
    assert "no rows at hand" in found.artefacts["onnx-fp32"].reason


def test_evidence_names_the_bundle_and_holds_what_was_returned(bundle, rows):
    found = run(bundle, rows, max_drop=WIDE)
    (evidence,) = read_evidence(bundle, "validation", open_bundle(bundle).identity)
    assert evidence.payload == json.loads(json.dumps(found.to_json()))
    assert found.evidence.startswith(str(bundle / "reports"))
    assert open_bundle(bundle).verify() == []


def test_evidence_says_with_what_it_was_judged(bundle, rows):
    found = run(bundle, rows, max_drop=WIDE).to_json()
    assert (found["schema"], found["threads"]) == (2, [1])
    assert found["batches"]
    options = found["artefacts"]["onnx-fp32"]["options"]
    assert options["engine"].startswith("onnxruntime ")
    assert options["providers"] == ["CPUExecutionProvider"]


def test_the_runtime_loads_what_passed(bundle, rows):
    from kd2edge.runtime import load

    run(bundle, rows, max_drop=WIDE)
    with load(bundle, threads=1) as model:
        assert "passed validation" in model.why


def test_evidence_may_be_written_elsewhere(bundle, rows, tmp_path):
    found = run(bundle, rows, max_drop=WIDE, out=tmp_path / "elsewhere")
    assert not (bundle / "reports").exists()
    assert found.evidence.startswith(str(tmp_path / "elsewhere"))


def test_a_read_only_bundle_is_noticed_before_anything_is_measured(bundle, rows, monkeypatch):
    monkeypatch.setattr("kd2edge.validate.artefacts.load", None)
    (bundle / "reports").write_bytes(b"")  # root may write to a folder without rights
    for out in (None, bundle / "reports", bundle / "reports" / "new"):
        with pytest.raises(StorageError, match=r"reports.*--out DIR"):
            run(bundle, rows, out=out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"artefacts": ["onnx-int9"]}, "no artefact 'onnx-int9'"),
        ({"max_drop": {"digits": 0.1}}, "did you mean 'digit'"),
        ({"max_drop": {"digit": 5}}, "share from 0 to 1"),
        ({"confidence": 0.5}, "confidence must be between 0.5 and 1, found 0.5"),
        ({"confidence": 1}, "confidence must be between 0.5 and 1, found 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(bundle, rows, options, message):
    with pytest.raises(UsageError, match=message):
        run(bundle, rows, **options)


def test_a_task_without_budget_is_refused(bundle, rows, tools):
    tools.rewritten(bundle, {}, gate=Gate({"digit": 0.1}))
    with pytest.raises(UsageError, match="no budget for larger"):
        run(bundle, rows)


def test_a_changed_file_is_an_integrity_error(bundle, rows):
    file = bundle / "onnx/int8-qdq.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(IntegrityError):
        run(bundle, rows)
    assert read_evidence(bundle) == []


def test_an_unknown_label_is_a_data_error(bundle, rows, tools):
    spoiled = [dict(row) for row in rows]
    spoiled[9]["digit"] = "nine"
    with pytest.raises(DataError, match="list:10"):
        run(bundle, tools.ListRows(spoiled))


def test_a_graph_that_the_manifest_does_not_describe_fails(bundle, rows, tools):
    other = bundles.onnx_bytes(
        [bundles.helper.make_node("Cast", ["pixel_values"], ["digit"], to=1)],
        bundles.IMAGE_ARRAYS,
        (dataclasses.replace(bundles.IMAGE_HEADS[0], shape=("batch", 1, 8, 8)),),
        {},
    )
    tools.with_artefact(bundle, "onnx-int8-odd", other)
    found = run(bundle, rows, max_drop=WIDE)
    assert found.artefacts["onnx-int8-odd"].verdict == "fail"
    assert found.artefacts["onnx-fp32"].verdict == "pass"


def test_a_reference_that_stayed_at_home_is_no_error(bundle, rows):
    (bundle / "reference/test.npz").unlink()
    found = run(bundle, rows, max_drop=WIDE)
    assert found.references["onnx-fp32"] == 200


def test_progress_comes_to_its_end(bundle, rows):
    seen = []
    run(bundle, rows, max_drop=WIDE, on_event=seen.append)
    assert {event.what for event in seen} == {"graph", "tasks", "statistics", "edges"}
    last = {event.what: (event.done, event.total) for event in seen}
    assert all(done == total for done, total in last.values())
