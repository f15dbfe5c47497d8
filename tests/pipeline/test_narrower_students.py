"""Students that start from a part of a teacher's channels, from the recipe to the report."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from commands import kd2edge, succeed
from docs.documents import ROOT
from kd2edge.nets import load_net
from products import QUICKSTART, write_text_project

_SIZES = "num_hidden_layers: 1, num_attention_heads: 1, intermediate_size: 12"
_NARROW = f"{{model_type: bert, hidden_size: 8, {_SIZES}, max_position_embeddings: 16}}"
_SETTINGS = (
    f"student.model={{family: transformers, config: {_NARROW}}}",
    "student.init={from: bert, embeddings: channels, layers: last}",
    "distill.features=[]",
    "train.epochs=1",
    # What is frozen stays what it started as: the run shows its start.
    "train.freeze=[embeddings, encoder]",
)


def test_a_narrower_student_starts_from_channels_of_the_trained_teacher(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    settings = [part for one in _SETTINGS for part in ("--set", one)]
    checked = succeed("check", recipe, *settings).out
    said = "layer 1 and 8 of 16 channels and 12 of 24 hidden units of bert (hidden_channels, how"
    assert said in checked
    run = tmp_path / "run"
    result = kd2edge("distill", recipe, "--run-dir", run, *settings)
    assert result.code == 0, result.err
    start = json.loads((run / "report.json").read_text("utf-8"))["models"]["student"]["start"]
    (part,) = start["parts"]
    assert 0.4 < part["explained"] < 1
    teacher, student = load_net(run / "teachers" / "bert"), load_net(run / "student")
    wide = teacher.embeddings()["position"].weight
    ours = student.embeddings()["position"].weight
    kept = [int((wide[0] - value).abs().argmin()) for value in ours[0]]
    assert kept == sorted(set(kept))
    assert torch.equal(ours, wide[:, kept])
    before = (run / "student.safetensors").read_bytes()
    assert kd2edge("distill", recipe, "--run-dir", run, *settings).code == 0
    assert (run / "student.safetensors").read_bytes() == before


def test_a_smaller_cnn_starts_from_the_largest_filters_of_the_trained_teacher(
    tmp_path: Path,
) -> None:
    config = "{channels: [6, 12], pool: [1, 2], hidden: 8}"
    settings = [
        part
        for one in (
            *QUICKSTART,
            f"teachers.0.model={{family: cnn, config: {config}}}",
            "student.init={from: resnet, embeddings: none, convolutions: l1_norm}",
            "train.epochs=1",
            "train.freeze=[backbone]",
        )
        for part in ("--set", one)
    ]
    recipe = ROOT / "recipes" / "quickstart.yaml"
    run = tmp_path / "run"
    result = kd2edge("distill", recipe, "--run-dir", run, *settings)
    assert result.code == 0, result.err
    start = json.loads((run / "report.json").read_text("utf-8"))["models"]["student"]["start"]
    (part,) = start["parts"]
    assert (part["how"], part["origin"]) == ("conv_channels", "12 of 18 channels of resnet")
    assert part["what"] == "stages 0-1, adapter.hidden"
    assert 0.4 < part["explained"] < 1
    ours, theirs = (
        load_net(run / stem).backbone.get_submodule("stages.0.0").get_parameter("weight")
        for stem in ("student", "teachers/resnet")
    )
    kept = theirs.abs().sum((1, 2, 3)).argsort(descending=True)[:4].sort().values
    assert torch.equal(ours, theirs[kept])
