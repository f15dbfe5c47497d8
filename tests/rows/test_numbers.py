"""Numbers where labels are wanted, and the other way round: refused with file, row and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kd2edge.errors import DataError
from kd2edge.inputs.spec import InputSpec
from kd2edge.rows import JoinedRows, Source, check_rows, joined
from kd2edge.rows.check import SplitCheck
from kd2edge.rows.csv import CsvRows
from kd2edge.rows.jsonl import JsonlRows
from kd2edge.rows.parquet import ParquetRows
from kd2edge.rows.reading import labels_of
from kd2edge.tasks.spec import TaskName, TaskSpec

Rows = Callable[..., JoinedRows]
TEXT = InputSpec("text", "text", ("text",))
PRICE = TaskSpec(
    TaskName("price"), "regression", (), "mae", column="cost", decode={"low": 0.0, "high": 99.0}
)
STARS = TaskSpec(TaskName("stars"), "ordinal", tuple("12345"), "level_mae", column="stars")
MOOD = TaskSpec(TaskName("mood"), "classification", ("bad", "good"), "accuracy", column="mood")


def checked(rows: JoinedRows, task: TaskSpec) -> SplitCheck:
    return check_rows("train", rows, [TEXT], [task])


@pytest.mark.parametrize(
    ("task", "value", "message"),
    [
        (PRICE, "cheap", "column 'cost': expected a number, found the text 'cheap'"),
        (PRICE, True, "column 'cost': expected a number, found true"),
        (PRICE, 99.5, "column 'cost': expected a value from 0 to 99"),
        (PRICE, -1, "column 'cost': expected a value from 0 to 99"),
        (PRICE, 1e300, "column 'cost': expected a finite number"),
        (PRICE, [3.0], "column 'cost': expected a number, found a list"),
        (STARS, 2.5, "the fraction 2.5"),
        (STARS, 6, "unknown label '6'"),
        (STARS, "good", "unknown label 'good'"),
        (MOOD, 3, "unknown label '3'"),
        (MOOD, 0.5, "the fraction 0.5"),
        (MOOD, True, "unknown label 'true'"),
    ],
)
def test_a_value_of_another_kind_is_a_problem_with_its_row(
    join_lists: Rows, task: TaskSpec, value: Any, message: str
) -> None:
    good = {"cost": 3, "stars": 3, "mood": "good"}
    rows = [{"text": "a", **good}, {"text": "b", **good, task.column: value}]
    found = checked(join_lists(rows, str(task.name)), task)
    (problem,) = found.problems
    assert message in problem.message
    assert (problem.file, problem.line, problem.field) == ("rows.jsonl", 2, f"task {task.name}")


def test_text_in_a_numeric_column_of_a_file_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,cost\na,3.5\nb,\nc,4e1\nd,three\n")
    found = checked(joined([Source("only", CsvRows(tmp_path / "a.csv"), ("price",))]), PRICE)
    (problem,) = found.problems
    assert "the text 'three'" in problem.message
    assert problem.line == 5
    spread = found.spreads[TaskName("price")]
    assert (spread.least, spread.most, spread.mean) == (3.5, 40.0, 21.75)
    assert found.unlabelled == {"price": 1}


def test_nan_is_a_missing_value_that_is_counted_and_infinity_is_none(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", "b", "c"], "cost": [1.0, float("nan"), float("inf")]})
    pq.write_table(table, tmp_path / "a.parquet")
    rows = joined([Source("only", ParquetRows(tmp_path / "a.parquet"), ("price",))])
    found = checked(rows, PRICE)
    (problem,) = found.problems
    assert "column 'cost': expected a finite number" in problem.message
    assert problem.line == 3
    assert found.blank == {"price": (1, 1)}
    assert found.labelled["price"].tolist() == [True, False, False]


def test_values_lie_where_the_rows_say(join_lists: Rows) -> None:
    values = np.random.default_rng(0).uniform(0, 99, 40).astype(np.float32)
    rows = [{"text": "a", "cost": float(value)} for value in values]
    found = checked(join_lists(rows, "price"), PRICE).spreads[TaskName("price")]
    assert found.mean == pytest.approx(values.astype(np.float64).mean())
    assert found.deviation == pytest.approx(values.astype(np.float64).std())


@pytest.mark.parametrize("values", [["low", "high"], ["1", "2.5"]])
def test_levels_whose_order_nobody_stated_are_refused(join_lists: Rows, values: list[str]) -> None:
    rows = join_lists([{"text": "a", "stars": value} for value in values], "stars")
    open_one = TaskSpec(TaskName("stars"), "ordinal", (), "level_mae", column="stars")
    with pytest.raises(DataError, match="state the labels, lowest first"):
        labels_of(rows, [open_one])


def test_a_number_that_json_writes_too_large_is_no_label(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "cost": 1e999}\n{"text": "b", "cost": 1}\n')
    found = checked(joined([Source("only", JsonlRows(tmp_path / "a.jsonl"), ("price",))]), PRICE)
    (problem,) = found.problems
    assert problem.line == 1
