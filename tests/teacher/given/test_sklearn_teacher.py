"""Estimators teach what they say, by their own labels; slips are told with their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from distill.tiny import MemoryRows
from kd2edge.data import Batch
from kd2edge.errors import DataError, UsageError
from kd2edge.inputs import InputSpec
from kd2edge.tasks.spec import TaskName, TaskSpec
from kd2edge.teacher.given import (
    Cells,
    Said,
    SklearnTeacher,
    estimator_files,
    question,
)
from teacher.given.estimators import people, saved

PERSON = InputSpec(
    "person",
    "tabular",
    ("age", "hours", "town"),
    {"numeric": ["age", "hours"], "categorical": ["town"]},
)
NUMBERS = InputSpec("person", "tabular", ("age", "hours"), {"numeric": ["age", "hours"]})
TEXT = InputSpec("text", "text", ("text",), {})
HAPPY = TaskSpec(TaskName("happy"), "binary", ("yes", "no"), "")
PLACE = TaskSpec(TaskName("place"), "classification", ("R", "B", "O"), "")
LIKES = TaskSpec(TaskName("likes"), "multi_label", ("tea", "rum"), "")
PAY = TaskSpec(TaskName("pay"), "regression", (), "")
ROWS = people()
AT = np.arange(7, dtype=np.int64)


class Rows(MemoryRows):
    """Rows of one source, as a split has them."""

    def root_of(self, position: int) -> str:
        return ""


def teacher(
    path: Path, spec: InputSpec, *tasks: TaskSpec, columns: tuple[str, ...] = (), **more: Any
) -> SklearnTeacher:
    inputs = {spec.name: spec}
    files = estimator_files({str(task.name): path for task in tasks}, ())
    questions = {
        str(task.name): question(
            files.estimators[str(task.name)], task, more.get("method"), more.get("output"), "file"
        )
        for task in tasks
    }
    said = {
        name: Said(one.gives(task), one.labels(task) or task.labels)
        for task, (name, one) in zip(tasks, questions.items(), strict=True)
    }
    cells = Cells(inputs, Rows(ROWS))
    return SklearnTeacher(files, inputs, cells, tasks, said, questions, columns, batch_size=8)


def asked(one: SklearnTeacher, at: np.ndarray = AT, view: int = 0) -> dict[str, np.ndarray]:
    with one.open((), torch.device("cpu")) as answer:
        found = answer(Batch(at, view, {}, {}, {}, {})).logits
    return {name: logits.numpy() for name, logits in found.items()}


def column(name: str) -> list[Any]:
    return [row[name] for row in ROWS]


def numbers() -> np.ndarray:
    return np.array([column("age"), column("hours")]).T


def test_a_pipeline_over_columns_says_its_probabilities_as_logits(tmp_path: Path) -> None:
    table = np.array([column("age"), column("hours"), column("town")], object).T
    ready = make_column_transformer((OneHotEncoder(), [2]), (StandardScaler(), [0, 1]))
    fitted = make_pipeline(ready, LogisticRegression()).fit(table, column("place"))
    one = teacher(saved(fitted, tmp_path / "place.skops"), PERSON, PLACE)
    assert one.tasks[0].labels == ("B", "O", "R")  # its own order, which the cache translates
    logits = asked(one)["place"]
    expected = fitted.predict_proba(table[:7])
    np.testing.assert_allclose(np.exp(logits), expected, rtol=1e-5)
    np.testing.assert_allclose(np.exp(logits).sum(1), 1, rtol=1e-5)


def test_a_pipeline_over_texts_and_two_sides(tmp_path: Path) -> None:
    fitted = make_pipeline(TfidfVectorizer(), LogisticRegression())
    fitted.fit(column("text"), column("happy"))
    path = saved(fitted, tmp_path / "happy.skops")
    one = teacher(path, TEXT, HAPPY)
    assert one.tasks[0].labels == ("no", "yes")
    chances = fitted.predict_proba(column("text")[:7])
    odds = np.log(chances[:, 1] / chances[:, 0])
    np.testing.assert_allclose(asked(one)["happy"][:, 0], odds, atol=1e-5)
    scored = teacher(path, TEXT, HAPPY, method="decision_function")
    np.testing.assert_allclose(asked(scored)["happy"][:, 0], odds, atol=1e-5)


def test_several_labels_and_values(tmp_path: Path) -> None:
    fitted = MultiOutputClassifier(LogisticRegression()).fit(numbers(), column("likes"))
    one = teacher(saved(fitted, tmp_path / "likes.skops"), NUMBERS, LIKES)
    yes = np.stack([found[:7, 1] for found in fitted.predict_proba(numbers())], 1)
    np.testing.assert_allclose(1 / (1 + np.exp(-asked(one)["likes"])), yes, rtol=1e-4)
    line = LinearRegression().fit(numbers(), column("pay"))
    one = teacher(saved(line, tmp_path / "pay.skops"), NUMBERS, PAY)
    np.testing.assert_allclose(asked(one)["pay"][:, 0], line.predict(numbers()[:7]), rtol=1e-6)


def test_it_is_asked_by_the_names_of_its_data_frame(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({name: column(name) for name in ("town", "hours", "age")})
    ready = make_column_transformer((OneHotEncoder(), ["town"]), (StandardScaler(), ["age"]))
    fitted = make_pipeline(ready, LogisticRegression()).fit(frame, column("place"))
    one = teacher(saved(fitted, tmp_path / "place.skops"), PERSON, PLACE)
    np.testing.assert_allclose(
        np.exp(asked(one)["place"]), fitted.predict_proba(frame[:7]), rtol=1e-5
    )


def test_the_cache_is_known_by_file_columns_and_question(tmp_path: Path) -> None:
    def fitted(**more: Any) -> LogisticRegression:
        return LogisticRegression(**more).fit(numbers(), column("happy"))

    path = saved(fitted(), tmp_path / "a.skops")
    base = teacher(path, NUMBERS, HAPPY).fingerprint
    turned = teacher(path, NUMBERS, HAPPY, columns=("hours", "age")).fingerprint
    scored = teacher(path, NUMBERS, HAPPY, method="decision_function").fingerprint
    assert teacher(path, NUMBERS, HAPPY).fingerprint == base
    moved = tmp_path / "moved.skops"
    moved.write_bytes(path.read_bytes())
    assert teacher(moved, NUMBERS, HAPPY).fingerprint == base
    saved(fitted(C=0.1), path)
    assert len({base, turned, scored, teacher(path, NUMBERS, HAPPY).fingerprint}) == 4


def test_what_it_cannot_be_asked_is_told_with_the_rows(tmp_path: Path) -> None:
    table = np.array([column("town")], object).T
    fitted = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(table, column("place"))
    fitted[0].categories_[0] = fitted[0].categories_[0][1:]  # a town that it never saw
    one = teacher(saved(fitted, tmp_path / "town.skops"), PERSON, PLACE, columns=("town",))
    failed = r"town\.skops, task place: failed on 7 rows, memory:1 to memory:7: ValueError"
    with pytest.raises(UsageError, match=failed):
        asked(one)
    line = LinearRegression().fit(numbers(), column("pay"))
    line.coef_[0] = np.nan
    one = teacher(saved(line, tmp_path / "pay.skops"), NUMBERS, PAY)
    with pytest.raises(DataError, match=r"not finite .*memory:1 to memory:7"):
        asked(one)
    wide = LogisticRegression().fit(numbers(), column("place"))
    path = saved(wide, tmp_path / "wide.skops")
    two = TaskSpec(TaskName("likes"), "multi_label", ("tea", "rum"), "")
    with pytest.raises(DataError, match=r"expected numbers \[batch, 2\], found \[7, 3\]"):
        asked(teacher(path, NUMBERS, two))


def test_views_words_and_features_are_refused(tmp_path: Path) -> None:
    line = LinearRegression().fit(numbers(), column("pay"))
    path = saved(line, tmp_path / "pay.skops")
    one = teacher(path, NUMBERS, PAY)
    with pytest.raises(UsageError, match="drop augment"):
        asked(one, view=1)
    with pytest.raises(UsageError, match="no features"), one.open(("a",), torch.device("cpu")):
        pass
    words = TaskSpec(TaskName("tag"), "token_classification", ("X", "Y"), "", input="words")
    said, files = {"tag": Said("logits", ("X", "Y"))}, estimator_files({"tag": path}, ())
    with pytest.raises(UsageError, match="an estimator answers rows"):
        SklearnTeacher(files, {}, Cells({}, Rows(ROWS)), [words], said, {}, (), batch_size=8)
