"""A recipe whose tasks reject what is out of scope, from its rows to the gate."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from commands import kd2edge, succeed
from kd2edge.bundle import manifest_to_json, open_bundle
from kd2edge.bundle.paths import MANIFEST
from kd2edge.nets import load_net
from kd2edge.runtime import load
from kd2edge.validate import open_reference
from products import write_jsonl, write_tokenizer

_WORDS = {"card": ("card", "pin", "chip"), "loan": ("loan", "rate", "debt")}
#: None of them stands in a labelled training row.
_ODD = ("moon", "lute", "fern", "ox")
_STATIC = "{family: static, config: {embedding: 12, hidden: [12], dropout: 0.0}}"
_RECIPE = f"""\
version: 1
name: rejecting
data:
  sources:
    - {{name: rows, kind: jsonl, train: train.jsonl, validation: validation.jsonl,
        test: test.jsonl}}
  unlabelled:
    - {{name: odd, kind: jsonl, train: odd.jsonl}}
  leaks: keep
inputs:
  text: {{kind: text, tokenizer: {{path: tokenizer.json}}, max_length: 8}}
tasks:
  intent: {{kind: classification, labels: [card, loan, oos], reject: {{label: oos}}}}
  twin: {{kind: classification, column: intent, labels: [oos, loan, card],
    reject: {{label: oos, by: energy, in_scope_recall: 0.9}}}}
  near: {{kind: classification, column: intent, labels: [card, oos, loan],
    reject: {{label: oos, by: distance, prototypes: 3, in_scope_recall: 0.9}}}}
teachers:
  - name: words
    model: {_STATIC}
    train: {{epochs: 8, lr: 3.0e-2, batch_size: 16}}
student:
  model: {_STATIC}
