"""A recipe whose cuts are fitted to the validation rows, from its rows to the gate."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import kd2edge, succeed
from kd2edge.bundle import manifest_to_json, open_bundle
from kd2edge.bundle.paths import MANIFEST
from kd2edge.distill import predict_split
from kd2edge.metrics import measure, metric
from kd2edge.nets import load_net
from kd2edge.pipeline.reading.model_inputs import student_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.steps.folders import RunFolder
from kd2edge.pipeline.steps.work import Work
from kd2edge.recipe import load_recipe
from kd2edge.runtime import load
from kd2edge.tasks.cut import CANDIDATES
from kd2edge.tasks.kinds import task_kind
from products import write_jsonl, write_tokenizer

_WORDS = ("awful", "bad", "fair", "good", "great")
_STATIC = "{family: static, config: {embedding: 8, hidden: [8], dropout: 0.0}}"
_RECIPE = f"""\
version: 1
name: cut
data:
  sources:
    - {{name: rows, kind: jsonl, train: train.jsonl, validation: validation.jsonl,
        test: test.jsonl}}
  leaks: keep
inputs:
  text: {{kind: text, tokenizer: {{path: tokenizer.json}}, max_length: 8}}
tasks:
  stars: {{kind: ordinal, metric: quadratic_kappa, quantile: fitted}}
  again: {{kind: binary, metric: binary_f1, threshold: fitted}}
  parts: {{kind: multi_label, metric: micro_f1, threshold: fitted}}
teachers:
  - name: words
    model: {_STATIC}
    train: {{epochs: 3, lr: 2.0e-2, batch_size: 16}}
student:
  model: {_STATIC}
