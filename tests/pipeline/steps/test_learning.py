"""What the trainings of a student depend on."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from kd2edge.distill import Sampling
from kd2edge.nets import load_net
from kd2edge.pipeline.reading.model_inputs import student_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.steps.folders import RunFolder
from kd2edge.pipeline.steps.learning import Students, students_of
from kd2edge.pipeline.steps.training import train_net
from kd2edge.pipeline.steps.work import Learner, Work
from kd2edge.recipe import load_recipe
from products import write_text_project

#: From chance, quickly; the teacher is not asked, and teaches nobody.
_ALONE = ("student.taught_by=[]", "distill.alpha=0", "distill.features=[]")
QUICK = ("student.init=null", "train.epochs=1", *_ALONE)
TWO = "phases=[{name: first}, {name: second}]"
Make = Callable[..., Students]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    recipe = write_text_project(tmp_path)

    def made(*overrides: str) -> Students:
        loaded = load_recipe(recipe, overrides=[*QUICK, *overrides])
        data = prepare_data(loaded)
        inputs = student_inputs(loaded.recipe, data.rows["train"], data.learned)
        work = Work(loaded, RunFolder(tmp_path), data, tmp_path, False, lambda event: None)
        return students_of(work, Learner(inputs, work.encode(inputs, 0)), [])

    return made


def test_one_phase_that_states_nothing_is_the_training_without_phases(make: Make) -> None:
    (plain,), (only,) = make().jobs(), make("phases=[{name: only}]").jobs()
    assert only.key == plain.key
    assert (only.stem, only.checkpoints) == (plain.stem, plain.checkpoints)
    assert (plain.name, only.name) == ("student", "student only")


@pytest.mark.parametrize(
    ("rows", "shown"),
    [("all", 60), ("labelled", 48), ("unlabelled", 12), ("[bank]", 48), ("[more]", 12),
     ("[more, bank]", 60)],
)  # fmt: skip
def test_a_phase_is_shown_its_rows(make: Make, rows: str, shown: int) -> None:
    students = make(f"phases=[{{name: only, rows: {rows}}}]")
    (job,) = students.jobs()
    hidden = set() if job.hidden is None else set(job.hidden.tolist())
    assert len(job.train) - len(hidden) == shown
    sources = {source.name for source in students.work.data.rows["train"].sources}
    assert sources == {"bank", "more"}


def test_the_rows_of_one_source_are_one_to_draw_from(make: Make) -> None:
    (job,) = make("train.sampling={temperature: 2}").jobs()
    assert job.settings.sampling == Sampling(2.0, "sources")
    assert job.sources is not None
    assert np.bincount(job.sources).tolist() == [48, 12]
    split = "data.sources.0.train=[train.jsonl, validation.jsonl]"
    (several,) = make(split).jobs()
    assert several.sources is not None
    assert np.bincount(several.sources).tolist() == [72, 12]
    (phase,) = make(split, "phases=[{name: only, rows: [more]}]").jobs()
    assert phase.hidden is not None
    assert phase.hidden.tolist() == list(range(72))


def test_a_file_is_of_its_own_source_whatever_another_is_called(make: Make) -> None:
    """The files of ``bank`` are told as ``bank-0`` and ``bank-1``; the first is no other source."""
    files = "train: [train.jsonl, test.jsonl], validation: validation.jsonl"
    bank = f"{{name: bank, kind: jsonl, {files}}}"
    other = "{name: bank-0, kind: jsonl, test: validation.jsonl}"
    sources, phase = f"data.sources=[{bank}, {other}]", "phases=[{name: only, rows: [bank]}]"
    (job,) = make(sources, phase, "train.sampling={temperature: 2}", "data.leaks=keep").jobs()
    assert job.hidden is not None
    assert job.hidden.tolist() == list(range(72, 84))
    assert job.sources is not None
    assert len(np.unique(job.sources[:72])) == 1


def test_the_key_follows_the_rows(make: Make) -> None:
    keys = {
        next(make(f"phases=[{{name: only, rows: {rows}}}]").jobs()).key
        for rows in ("all", "labelled", "unlabelled")
    }
    assert len(keys) == 3


def test_a_phase_starts_from_the_weights_of_the_one_before_it_and_has_them_in_its_key(
    make: Make,
) -> None:
    students = make(TWO)
    assert [job.name for job in students.jobs()] == ["student first"]  # until it is finished
    keys: list[str] = []
    for lr in (1e-2, 1e-3):
        override = f"phases=[{{name: first, train: {{lr: {lr}}}}}, {{name: second}}]"
        jobs = make(override).jobs()
        first = next(jobs)
        told = students.told_start(first)
        made = train_net(first, resume=False, reuse=False, on_event=lambda event: None, start=told)
        assert made.start is not None
        assert made.start["fresh"]
        second = next(jobs)
        assert students.told_start(second) is None  # the phase before it is its start
        wanted, found = load_net(first.stem).state_dict(), second.build().state_dict()
        assert all(torch.equal(one, wanted[name]) for name, one in found.items())
        keys.append(second.key)
    assert all(one != other for one, other in pairwise(keys))
