"""One student starts many recipes: what it is, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from commands import kd2edge, succeed
from kd2edge.distill import TrainingJob
from kd2edge.nets import describe_net, load_net
from kd2edge.pipeline.reading.model_inputs import student_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.steps.folders import RunFolder
from kd2edge.pipeline.steps.learning import students_of
from kd2edge.pipeline.steps.work import Learner, Work
from kd2edge.recipe import load_recipe
from products import swap_pieces, write_text_project

#: On labels alone, quickly.
ALONE = (
    "teachers=[]",
    "data.unlabelled=[]",
    "distill={alpha: 0}",
    "student.init=null",
    "train.epochs=1",
)
State = dict[str, Tensor]
Start = Callable[..., TrainingJob]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_project(tmp_path_factory.mktemp("init"))


@pytest.fixture(scope="module")
def general(recipe: Path) -> Path:
    """A finished run.  Do not change it."""
    run = recipe.parent / "general"
    succeed("distill", recipe, "--run-dir", run, *_set(*ALONE))
    return run


@pytest.fixture
def start(recipe: Path, tmp_path: Path) -> Start:
    """The student's training in a run of the recipe that starts as a run's student was."""

    def started(run: Path, *overrides: str, heads: bool = True) -> TrainingJob:
        init = f"student.init={{run: {run}, heads: {str(heads).lower()}}}"
        loaded = load_recipe(recipe, overrides=[*ALONE, init, *overrides], check_files=True)
        data = prepare_data(loaded)
        inputs = student_inputs(loaded.recipe, data.rows["train"], data.learned)
        work = Work(loaded, RunFolder(tmp_path), data, tmp_path, False, lambda event: None)
        learner = Learner(inputs, work.encode(inputs, 0))
        return next(students_of(work, learner, []).jobs())

    return started


def _set(*overrides: str) -> list[str]:
    return [part for one in overrides for part in ("--set", one)]


def _state(stem: Path) -> State:
    return load_net(stem).state_dict()


def test_a_student_starts_as_the_other_ended(general: Path, start: Start) -> None:
    wanted = _state(general / "student")
    for named in (general, general / "student.safetensors"):
        found = start(named).build().state_dict()
        assert all(torch.equal(one, wanted[name]) for name, one in found.items())


def test_without_heads_these_are_fresh(general: Path, start: Start) -> None:
    wanted, found = _state(general / "student"), start(general, heads=False).build().state_dict()
    same = {name for name, one in found.items() if torch.equal(one, wanted[name])}
    assert {name for name in found if not name.startswith("heads.")} <= same
    assert not {name for name in found if name.startswith("heads.") and "weight" in name} & same


def test_the_key_follows_the_weights_and_not_the_place(
    recipe: Path, general: Path, start: Start, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    succeed("distill", recipe, "--run-dir", other, *_set(*ALONE, "train.lr=1e-3"))
    moved = Path(shutil.copytree(general, tmp_path / "moved"))
    job = start(general)
    assert start(moved).key == job.key
    assert start(other).key != job.key
    assert start(general, heads=False).key != job.key
    assert start(general, "train.epochs=2").key != job.key


def test_it_is_trained_on_and_the_report_names_the_start(
    recipe: Path, general: Path, tmp_path: Path
) -> None:
    run, init = tmp_path / "run", f"student.init={{run: {general}}}"
    succeed("distill", recipe, "--run-dir", run, *_set(*ALONE, init))
    before, after = _state(general / "student"), _state(run / "student")
    assert any(not torch.equal(one, after[name]) for name, one in before.items())
    prints = json.loads((run / "report.json").read_text())["fingerprints"]
    assert prints["start"] == describe_net(general / "student").weights
    assert "start" not in json.loads((general / "report.json").read_text())["fingerprints"]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("student.model.config.hidden_size=32",
         "[16, 8] in the student of that run and [32, 8] in this one"),
        ("inputs.text.max_length=10", "text.max_length 12 (recipe: 10)"),
        ("inputs.text.tokenizer.vocab=keep", "text.tokenizer '"),
        ("student.init.run=gone", "student.init.run: no run or net "),
        ("student.init.run=.", "expected student.safetensors with student.json beside it"),
        ("student.init.from=bert", "student.init.run: unknown key"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    recipe: Path, general: Path, override: str, says: str
) -> None:
    init = f"student.init={{run: {general}}}"
    found = kd2edge("check", recipe, *_set(*ALONE, init, override))
    assert found.code == 2
    assert says in found.err


def test_the_run_that_a_student_starts_as_is_not_written_over(recipe: Path, general: Path) -> None:
    before = {path.name: path.read_bytes() for path in general.glob("*.*") if path.is_file()}
    init = f"student.init={{run: {general}}}"
    found = kd2edge("distill", recipe, "--run-dir", general, *_set(*ALONE, init))
    assert found.code == 2
    assert "is the run whose student this one starts as" in found.err
    after = {path.name: path.read_bytes() for path in general.glob("*.*") if path.is_file()}
    assert after == before


def test_pieces_that_changed_their_ids_are_refused(
    recipe: Path, general: Path, tmp_path: Path
) -> None:
    other = tmp_path / "tokenizer.json"
    shutil.copy(general / "tokenizer" / "text.json", other)
    own = f"inputs.text.tokenizer={{path: {other}}}"
    arguments = ("check", recipe, *_set(*ALONE, f"student.init={{run: {general}}}", own))
    succeed(*arguments)
    swap_pieces(other, "a", "b")
    found = kd2edge(*arguments)
    assert found.code == 2
    assert "it was trained on other inputs: text.tokenizer '" in found.err
    assert "let the recipe's `inputs` be those of that run" in found.err


def test_weights_that_were_changed_are_refused(recipe: Path, general: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(general, tmp_path / "run"))
    weights = run / "student.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    found = kd2edge("check", recipe, *_set(*ALONE, f"student.init={{run: {run}}}"))
    assert found.code == 5
    assert "its SHA-256 is not the" in found.err