distill: {{alpha: 0.5}}
baseline: true
train: {{epochs: 8, lr: 3.0e-2, batch_size: 16, threads: 1, device: cpu, precision: fp32}}
export: {{targets: [onnx, numpy], precisions: [fp32, int8], calibration: {{rows: 16}}}}
validate: {{max_drop: 0.1, max_drop_class: 0.2}}
"""


def _rows(seed: int, inside: int, outside: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    labels = [("card", "loan")[at % 2] for at in range(inside)] + ["oos"] * outside
    return [
        {"text": " ".join(random.choice(_WORDS.get(label, _ODD), 4)), "intent": label}
        for label in labels
    ]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rejecting")
    splits = {"train": _rows(0, 120, 0), "validation": _rows(1, 60, 20), "test": _rows(2, 90, 40)}
    for name, rows in splits.items():
        write_jsonl(folder / f"{name}.jsonl", rows)
    write_jsonl(folder / "odd.jsonl", [{"text": row["text"]} for row in _rows(3, 0, 20)])
    every = [row["text"] for rows in splits.values() for row in rows]
    write_tokenizer(folder / "tokenizer.json", every)
    (folder / "recipe.yaml").write_text(_RECIPE, encoding="utf-8")
    succeed("distill", folder / "recipe.yaml", "--run-dir", folder / "run")
    succeed("export", folder / "run", "--out", folder / "bundle")
    return folder


def _report(project: Path) -> Any:
    return json.loads((project / "run" / "report.json").read_text(encoding="utf-8"))


def _decode(project: Path, task: str) -> dict[str, float]:
    return json.loads((project / "bundle" / MANIFEST).read_text())["tasks"][task]["decode"]


def test_the_students_own_threshold_stands_in_its_bundle(project: Path) -> None:
    report = _report(project)
    for task, key, label, aim in (
        ("intent", "least_probability", 2, {}),
        ("twin", "most_energy", 0, {"in_scope_recall": 0.9}),
        # As many as its labels in scope have different rows, up to 3 each.
        ("near", "least_cosine", 1, {"in_scope_recall": 0.9, "prototypes": 6}),
    ):
        thresholds = report["tasks"][task]["reject"]["thresholds"]
        assert _decode(project, task) == {"reject": label, key: thresholds["student"], **aim}
        assert len({thresholds[model] for model in ("teacher", "baseline", "student")}) == 3
        own = json.loads((project / "run" / "student.json").read_text())["tasks"]
        assert _decode(project, task) in [one["decode"] for one in own]
        said = json.loads((project / "bundle" / "meaning.json").read_text())["tasks"][task]
        assert said["decode"] == _decode(project, task)


def test_aims_are_reached_on_validation_rows_by_every_model(project: Path) -> None:
    validation = _report(project)["splits"]["validation"]["tasks"]
    for model in ("teacher", "baseline", "student"):
        found = validation["twin"][model]["metrics"]
        assert 0.9 <= found["in_scope_recall"]["value"] < 0.9 + 4 / 60  # equal rows stay together
        found = validation["near"][model]["metrics"]
        assert found["in_scope_recall"]["value"] >= 0.9
        assert found["out_of_scope_recall"]["value"] > 0.5
        best = validation["intent"][model]["metrics"]
        assert best["accuracy"]["value"] >= 0.9
        assert best["out_of_scope_recall"]["value"] > 0.5
    curve = _report(project)["curves"]["student"]
    fitted = ("intent", "twin")
    best = max(sum(point["validation"][task] for task in fitted) for point in curve)
    student = [validation[task]["student"]["metrics"]["accuracy"]["value"] for task in fitted]
    assert sum(student) == pytest.approx(best)  # epochs were measured with rejection, too


def test_what_is_out_of_scope_is_answered_with_the_label_alone_and_together(project: Path) -> None:
    rows = _rows(2, 90, 40)
    texts = [row["text"] for row in rows]
    reference = open_reference(
        (project / "run" / "samples" / "reference-test.npz").read_bytes(),
        open_bundle(project / "bundle").manifest.tasks,
    )
    with load(project / "bundle", artefact="onnx-fp32") as model:
        together = model.predict({"text": texts})
        one = model.predict({"text": ["moon lute fern ox"]})["intent"]
        two = model.predict({"text": ["card pin chip pin", "moon ox ox"]}, top_k=3)["intent"]
        for row in (0, 1, 95, 129):
            alone = model.predict({"text": [texts[row]]})
            for task in ("intent", "twin", "near"):
                assert alone[task][0][0]["label"] == together[task][row][0]["label"]
    assert one[0][0]["label"] == "oos"
    assert [answer[0]["label"] for answer in two] == ["card", "oos"]
    assert sum(part["score"] for part in two[1]) == pytest.approx(1, abs=1e-6)
    assert two[1][1]["score"] < _decode(project, "intent")["least_probability"]
    for task in ("intent", "twin", "near"):
        spec = model.tasks[task]
        said = [spec.labels.index(answer[0]["label"]) for answer in together[task]]
        assert said == np.asarray(reference.decoded[task].labels).tolist()


def test_every_artefact_passes_by_metrics_with_rejection(project: Path) -> None:
    judged = kd2edge(
        "validate", project / "bundle", "--run", project / "run", "--threads", "1", "--json"
    )
    assert judged.code == 0, judged.out + judged.err
    report = _report(project)["splits"]["test"]["tasks"]
    for artefact in judged.json["artefacts"].values():
        for task, part in artefact["tasks"].items():
            assert {"in_scope_recall", "out_of_scope_recall"} <= part["metrics"].keys()
            for name, found in part["metrics"].items():
                reported = report[task]["student"]["metrics"][name]["value"]
                assert found["reference"]["value"] == pytest.approx(reported, abs=1e-6)


@pytest.mark.parametrize(
    ("task", "setting"),
    [
        ("intent", {"least_probability": 0.0}),
        ("intent", {"least_probability": 1.0}),
        ("twin", {"most_energy": 1e3}),
        ("twin", {"reject": 1}),
        ("near", {"least_cosine": 1.5}),
    ],
)
def test_another_threshold_in_the_manifest_is_stopped(
    project: Path, tmp_path: Path, task: str, setting: dict[str, float]
) -> None:
    shutil.copytree(project / "bundle", tmp_path / "bundle")
    manifest = open_bundle(tmp_path / "bundle").manifest
    tasks = {
        name: replace(spec, decode={**spec.decode, **setting}) if name == task else spec
        for name, spec in manifest.tasks.items()
    }
    changed = manifest_to_json(replace(manifest, tasks=tasks))
    (tmp_path / "bundle" / MANIFEST).write_bytes(changed)
    shutil.rmtree(tmp_path / "bundle" / "reports", ignore_errors=True)
    judged = kd2edge(
        "validate", tmp_path / "bundle", "--run", project / "run", "--threads", "1", "--json"
    )
    assert judged.code != 0
    artefacts = judged.json["artefacts"]
    assert {one["verdict"] for one in artefacts.values()} == {"fail"}
    told = json.dumps(artefacts["onnx-fp32"])
    assert f"task {task}: decode is" in told  # the manifest is not what outputs were stored with
    assert "decisions other than the reference's" in told


def test_people_are_told_when_a_row_is_rejected(project: Path) -> None:
    limit = _decode(project, "intent")["least_probability"]
    when = f"answers oos where no other label's probability reaches {limit:.4g}"
    assert when in succeed("inspect", project / "bundle").out
    assert when in (project / "bundle" / "MODEL_CARD.md").read_text(encoding="utf-8")
    page = (project / "run" / "report.html").read_text(encoding="utf-8")
    fitted = "Answered oos by a threshold, fitted on validation rows, of the"
    assert f"{fitted} largest probability of another label, below: teacher" in page
    assert f"{fitted} energy of the other labels, above: teacher" in page
    assert (
        "; of the cosine to the nearest prototype of another label, below: no distillation" in page
    )
    assert f"student {limit:.3f}" in page


def test_teachers_of_a_task_that_rejects_by_distance_do_so_by_probability(project: Path) -> None:
    found = _report(project)["tasks"]["near"]["reject"]
    assert found["by"] == {"teacher": "probability", "baseline": "distance", "student": "distance"}
    own = json.loads((project / "run" / "teachers" / "words.json").read_text())["tasks"]
    keys = [one["decode"].keys() for one in own if one["name"] == "near"]
    assert keys == [{"reject", "least_probability", "in_scope_recall"}]


def test_prototypes_are_those_of_the_last_phase(project: Path, tmp_path: Path) -> None:
    run, phases = tmp_path / "run", "[{name: first, train: {epochs: 1}}, {name: last}]"
    for name in ("train.jsonl", "validation.jsonl", "test.jsonl", "odd.jsonl", "tokenizer.json"):
        shutil.copy(project / name, tmp_path / name)
    (tmp_path / "recipe.yaml").write_text(_RECIPE, encoding="utf-8")
    succeed(
        "distill",
        tmp_path / "recipe.yaml",
        "--run-dir",
        run,
        *("--set", f"phases={phases}", "--set", "baseline=false", "--set", "train.epochs=3"),
    )
    first, last = load_net(run / "phases" / "first"), load_net(run / "student")
    assert first.tasks[2].decode["prototypes"] == last.tasks[2].decode["prototypes"] == 6
    one, other = (net.state_dict() for net in (first, last))
    for name in ("heads.near.scope.middle", "heads.near.scope.matrix", "heads.near.linear.weight"):
        assert not torch.equal(one[name], other[name])


def test_check_says_how_many_numbers_prototypes_will_be(project: Path) -> None:
    said = succeed("check", project / "recipe.yaml").out
    # A middle and three for each of two labels, of 12 numbers each: as many as were fitted.
    assert said.count("in embeddings), then at most 84 of prototypes, ") == 2
    (teacher,) = [line for line in said.splitlines() if line.startswith("model      words:")]
    assert "prototypes" not in teacher


def test_prototypes_are_shipped_and_counted(project: Path) -> None:
    with load(project / "bundle", artefact="numpy-fp32") as model:
        arrays = model.logits({"text": ["moon lute fern ox", "card pin chip pin"]})
    assert {name: one.shape for name, one in arrays.items()} == {
        "intent": (2, 3),
        "twin": (2, 3),
        "near": (2, 3),
        "near.scope": (2, 1),
    }
    outside, inside = arrays["near.scope"][:, 0]
    assert outside < _decode(project, "near")["least_cosine"] < inside <= 1 + 1e-6
    models = _report(project)["models"]
    assert models["student"]["parameters"] == models["teacher"]["parameters"] + 12 + 6 * 12


def test_a_resumed_run_has_the_same_thresholds(project: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(project / "run", run)
    before = (run / "student.json").read_bytes()
    (run / "student.record.json").unlink()  # what training left stands in its last checkpoint
    (run / "report.json").unlink()
    succeed("distill", project / "recipe.yaml", "--run-dir", run, "--resume")
    assert (run / "student.json").read_bytes() == before
    assert (run / "meaning.json").read_bytes() == (project / "run" / "meaning.json").read_bytes()


def test_a_student_with_prototypes_starts_and_teaches_another_one(
    project: Path, tmp_path: Path
) -> None:
    for name in ("train.jsonl", "validation.jsonl", "test.jsonl", "odd.jsonl", "tokenizer.json"):
        shutil.copy(project / name, tmp_path / name)
    shipped = project / "run"
    (tmp_path / "recipe.yaml").write_text(_RECIPE, encoding="utf-8")
    succeed(
        "distill",
        tmp_path / "recipe.yaml",
        "--run-dir",
        tmp_path / "run",
        *("--set", "teachers.words.train=null"),
        *("--set", f"teachers.words.checkpoint={shipped / 'student.safetensors'}"),
        *("--set", f"student.init={{run: {shipped}}}"),
        *("--set", "baseline=false", "--set", "train.epochs=1"),
    )
    own = json.loads((tmp_path / "run" / "student.json").read_text())["tasks"]
    assert [one["decode"]["prototypes"] for one in own if one["name"] == "near"] == [6]
    found = json.loads((tmp_path / "run" / "report.json").read_text())["tasks"]["near"]["reject"]
    assert found["by"] == {"teacher": "probability", "student": "distance"}