distill: {{alpha: 0.5}}
baseline: true
train: {{epochs: 3, lr: 2.0e-2, batch_size: 16, threads: 1, device: cpu, precision: fp32}}
export: {{targets: [onnx], precisions: [fp32]}}
validate: {{max_drop: {{stars: 1, again: 0.2, parts: 0.2}}, max_drop_class: 0.5}}
"""
_CUTS = {"stars": "quantile", "again": "threshold", "parts": "threshold"}


def _rows(seed: int, count: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    rows = []
    for at in range(count):
        stars = int(random.choice(5, p=(0.05, 0.05, 0.1, 0.2, 0.6)))
        said = int(np.clip(stars + random.integers(-1, 2), 0, 4))
        rows.append(
            {
                "text": f"{_WORDS[said]} {random.choice(('dress', 'shirt', 'coat'))} {at % 97}",
                "stars": stars + 1,
                "again": "yes" if stars < 2 and random.random() < 0.6 else "no",
                "parts": [*(["dear"] * (stars < 3)), *(["soft"] * (stars > 2))],
            }
        )
    return rows


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cut")
    splits = {"train": _rows(0, 160), "validation": _rows(1, 80), "test": _rows(2, 300)}
    for name, rows in splits.items():
        write_jsonl(folder / f"{name}.jsonl", rows)
    write_tokenizer(folder / "tokenizer.json", [row["text"] for row in splits["train"]])
    (folder / "recipe.yaml").write_text(_RECIPE, encoding="utf-8")
    succeed("distill", folder / "recipe.yaml", "--run-dir", folder / "run")
    succeed("export", folder / "run", "--out", folder / "bundle")
    return folder


def _report(project: Path) -> Any:
    return json.loads((project / "run" / "report.json").read_text(encoding="utf-8"))


def _decode(folder: Path, task: str) -> dict[str, float]:
    return json.loads((folder / "bundle" / MANIFEST).read_text())["tasks"][task]["decode"]


def test_each_model_has_a_cut_of_its_own_and_the_students_is_shipped(project: Path) -> None:
    tasks = _report(project)["tasks"]
    found = []
    for task, key in _CUTS.items():
        cut = tasks[task]["cut"]
        assert (cut["at"], cut["by"]) == (key, tasks[task]["metric"])
        assert cut["values"].keys() == {"teacher", "baseline", "student"}
        assert set(cut["values"].values()) <= set(CANDIDATES)
        assert _decode(project, task) == {key: cut["values"]["student"], "fitted": 1}
        own = json.loads((project / "run" / "student.json").read_text())["tasks"]
        assert _decode(project, task) in [one["decode"] for one in own]
        found += cut["values"].values()
    assert len(set(found)) > 2


def test_no_other_cut_does_better_on_validation_rows(project: Path) -> None:
    """Of all that are tried, the nearest to the middle of the best ones is kept, by each net."""
    run = RunFolder(project / "run")
    loaded = load_recipe(run.recipe)
    data = prepare_data(loaded)
    work = Work(loaded, run, data, run.cache, resume=True, on_event=lambda event: None)
    inputs = student_inputs(loaded.recipe, data.rows["train"], data.learned)
    split = work.encode(inputs, work.recipe.seed)["validation"]
    for model, stem in (("student", run.student), ("baseline", run.baseline)):
        net = load_net(stem)
        said = predict_split(net, split, net.tasks, batch_size=256)
        for spec in net.tasks:
            key, truth = _CUTS[spec.name], split.truth(spec.name)
            assert not metric(spec.metric).scale.lower_is_better
            reached = []
            for cut in CANDIDATES:
                tried = replace(spec, decode={**spec.decode, key: cut})
                decided = task_kind(spec.kind).decode(tried, said[spec.name])
                reached.append(measure(tried, truth, decided, spec.metric))
            assert min(reached) < max(reached)
            best = CANDIDATES[reached.index(max(reached))]
            assert (model, spec.name, spec.decode[key]) == (model, spec.name, best)
            assert _report(project)["tasks"][spec.name]["cut"]["values"][model] == best


def test_predictions_are_cut_like_the_report(project: Path) -> None:
    rows = _rows(2, 300)
    report = _report(project)["splits"]["test"]["tasks"]["again"]["student"]["metrics"]
    with load(project / "bundle", artefact="onnx-fp32") as model:
        together = model.predict({"text": [row["text"] for row in rows]})
        limit = _decode(project, "again")["threshold"]
        for answer, row in zip(together["again"], rows, strict=True):
            assert answer["label"] == ("yes" if answer["score"] >= limit else "no")
            alone = model.predict({"text": [row["text"]]})
            assert alone["again"][0]["label"] == answer["label"]
    said = [answer["label"] == row["again"] for answer, row in zip(together["again"], rows)]  # noqa: B905
    assert np.mean(said) == pytest.approx(report["accuracy"]["value"])


def test_the_gate_judges_what_is_shipped_and_stops_another_cut(
    project: Path, tmp_path: Path
) -> None:
    run = ("--run", project / "run", "--threads", "1", "--json")
    judged = kd2edge("validate", project / "bundle", *run)
    assert judged.code == 0, judged.err
    for task, key in _CUTS.items():
        folder = tmp_path / task
        shutil.copytree(project / "bundle", folder)
        shutil.rmtree(folder / "reports", ignore_errors=True)
        manifest = json.loads(manifest_to_json(open_bundle(folder).manifest))
        manifest["tasks"][task]["decode"][key] = 0.95
        (folder / MANIFEST).write_text(json.dumps(manifest))
        other = kd2edge("validate", folder, *run)
        assert other.code != 0
        assert {one["verdict"] for one in other.json["artefacts"].values()} == {"fail"}
        assert f"task {task}: decode is" in json.dumps(other.json["artefacts"]["onnx-fp32"])


def test_people_are_told_where_it_is_cut(project: Path) -> None:
    cut = _decode(project, "stars")["quantile"]
    said = f"decided at the quantile {cut:g}, which is best by quadratic_kappa on validation rows"
    assert said in succeed("inspect", project / "bundle").out
    assert said in (project / "bundle" / "MODEL_CARD.md").read_text(encoding="utf-8")
    page = (project / "run" / "report.html").read_text(encoding="utf-8")
    assert "Decided at the quantile that is best by quadratic_kappa on validation rows" in page
    assert f"student {cut:.3f}" in page


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("tasks.stars.metric=spearman", "spearman compares scores, whatever quantile"),
        ("tasks.again.metric=auc", "auc compares scores, whatever threshold"),
        ("tasks.stars.quantile=1.0", "tasks.stars.quantile"),
        ("tasks.stars.quantile=best", "tasks.stars.quantile"),
        ("tasks.again.threshold=0", "tasks.again.threshold"),
    ],
)
def test_a_cut_that_cannot_be_is_refused(project: Path, setting: str, says: str) -> None:
    told = kd2edge("check", project / "recipe.yaml", "--set", setting)
    assert told.code == 2
    assert says in told.err
    assert "tasks." in told.err
