"""Teachers that other teachers teach: each is trained as the student would be in its place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from commands import Interrupt, Result, kd2edge, succeed
from kd2edge.errors import Interrupted
from kd2edge.pipeline.verbs.distilling import RunOptions, distill_recipe
from kd2edge.recipe import load_recipe
from products import write_jsonl

_HEAD = """\
version: 1
name: chain
seed: 3
data:
  sources:
    - {name: rows, kind: jsonl, train: train.jsonl, validation: other.jsonl, test: test.jsonl}
  unlabelled:
    - {name: more, kind: jsonl, train: more.jsonl}
inputs:
  person: {kind: tabular, numeric: [age], categorical: [town]}
tasks:
  happy: {kind: binary, positive: "yes", metric: accuracy}
  level: {kind: classification, metric: accuracy}
teachers:
  - name: trees
    model: {family: boosting, max_iter: 6, learning_rate: 0.3, max_leaf_nodes: 5}
"""
_CHAIN = """\
  - name: large
    model: {family: mlp, config: {hidden: [16], embedding: 2}}
    taught_by: trees
    train: {epochs: 3, lr: 1.0e-2, batch_size: 32}
  - name: assistant
    model: {family: mlp, config: {hidden: [8], embedding: 2}}
    taught_by: large
    distill: {alpha: 0.8}
    train: {epochs: 3, lr: 1.0e-2, batch_size: 32}
