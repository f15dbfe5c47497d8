"""A task kind whose head gives several arrays, a map among them, from rows to the gate."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from commands import kd2edge
from kd2edge.distill.tasks.classification import CrossEntropy
from kd2edge.distill.tasks.kinds import HARD_LOSSES
from kd2edge.nets.features import Features, Widths
from kd2edge.nets.heads import kinds as heads
from kd2edge.nets.heads.head import Head
from kd2edge.runtime import load
from kd2edge.tasks import kinds
from kd2edge.tasks.classification import Classification
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.spec import Columns, Decoded, Logits, Output, TaskSpec
from products import write_jsonl

CLASSES = Classification()


class Placed(TaskKind):
    """A class a row, and how likely each place is what it was told by."""

    # The schema knows no such kind: this one borrows the name of another.
    name = "classification"
    sections = CLASSES.sections
    default_metrics = CLASSES.default_metrics

    def outputs(self, spec: TaskSpec) -> tuple[Output, ...]:
        classes = Output(len(spec.labels), "softmax", name="classes")
        return (classes, Output(1, "sigmoid", "place", "where"))

    def reordered(self, spec: TaskSpec, logits: Any, order: Any, output: str = "") -> Any:
        return CLASSES.reordered(spec, logits, order) if output == "classes" else logits

    def decode(self, spec: TaskSpec, logits: Logits) -> Decoded:
        assert isinstance(logits, Columns)
        classes = np.asarray(logits["classes"], np.float32)
        assert np.asarray(logits["where"]).shape[1:] == (4, 4, 1)
        return CLASSES.decode(spec, classes)


def as_classes(name: str) -> Any:
    return lambda _, *arguments, **named: getattr(CLASSES, name)(*arguments, **named)


for same in ("labels_from_values", "target", "answers", "said", "decided", "pack", "unpack"):
    setattr(Placed, same, as_classes(same))
Placed.__abstractmethods__ = frozenset()


class PlacedHead(Head):
    def __init__(self, spec: TaskSpec, widths: Widths, dropout: float) -> None:
        super(Head, self).__init__()
        ((channels, height, width),) = widths.maps["photo"]
        self.shapes = (("batch", len(spec.labels)), ("batch", height, width, 1))
        self.linear = nn.Linear(widths.pooled, len(spec.labels))
        self.places = nn.Conv2d(channels, 1, 1)

    def forward(self, features: Features) -> tuple[Tensor, ...]:
        places = self.places(features.maps["photo"][0])
        return self.linear(features.pooled), places.permute(0, 2, 3, 1)


_RECIPE = """\
version: 1
name: placed
data:
  sources:
    - {name: rows, kind: jsonl, train: train.jsonl, validation: test.jsonl, test: test.jsonl}
inputs:
  photo: {kind: image, size: [8, 8]}
tasks:
  side: {kind: classification}
  bright: {kind: binary, metric: accuracy}
teachers:
  - name: big
    model: {family: cnn, config: {channels: [6], strides: [2]}}
    train: {epochs: 1}
student:
  model: {family: cnn, config: {channels: [4], strides: [2]}}
distill: {alpha: 0.5}
baseline: false
train: {epochs: 1, lr: 5.0e-3, batch_size: 16, threads: 1, device: cpu, precision: fp32}
export: {targets: [onnx], precisions: [fp32], calibration: {rows: 16}}
"""


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {**kinds.TASK_KINDS, "classification": Placed()}  # pyright: ignore
    monkeypatch.setattr(kinds, "TASK_KINDS", MappingProxyType(table))
    monkeypatch.setattr(
        heads, "HEADS", MappingProxyType({**heads.HEADS, "classification": PlacedHead})
    )
    monkeypatch.setitem(HARD_LOSSES, "classification", CrossEntropy)
    monkeypatch.setattr("kd2edge.runtime.heads.QUICK", {})


@pytest.mark.usefixtures("placed")
def test_every_array_is_taught_exported_judged_and_answered_from(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    rows = []
    for at in range(96):
        photo = random.integers(0, 90, (8, 8))
        photo[:, 4 * (at % 2) :][:, :4] += 100
        labels = {"side": ("left", "right")[at % 2], "bright": ("no", "yes")[at % 3 == 0]}
        rows.append({"photo": photo.tolist(), **labels})
    write_jsonl(tmp_path / "train.jsonl", rows[:48])
    write_jsonl(tmp_path / "test.jsonl", rows[48:])
    (tmp_path / "recipe.yaml").write_text(_RECIPE)
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    result = kd2edge("distill", tmp_path / "recipe.yaml", "--run-dir", run)
    assert result.code == 0, result.err
    result = kd2edge("export", run, "--out", bundle)
    assert result.code == 0, result.err
    judged = kd2edge("validate", bundle, "--run", run, "--threads", "1", "--json").json
    (artefact,) = judged["artefacts"].values()
    assert artefact["verdict"] != "fail", artefact["faults"]
    assert set(artefact["numbers"]) == {"side.classes", "side.where", "bright"}
    assert all(artefact["numbers"].values())
    assert set(artefact["tasks"]) == {"side", "bright"}
    with load(bundle, artefact="onnx-fp32", self_test=True) as model:
        some = {"photo": [rows[0]["photo"], rows[1]["photo"]]}
        given = model.logits(some)
        shapes = {name: one.shape for name, one in given.items()}
        assert shapes == {"side.classes": (2, 2), "side.where": (2, 4, 4, 1), "bright": (2, 1)}
        likeliest = given["side.classes"].argmax(1).tolist()
        answers = [one[0]["label"] for one in model.predict(some)["side"]]
        assert answers == [("left", "right")[at] for at in likeliest]
