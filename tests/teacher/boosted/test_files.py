"""Trees come back as they were written, and what was changed since does not come back at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kd2edge.errors import DataError, IntegrityError, SchemaTooNewError, StorageError, UsageError
from kd2edge.files.fingerprint import fingerprint_bytes
from kd2edge.files.npz import npz_arrays, npz_bytes
from kd2edge.tasks.spec import TaskName, Truth
from kd2edge.teacher.boosted import (
    Boosted,
    BoostedTeacher,
    boosted_files,
    describe_boosted,
    load_boosted,
    save_boosted,
)
from teacher.boosted.tables import SPEC, arrays_of, forest, said_of, spec_of


@pytest.fixture(scope="module")
def boosted() -> Boosted:
    yes = Truth((said_of(arrays_of(600)) > 0).astype(np.int64))
    both = (spec_of("binary", 2), replace(spec_of("classification", 3), name=TaskName("more")))
    return Boosted(SPEC, both, tuple(forest(task, yes) for task in both))


@pytest.fixture
def stem(boosted: Boosted, tmp_path: Path) -> Path:
    save_boosted(boosted, tmp_path / "trees.v2", "f" * 64)
    return tmp_path / "trees.v2"


def test_what_was_written_says_the_same(boosted: Boosted, stem: Path) -> None:
    rows = arrays_of(50, seed=3)
    found = load_boosted(stem)
    assert (found.input, found.tasks) == (boosted.input, boosted.tasks)
    for one, other in zip(boosted.forests, found.forests, strict=True):
        assert np.array_equal(one.logits(rows), other.logits(rows))
    described = describe_boosted(stem)
    assert described.table == "f" * 64
    assert described.tasks == boosted.tasks


def test_more_than_is_read_back_is_not_written(
    boosted: Boosted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kd2edge.teacher.boosted.files.LIMIT", 5000)
    with pytest.raises(DataError, match="at most 5,000 are kept: lower max_leaf_nodes"):
        save_boosted(boosted, tmp_path / "large", "f" * 64)
    assert not list(tmp_path.iterdir())


def test_the_same_trees_give_the_same_bytes(boosted: Boosted, stem: Path, tmp_path: Path) -> None:
    save_boosted(boosted, tmp_path / "again", "f" * 64)
    for one, other in zip(boosted_files(stem), boosted_files(tmp_path / "again"), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_teacher_answers_batches_and_has_no_features(boosted: Boosted, stem: Path) -> None:
    rows = arrays_of(5)

    class Batch:
        inputs = {name: torch.from_numpy(one) for name, one in rows.items()}  # noqa: RUF012

    teacher = BoostedTeacher(lambda: load_boosted(stem), boosted.tasks, "name")
    with teacher.open((), torch.device("cpu")) as answer:
        said: Any = answer(Batch())  # type: ignore[arg-type]
    assert np.array_equal(said.logits["task"].numpy(), boosted.logits(rows)["task"])
    with pytest.raises(UsageError, match="no features"), teacher.open(["a"], torch.device("cpu")):
        pass


def test_changed_bytes_are_refused(stem: Path) -> None:
    trees, described = boosted_files(stem)
    whole = trees.read_bytes()
    trees.write_bytes(whole[:-9])
    with pytest.raises(IntegrityError, match="changed or cut off"):
        load_boosted(stem)
    trees.unlink()
    with pytest.raises(StorageError):
        load_boosted(stem)
    described.write_text("{}")
    with pytest.raises(IntegrityError, match="does not describe boosted trees"):
        describe_boosted(stem)


def test_a_newer_form_is_told(stem: Path) -> None:
    _rewritten(stem, schema=99)
    with pytest.raises(SchemaTooNewError, match="update kd2edge"):
        load_boosted(stem)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("0/form", np.array(7)),
        ("0/form", np.array(0.5)),
        ("0/rows", np.array(0)),
        ("0/channels", np.array([1])),
        ("1/classes", np.array([1, 0])),
        ("1/classes", np.array([0, 3])),
        ("1/classes", np.array([0])),
        ("0/codes", np.array([300], np.int16)),
        ("0/codes", np.array([0.5])),
        ("0/codes", np.array([-2], np.int16)),
        ("0/codes", np.zeros(0, np.int16)),
        ("0/codes", np.zeros((2, 2), np.int16)),
        ("0/form", np.array(2)),
        ("1/classes", np.array([[0], [1]])),
        ("1/channels", np.array(50)),
        ("1/channels", np.array(2**62)),
        ("0/baseline", np.array([0.0, 0.0])),
    ],
)
def test_arrays_that_do_not_go_together_are_refused(stem: Path, name: str, value: Any) -> None:
    trees = boosted_files(stem)[0]
    arrays = npz_arrays(trees.read_bytes()) | {name: value}
    if name == "1/classes" and len(value) == 1:
        arrays["1/baseline"] = np.zeros(2)
    trees.write_bytes(npz_bytes(arrays))
    _rewritten(stem)
    with pytest.raises(IntegrityError):
        load_boosted(stem)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("input", {"options": None}),
        ("input", {"options": {}}),
        ("input", {"kind": "text"}),
        ("tasks", {"kind": "token_classification"}),
        ("tasks", {"kind": "zzz"}),
        ("tasks", {"labels": [1, 2]}),
        ("tasks", {"labels": ["a", "b", "c"], "kind": "multi_label"}),
        ("tasks", {"name": 5}),
        ("tasks", {"name": "more"}),
        ("tasks", {"decode": None}),
    ],
)
def test_a_description_of_other_trees_is_refused(stem: Path, name: str, change: Any) -> None:
    content = json.loads(boosted_files(stem)[1].read_bytes())
    if name == "tasks":
        content["tasks"][0] |= change
    else:
        content["input"] |= change
    _rewritten(stem, **{name: content[name]})
    with pytest.raises(IntegrityError):
        load_boosted(stem)


def _rewritten(stem: Path, **changes: Any) -> None:
    """Let the description name the trees that are there now."""
    trees, described = boosted_files(stem)
    content = json.loads(described.read_bytes()) | changes
    content["trees"]["sha256"] = fingerprint_bytes(trees.read_bytes())
    described.write_text(json.dumps(content))