"""
_TAIL = """\
distill: {alpha: {happy: 0.4, level: 0.6}, temperature: 3.0}
train: {epochs: 3, lr: 1.0e-2, batch_size: 32, threads: 1, device: cpu, precision: fp32}
export: {targets: [onnx], precisions: [fp32], calibration: {rows: 16}}
validate: {max_drop: 0.5}
"""


def _student(hidden: int) -> str:
    model = f"{{family: mlp, config: {{hidden: [{hidden}], embedding: 2}}}}"
    return f"student:\n  model: {model}\n"


#: From trees over a large net and an assistant to the student.
_RECIPE = f"{_HEAD}{_CHAIN}{_student(4)}{_TAIL}"
#: What the large net of that recipe is, as a student.
_LARGE_AS_STUDENT = f"{_HEAD}{_student(16)}{_TAIL}"


def _rows(count: int, seed: int) -> list[dict[str, Any]]:
    draw = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for at in range(count):
        age, town = (
            round(float(draw.uniform(20, 70)), 3),
            str(draw.choice(["Rome", "Oslo", "Bern"])),
        )
        points = age + 20 * (town == "Rome") + draw.normal() * 8
        row = {"age": age, "town": town, "level": "abc"[min(int(points // 30), 2)]}
        rows.append(row | {"happy": None if at % 5 == 0 else "yes" if points > 50 else "no"})
    return rows


def _project(folder: Path, recipe: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(("train", "other", "test")):
        write_jsonl(folder / f"{name}.jsonl", _rows(120, seed))
    bare = [{key: row[key] for key in ("age", "town")} for row in _rows(40, 4)]
    write_jsonl(folder / "more.jsonl", bare)
    (folder / "recipe.yaml").write_text(recipe)
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _project(tmp_path_factory.mktemp("chain"), _RECIPE)


@pytest.fixture(scope="module")
def chain(recipe: Path) -> Path:
    """A finished run.  Do not change it."""
    run = recipe.parent / "run"
    succeed("distill", recipe, "--run-dir", run)
    return run


@pytest.fixture
def copied(chain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(chain, tmp_path / "run"))


def _again(recipe: Path, run: Path, *options: str) -> Result:
    return kd2edge("distill", recipe, "--run-dir", run, *options)


def _set(*values: str) -> list[str]:
    return [word for value in values for word in ("--set", value)]


def _report(run: Path) -> dict[str, Any]:
    return json.loads((run / "report.json").read_bytes())


def _stages(run: Path) -> dict[str, dict[str, Any]]:
    """Stage -> its last beginning in the log."""
    lines = map(json.loads, (run / "log.jsonl").read_text(encoding="utf-8").splitlines())
    return {one["stage"]: one for one in lines if one["event"] == "StageEvent"}


def _skipped(run: Path) -> set[str]:
    nets = ("trees", "large", "assistant")
    stages = _stages(run)
    return {name for name in nets if stages[f"teacher {name}"]["skipped"]} | {
        name for name in ("student", "baseline") if stages[name]["skipped"]
    }


def _same(one: Path, other: Path) -> bool:
    ours, theirs = load_file(one), load_file(other)
    same = all(np.array_equal(array, theirs[name]) for name, array in ours.items())
    return ours.keys() == theirs.keys() and same


NETS = ("teachers/large", "teachers/assistant", "student", "baseline")


def test_a_taught_teacher_is_the_student_that_the_same_recipe_would_train(
    chain: Path, tmp_path: Path
) -> None:
    alone = _project(tmp_path, _LARGE_AS_STUDENT)
    succeed("distill", alone, "--run-dir", tmp_path / "run", "--set", "baseline=false")
    student = tmp_path / "run" / "student.safetensors"
    assert _same(chain / "teachers" / "large.safetensors", student)


def test_at_alpha_0_it_is_the_teacher_that_nobody_teaches(chain: Path, tmp_path: Path) -> None:
    runs: list[Path] = []
    for how in ("teachers.assistant.taught_by=large", "teachers.assistant.taught_by=[]"):
        run = Path(shutil.copytree(chain, tmp_path / f"run{len(runs)}"))
        distill = "null" if how.endswith("[]") else "{alpha: 0}"
        settings = _set(how, f"teachers.assistant.distill={distill}", "student.taught_by=assistant")
        loaded = load_recipe(chain.parent / "recipe.yaml", overrides=settings[1::2])
        with pytest.raises(Interrupted):
            distill_recipe(loaded, RunOptions(run), on_event=Interrupt("student"))
        runs.append(run / "teachers" / "assistant.safetensors")
    assert _same(*runs)
    assert not _same(runs[0], chain / "teachers" / "assistant.safetensors")


def test_it_learns_from_rows_without_a_label_too(chain: Path) -> None:
    stages = _stages(chain)
    for name in ("teacher large", "teacher assistant", "student"):
        assert stages[name]["detail"].startswith("160 rows;")
    curve = _report(chain)["curves"]["assistant"][-1]["train"]
    assert curve["happy"].keys() == curve["level"].keys() == {"task", "kd"}


def test_the_report_has_every_teacher_and_who_taught_whom(chain: Path) -> None:
    report = _report(chain)
    told = {"large": ["trees"], "assistant": ["large"], "student": ["assistant"]}
    assert report["taught_by"] == {"happy": told, "level": told}
    for part in report["splits"].values():
        for task, several in part["teachers"].items():
            assert list(several) == ["trees", "large", "assistant"]
            # What the student is compared with is what it learned from.
            assert part["tasks"][task]["teacher"]["metrics"] == several["assistant"]["metrics"]
    teacher = report["models"]["teacher"]
    record = json.loads((chain / "teachers" / "assistant.record.json").read_bytes())
    assert teacher["names"] == ["assistant"]
    assert teacher["parameters"] == record["parameters"]
    steps = [
        json.loads((chain / "teachers" / f"{name}.record.json").read_bytes())["steps"]
        for name in ("trees", "large", "assistant")
    ]
    assert teacher["steps"] == sum(steps)


def test_people_are_shown_who_taught_whom(chain: Path, copied: Path, recipe: Path) -> None:
    shown = succeed("distill", recipe, "--run-dir", copied, "--resume").out
    assert "assistant (taught by large, teaches the student)" in shown
    assert "together" not in shown
    page = (chain / "report.html").read_text(encoding="utf-8")
    assert "taught by large, teaches the student" in page
    assert "joined by" not in page


def test_the_plan_says_who_teaches_whom_and_counts_all_rows(chain: Path, recipe: Path) -> None:
    said = succeed("check", recipe)
    assert "           taught by assistant\n" in said.out
    plan = succeed("check", recipe, "--json").json
    assert plan["models"]["assistant"]["taught_by"] == ["large"]
    assert plan["tasks"]["happy"]["teachers"] == ["assistant"]
    models = _report(chain)["curves"]
    for name in ("large", "assistant", "student"):
        assert plan["models"][name]["steps"] == models[name][-1]["step"] == 3 * 5


@pytest.mark.parametrize("stage", ["teacher large", "teacher assistant", "student"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(
    chain: Path, recipe: Path, tmp_path: Path, stage: str
) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        distill_recipe(load_recipe(recipe), RunOptions(run), on_event=Interrupt(stage))
    told = succeed("distill", recipe, "--run-dir", run, "--resume").err
    assert "resumed at step" in told
    for net in NETS:
        assert _same(run / f"{net}.safetensors", chain / f"{net}.safetensors")


def test_what_is_finished_is_taken_over(recipe: Path, copied: Path) -> None:
    assert _again(recipe, copied, "--resume", "--recache").code == 0
    assert _skipped(copied) == {"trees", "large", "assistant", "student", "baseline"}
    assert _again(recipe, copied).code == 0
    assert _skipped(copied) == {"trees", "large", "assistant"}


@pytest.mark.parametrize(
    ("setting", "kept"),
    [
        ("teachers.assistant.distill.alpha=0.3", {"trees", "large"}),
        ("distill.temperature=2", {"trees"}),
        ("teachers.large.train.lr=2e-2", {"trees"}),
        ("teachers.trees.model.max_iter=5", set[str]()),
        ("student.model.config.hidden=[5]", {"trees", "large", "assistant"}),
    ],
)
def test_what_depends_on_a_change_is_trained_anew(
    recipe: Path, copied: Path, setting: str, kept: set[str]
) -> None:
    before = {net: (copied / f"{net}.safetensors").read_bytes() for net in NETS}
    refused = _again(recipe, copied, "--resume", *_set(setting))
    assert refused.code == 2
    assert "the checkpoint belongs to another net" in refused.err
    assert before == {net: (copied / f"{net}.safetensors").read_bytes() for net in NETS}
    assert _again(recipe, copied, *_set(setting)).code == 0
    assert _skipped(copied) == kept


def test_all_may_teach_the_student_together(recipe: Path, copied: Path) -> None:
    named = _set("student.taught_by=[trees, large, assistant]")
    refused = kd2edge("check", recipe, *named)
    assert refused.code == 2
    assert "has several teachers: trees, large, assistant; name one of them, or say" in refused.err
    joined = [*named, *_set("distill.join=mean")]
    assert "taught by trees, large, assistant together" in succeed("check", recipe, *joined).out
    assert _again(recipe, copied, *joined).code == 0
    assert _skipped(copied) == {"trees", "large", "assistant"}
    report = _report(copied)
    assert report["models"]["teacher"]["names"] == ["trees", "large", "assistant"]
    assert report["joins"]["happy"] == {"kind": "mean"}
    assert "together (mean)" in _again(recipe, copied, "--resume", *joined).out


def test_several_may_teach_a_teacher(recipe: Path, copied: Path) -> None:
    both = _set("teachers.assistant.taught_by=[trees, large]")
    refused = kd2edge("check", recipe, *both)
    assert refused.code == 2
    assert "'happy' has several teachers: trees, large; name one of them" in refused.err
    joined = [*both, *_set("teachers.assistant.distill.join={kind: skill, power: 2}")]
    assert _again(recipe, copied, *joined).code == 0
    assert _skipped(copied) == {"trees", "large"}
    told = _stages(copied)["join level for assistant"]["detail"]
    assert told.startswith("skill: trees lacks")
    assert "joins" not in _report(copied)


def test_of_each_task_those_teach_the_student_who_pass_it_on_to_nobody(
    recipe: Path, tmp_path: Path
) -> None:
    one = _set("teachers.assistant.tasks=[happy]", "teachers.large.taught_by=[]")
    one += _set("teachers.trees.tasks=[level]", "teachers.large.tasks=[happy]")
    run = tmp_path / "run"
    succeed("distill", recipe, "--run-dir", run, *one, *_set("teachers.large.distill=null"))
    report = _report(run)
    assert report["models"]["teacher"]["names"] == ["trees", "assistant"]
    assert report["taught_by"] == {"happy": {"assistant": ["large"], "student": ["assistant"]}}
    assert report["splits"]["test"]["teachers"].keys() == {"happy"}
    assert "teacher" in report["splits"]["test"]["tasks"]["level"]


def test_folds_of_a_taught_teacher_hear_its_teachers_too(recipe: Path, copied: Path) -> None:
    assert _again(recipe, copied, *_set("teachers.assistant.folds=2")).code == 0
    assert _skipped(copied) == {"trees", "large", "assistant"}
    stages = _stages(copied)
    shown = [int(stages[f"teacher assistant {fold}/2"]["detail"].split()[0]) for fold in (1, 2)]
    assert sum(shown) == 120 + 2 * 40  # each labelled row by one of them, the others by both
    nets = [copied / "teachers" / "folds" / f"assistant-{fold}.safetensors" for fold in (1, 2)]
    assert not _same(*nets)


def test_another_generation_is_born_again_from_the_same_model(recipe: Path, copied: Path) -> None:
    """Furlanello et al. 2018: the same architecture as its teacher, from another start."""
    model = "{family: mlp, config: {hidden: [16], embedding: 2}}"
    again = _set(f"teachers.assistant.model={model}", "teachers.assistant.seed=4")
    assert _again(recipe, copied, *again).code == 0
    assert _skipped(copied) == {"trees", "large"}
    first, second = (
        load_file(copied / "teachers" / f"{name}.safetensors") for name in ("large", "assistant")
    )
    assert {name: one.shape for name, one in first.items()} == {
        name: one.shape for name, one in second.items()
    }


def test_a_step_of_it_that_went_wrong_is_replayed_with_what_it_was_taught(
    recipe: Path, copied: Path
) -> None:
    broken = _again(recipe, copied, *_set("teachers.assistant.train.lr=1e38"))
    assert broken.code == 1
    assert "teacher assistant" in broken.err
    again = kd2edge("replay", copied, "--json")
    assert again.code == 1
    assert again.json["replay"] == "teacher assistant"
    assert {one["loss"] for one in again.json["losses"]} == {"task", "kd"}


def test_a_run_of_another_seed_takes_over_taught_teachers_that_state_theirs(
    chain: Path, recipe: Path, tmp_path: Path
) -> None:
    """As the runs of a study do, which load what nobody taught."""
    run = tmp_path / "run"
    shutil.copytree(chain / "teachers", run / "teachers")
    settings = [f"teachers.trees.checkpoint={chain}/teachers/trees.npz", "seed=4"]
    settings += ["teachers.large.seed=3", "teachers.assistant.seed=3"]
    assert _again(recipe, run, "--resume", *_set(*settings)).code == 0
    assert _skipped(run) == {"trees", "large", "assistant"}
    assert not _same(run / "student.safetensors", chain / "student.safetensors")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["teachers.large.taught_by=assistant"], "'assistant' stands behind it: teachers stand in"),
        (["teachers.large.taught_by=large"], "no teacher teaches itself"),
        (["teachers.large.taught_by=lagre"], "no teacher 'lagre'; did you mean 'large'?"),
        (["teachers.large.taught_by=[trees, trees]"], "'trees' stands 2 times"),
        (["teachers.trees.taught_by=large"], "trees are grown on labels alone: drop taught_by"),
        (
            ["teachers.large.checkpoint=x.safetensors", "teachers.large.train=null"],
            "it is loaded, not trained here: drop taught_by",
        ),
        (["teachers.trees.distill={alpha: 0.5}"], "nobody teaches it: name teachers under"),
        (
            ["teachers.trees.tasks=happy", "teachers.large.tasks=level"],
            "'trees' teaches none of its tasks (level)",
        ),
        (
            ["teachers.trees.tasks=happy"],
            "trees cannot teach 'level': name one that does under taught_by, or set its alpha to 0",
        ),
        (["student.taught_by=tress"], "no teacher 'tress'; did you mean 'trees'?"),
        (["student.taught_by=[]"], "student.taught_by is empty, and nobody teaches 'happy'"),
        (["teachers.large.distill.features=[]"], "features"),
        (["teachers.assistant.distill.logits=dkd"], "logits of happy"),
        (
            ["teachers.assistant.distill={temperature: curriculum, logits: mse}"],
            "temperature of happy: curriculum learns from a loss that looks at",
        ),
        (["teachers.assistant.distill.alpha={happy: 0.5}"], "a map by task names every task"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_trained(
    recipe: Path, settings: list[str], said: str
) -> None:
    result = kd2edge("check", recipe, *_set(*settings))
    assert result.code == 2
    assert said in result.err
