"""Cross-fitted teachers: every labelled row is answered by one that never saw it."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from commands import Interrupt, kd2edge, succeed
from kd2edge.errors import DataError, Interrupted
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.steps.folds import fold_of_rows
from kd2edge.pipeline.verbs.distilling import RunOptions, distill_recipe
from kd2edge.recipe import load_recipe
from kd2edge.teacher.cross_fitted import FINAL
from products import Product

FOLDS = "teachers.0.folds=3"


@pytest.fixture(scope="module")
def crossed(text_product: Product, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of the text scenario with three folds."""
    run = tmp_path_factory.mktemp("folds") / "run"
    succeed("distill", text_product.recipe, "--run-dir", run, *_settings(text_product))
    return run


def _settings(product: Product) -> list[str]:
    return [*product.settings, "--set", FOLDS]


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_folds_share_rows_and_labels_and_part_no_repeats(text_product: Product, folds: int) -> None:
    data = prepare_data(load_recipe(text_product.recipe, overrides=text_product.overrides))
    rows = data.rows["train"]
    at = fold_of_rows(data, list(data.tasks.values()), folds, 3)
    labelled = len(rows.parts[0])
    assert (at[labelled:] == FINAL).all()
    assert 0 < labelled < len(rows) == len(at)
    sizes = np.bincount(at[:labelled], minlength=folds)
    assert sizes.max() <= 2 * sizes.min() + 2
    where: dict[str, set[int]] = {}
    labels: dict[str, Counter[int]] = {}
    for row, fold in zip(rows, at.tolist(), strict=True):
        if fold != FINAL:
            where.setdefault(row["text"].casefold(), set()).add(fold)
            labels.setdefault(row["intent"], Counter())[fold] += 1
    assert all(len(several) == 1 for several in where.values())
    assert all(len(counts) == folds for counts in labels.values())
    assert not np.array_equal(at, fold_of_rows(data, list(data.tasks.values()), folds, 4))


def test_each_fold_has_a_teacher_that_was_shown_the_other_rows(
    text_product: Product, crossed: Path
) -> None:
    log = (crossed / "log.jsonl").read_text(encoding="utf-8").splitlines()
    told = {one["stage"]: one["detail"] for one in map(json.loads, log) if "stage" in one}
    shown = [int(re.findall(r"[\d,]+", told[f"teacher bert {fold}/3"])[0]) for fold in (1, 2, 3)]
    every = int(re.findall(r"[\d,]+", told["teacher bert"])[0])
    assert sum(shown) == 2 * every
    nets = [crossed / "teachers" / "folds" / f"bert-{fold}.safetensors" for fold in (1, 2, 3)]
    assert len({net.read_bytes() for net in nets}) == 3
    # The final teacher is the one of a run without folds; the student follows others.
    for file, same in (("teachers/bert.safetensors", True), ("student.safetensors", False)):
        assert ((crossed / file).read_bytes() == (text_product.run / file).read_bytes()) is same


def test_what_the_test_rows_are_told_is_the_final_teachers(
    text_product: Product, crossed: Path
) -> None:
    one, other = (
        json.loads((run / "report.json").read_text())["splits"]["test"]["tasks"]["intent"]
        for run in (crossed, text_product.run)
    )
    assert one["teacher"] == other["teacher"]
    assert one["student"] != other["student"]


def test_finished_folds_are_taken_over(
    text_product: Product, crossed: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(crossed, tmp_path / "run"))
    again = ("distill", text_product.recipe, "--run-dir", run, "--resume")
    result = succeed(*again, *_settings(text_product))
    assert result.err.count("(done before)") == 7  # four teachers, their cache, student, baseline
    assert "epoch" not in result.err


def test_a_run_that_was_stopped_in_a_fold_goes_on_to_the_same_bits(
    text_product: Product, crossed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    loaded = load_recipe(text_product.recipe, overrides=[*text_product.overrides, FOLDS])
    with pytest.raises(Interrupted):
        distill_recipe(loaded, RunOptions(run), on_event=Interrupt("teacher"))
    assert not (run / "teachers" / "bert.safetensors").exists()
    again = ("distill", text_product.recipe, "--run-dir", run, "--resume")
    assert "resumed at step" in succeed(*again, *_settings(text_product)).err
    for file in ("teachers/folds/bert-1.safetensors", "student.safetensors"):
        assert (run / file).read_bytes() == (crossed / file).read_bytes()


def test_another_number_of_folds_trains_others(
    text_product: Product, crossed: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(crossed, tmp_path / "run"))
    first = run / "teachers" / "folds" / "bert-1.safetensors"
    before = first.read_bytes()
    more = (*text_product.settings, "--set", "teachers.0.folds=2")
    refused = kd2edge("distill", text_product.recipe, "--run-dir", run, "--resume", *more)
    assert refused.code == 2
    assert first.read_bytes() == before
    succeed("distill", text_product.recipe, "--run-dir", run, *more)
    assert first.read_bytes() != before


def test_folds_on_a_loaded_teacher_are_refused(text_product: Product) -> None:
    loaded = [
        "--set", f"teachers.0.checkpoint={text_product.run}/teachers/bert.safetensors",
        "--set", "teachers.0.train=null",
    ]  # fmt: skip
    result = kd2edge("check", text_product.recipe, *_settings(text_product), *loaded)
    assert result.code == 2
    assert "expected a teacher that is trained here, found a checkpoint: drop folds" in result.err


def test_more_folds_than_rows_are_refused(text_product: Product, tmp_path: Path) -> None:
    first = (text_product.folder / "train.jsonl").read_text().splitlines()[:6]
    few = tmp_path / "few.jsonl"
    few.write_text("\n".join(first))
    loaded = load_recipe(
        text_product.recipe,
        overrides=[*text_product.overrides, f"data.sources.bank.train={few}"],
    )
    data = prepare_data(loaded)
    with pytest.raises(DataError, match=r"folds: .* are too few"):
        fold_of_rows(data, list(data.tasks.values()), 20, 3)


def test_a_run_of_another_seed_takes_over_teachers_that_state_theirs(
    text_product: Product, crossed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(crossed / "teachers", run / "teachers")
    other = ("--resume", "--set", "seed=4", "--set", "teachers.0.seed=3")
    told = succeed(
        "distill", text_product.recipe, "--run-dir", run, *_settings(text_product), *other
    )
    assert told.err.count("steps  (done before)") == 4
    for fold in (1, 2, 3):
        net = f"teachers/folds/bert-{fold}.safetensors"
        assert (run / net).read_bytes() == (crossed / net).read_bytes()
    assert (run / "student.safetensors").read_bytes() != (
        crossed / "student.safetensors"
    ).read_bytes()
