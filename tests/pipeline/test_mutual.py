"""A run whose student learns beside other nets, with teachers and without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commands import Interrupt, kd2edge, succeed
from kd2edge.errors import Interrupted
from kd2edge.pipeline.verbs.distilling import RunOptions, distill_recipe
from kd2edge.recipe import load_recipe
from products import write_text_project

_PEERS = (
    "{peers: [{name: narrow, model: {family: static, config: {embedding: 8}}}, {name: wide,"
    " model: {family: conv, config: {embedding: 8, width: 12, layers: 1}}, lr: 2.0e-3}]}"
)
_TAUGHT = (f"distill.mutual={_PEERS}",)
#: Heads of attention that do not share the width out evenly.
_UNEVEN = (
    "{family: transformers, config: {model_type: bert, hidden_size: 15, num_attention_heads: 2,"
    " num_hidden_layers: 1}}"
)
#: Peers in the place of the teacher.
_ALONE = (
    "teachers=[]",
    "student.init=null",
    f"distill={{alpha: 0, temperature: 1, mutual: {_PEERS}}}",
)


def _settings(overrides: tuple[str, ...]) -> list[str]:
    return [part for one in overrides for part in ("--set", one)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutual")
    recipe = write_text_project(folder)
    succeed("distill", recipe, "--run-dir", folder / "taught", *_settings(_TAUGHT))
    succeed("distill", recipe, "--run-dir", folder / "alone", *_settings(_ALONE))
    return folder


def _events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", ["taught", "alone"])
def test_the_report_says_who_learned_beside_the_student(folder: Path, name: str) -> None:
    run = folder / name
    report = json.loads((run / "report.json").read_bytes())
    assert report["mutual"] == {"peers": ["narrow", "wide"], "weight": 1.0}
    assert ("teacher" in report["models"]) is (name == "taught")
    assert report["splits"]["test"]["gain"].keys() == {"intent", "urgent"}  # over a baseline
    *_, last = report["curves"]["student"]
    assert last["train"]["intent"].keys() >= {"task", "mutual"}
    assert last["peers"].keys() == {"narrow", "wide"}
    assert all(one.keys() == {"intent", "urgent"} for one in last["peers"].values())
    assert "mutual" not in report["curves"]["baseline"][-1]["train"]["intent"]
    assert report["curves"]["baseline"][-1]["peers"] == {}
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Beside the student learned, each from all others with weight 1: narrow (intent" in page
    assert "student, its peers" in page


@pytest.mark.parametrize("name", ["taught", "alone"])
def test_the_log_has_each_validation_of_the_peers_and_no_peer_is_kept(
    folder: Path, name: str
) -> None:
    events = _events(folder / name)
    (student,) = (one for one in events if one.get("stage") == "student")
    assert student["detail"].endswith("; beside narrow, wide")
    after = events[events.index(student) :]
    epochs = [one for one in after if one["event"] == "EpochEvent"][:3]
    assert all(one["peers"].keys() == {"narrow", "wide"} for one in epochs)
    found = {path.name for path in (folder / name).rglob("*") if path.is_file()}
    assert not any("narrow" in one or "wide" in one for one in found)


def test_peers_teach_rows_without_a_label(folder: Path) -> None:
    stages = {one["stage"]: one["detail"] for one in _events(folder / "alone") if "stage" in one}
    used = {name: stages[name].partition(" rows")[0] for name in ("student", "baseline")}
    assert int(used["student"]) == int(used["baseline"]) + 12


def test_the_plan_and_the_recipe_show_the_peers(folder: Path) -> None:
    recipe = folder / "recipe.yaml"
    shown = succeed("check", recipe, *_settings(_TAUGHT)).out
    assert ", beside narrow, wide" in shown
    assert ", beside student, narrow" in shown
    plan = succeed("check", recipe, "--json", *_settings(_TAUGHT)).json["models"]
    assert list(plan) == ["bert", "student", "baseline", "narrow", "wide"]
    for name in ("narrow", "wide"):
        assert plan[name]["steps"] == plan["student"]["steps"]
        assert plan[name]["parameters"] > plan[name]["embedding_parameters"] > 0
    alone = succeed("check", recipe, "--json", *_settings(_ALONE)).json["models"]
    assert list(alone) == ["student", "baseline", "narrow", "wide"]
    resolved = succeed("show", recipe, "--json", *_settings(_TAUGHT)).json["recipe"]
    assert [one["seed"] for one in resolved["distill"]["mutual"]["peers"]] == [None, None]


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(folder: Path, tmp_path: Path) -> None:
    recipe, run = write_text_project(tmp_path), tmp_path / "run"
    loaded = load_recipe(recipe, overrides=_ALONE)
    with pytest.raises(Interrupted):
        distill_recipe(loaded, RunOptions(run), on_event=Interrupt("student"))
    resume = ("distill", recipe, "--run-dir", run, "--resume")
    refused = kd2edge(*resume, *_settings(_ALONE), "--set", "distill.mutual.peers.wide.seed=9")
    assert refused.code == 2
    assert "the checkpoint belongs to another net" in refused.err
    assert "resumed at step" in succeed(*resume, *_settings(_ALONE)).err
    expected = (folder / "alone" / "student.safetensors").read_bytes()
    assert (run / "student.safetensors").read_bytes() == expected


def test_a_peer_that_breaks_stops_the_run_and_is_replayed(folder: Path, tmp_path: Path) -> None:
    """Its second update goes beyond float32."""
    broken = _settings((*_ALONE, "distill.mutual.peers.wide.lr=1e30"))
    ended = kd2edge("distill", folder / "recipe.yaml", "--run-dir", tmp_path / "run", *broken)
    assert ended.code == 1
    assert "wide" in ended.err.partition("error: student, step")[2].partition(";")[0]
    replayed = kd2edge("replay", tmp_path / "run")
    assert replayed.code == 1, replayed.err
    assert "peer wide: loss task of intent: " in replayed.out
    assert "the first output that is not finite is that of peers/wide/" in replayed.out
    found = kd2edge("replay", tmp_path / "run", "--json").json
    assert {one.get("peer", "") for one in found["losses"]} == {"", "narrow", "wide"}


@pytest.mark.parametrize(
    ("overrides", "place", "says"),
    [
        (
            (*_ALONE, "distill.mutual.peers.wide.model.config.kernel=2"),
            "distill.mutual.peers.1.model.config.kernel",
            "odd",
        ),
        ((*_ALONE, "train.mixup={alpha: 0.2}"), "train.mixup", "write at: features"),
        (
            (*_ALONE, "distill.temperature={kind: curriculum, from: 4}"),
            "distill.temperature",
            "curriculum learns from what teachers say",
        ),
        (
            (*_ALONE, "distill.logits={kind: dkd}"),
            "distill.logits",
            "choose one of",
        ),
        (
            (
                *_TAUGHT,
                f"distill.mutual.peers.wide.model={_UNEVEN}",
            ),
            "distill.mutual.peers.1.model",
            "heads",
        ),
    ],
)
def test_what_does_not_fit_is_refused_when_checked(
    folder: Path, overrides: tuple[str, ...], place: str, says: str
) -> None:
    result = kd2edge("check", folder / "recipe.yaml", *_settings(overrides), "--json")
    assert result.code == 2
    told = [one for one in result.json["error"]["problems"] if one["field"].startswith(place)]
    assert told
    assert says in told[0]["message"]


def test_phases_have_peers_in_one_of_them(folder: Path) -> None:
    phases = (
        "phases=[{name: first, distill: {mutual: {peers: [{name: narrow, model: static}]}},"
        " train: {epochs: 1}}, {name: last}]"
    )
    plan = succeed("check", folder / "recipe.yaml", "--json", "--set", phases).json
    assert plan["models"]["narrow"]["steps"] == plan["phases"]["first"]["steps"]
    result = succeed(
        "distill", folder / "recipe.yaml", "--run-dir", folder / "phases", "--set", phases,
        "--set", "baseline=false",
    )  # fmt: skip
    assert "beside narrow" in result.err
    report = json.loads((folder / "phases" / "report.json").read_bytes())
    assert report["mutual"] == {"peers": ["narrow"], "weight": 1.0, "phase": "first"}
    assert [set(one["peers"]) for one in report["curves"]["student"]][:2] == [{"narrow"}, set()]
