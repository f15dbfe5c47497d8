"""Rows of a table on the way to their nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from kd2edge.rows.made.maker import Making
from kd2edge.rows.made.rows import MadeRows
from kd2edge.rows.rows import Rows

NUMERIC, CATEGORICAL = ("age", "pay"), ("job",)
#: In pairs of neighbours: 0 and 1, 2 and 3.
ROWS = [
    {"age": 20, "pay": 10.5, "job": "cook", "text": "x"},
    {"age": 24, "pay": 12.5, "job": "nurse", "text": "y"},
    {"age": 80, "pay": 90.0, "job": "judge", "text": "z"},
    {"age": 70, "pay": 99.0, "job": "judge", "text": "w"},
]


def munged(
    rows: Rows, copies: int = 1, share: float = 1.0, s: float = 1.0, seed: int = 1
) -> MadeRows:
    options = {"share": share, "local_variance": s}
    how = Making("munge", copies, seed, options, numeric=NUMERIC, categorical=CATEGORICAL)
    return MadeRows(rows, how)


def column(rows: MadeRows, name: str, own: int, of: int = len(ROWS)) -> list[Any]:
    """What the variants of one row have in a column."""
    return [rows[at][name] for at in range(own, len(rows), of)]


def test_a_number_is_drawn_around_the_neighbours_by_their_difference_over_s(list_rows) -> None:
    # Far rows keep the ends of the range away.
    far = [{"age": end, "pay": end * 1.0, "job": "far"} for end in (-4000, 4000)]
    rows = munged(list_rows([*ROWS, *far]), 4000, s=2.0)
    drawn = np.array(column(rows, "pay", 0, of=6))
    assert abs(drawn.mean() - 12.5) < 0.06  # normal(12.5, |10.5 - 12.5| / 2), 4 sigma of its mean
    assert abs(drawn.std() - 1.0) < 0.05
    assert np.abs(((drawn - 12.5) < 1).mean() - 0.841) < 0.03


def test_a_category_becomes_the_neighbours_and_other_columns_stay(list_rows) -> None:
    rows = munged(list_rows(ROWS))
    assert [row["job"] for row in rows] == ["nurse", "cook", "judge", "judge"]
    assert [row["text"] for row in rows] == ["x", "y", "z", "w"]


def test_each_cell_is_changed_by_its_own_chance(list_rows) -> None:
    rows = munged(list_rows(ROWS), 2000, share=0.3)
    changed = np.array(
        [[row[name] != ROWS[0][name] for name in ("pay", "job")] for row in list(rows)[::4]]
    )
    assert np.abs(changed.mean(axis=0) - 0.3).max() < 0.05
    assert abs(changed.all(axis=1).mean() - 0.09) < 0.03


def test_numbers_stay_whole_where_all_are_and_within_the_range_of_their_column(list_rows) -> None:
    rows = munged(list_rows(ROWS), 200)
    ages = [row["age"] for row in rows]
    assert all(type(age) is int for age in ages)
    assert (min(ages), max(ages)) == (20, 80)
    pays = [row["pay"] for row in rows]
    assert (min(pays), max(pays)) == (10.5, 99.0)
    assert all(isinstance(pay, float) for pay in pays)


def test_texts_of_a_csv_file_stay_texts_as_it_writes_them(list_rows) -> None:
    rows = [{**row, "age": str(row["age"]), "pay": str(row["pay"])} for row in ROWS]
    made = list(munged(list_rows(rows), 20))
    assert all(row["age"].isdigit() for row in made)
    assert made == [
        {**row, "age": str(row["age"]), "pay": repr(row["pay"])}
        for row in munged(list_rows(ROWS), 20)
    ]


def test_what_one_of_both_lacks_is_taken_as_it_is(list_rows) -> None:
    lacking = [{**ROWS[0], "pay": None, "job": None}, *ROWS[1:]]
    rows = munged(list_rows(lacking), 50)
    assert set(column(rows, "pay", 0)) == {12.5}
    assert set(column(rows, "job", 0)) == {"nurse"}
    assert set(column(rows, "pay", 1)) == {None}
    assert set(column(rows, "job", 1)) == {None}


@pytest.mark.parametrize("broken", [{"pay": "much"}, {"job": 0.5}, {"age": [1]}])
def test_what_is_no_cell_of_its_column_stays_for_the_walk_to_name(list_rows, broken) -> None:
    (name,) = broken
    rows = munged(list_rows([{**ROWS[0], **broken}, *ROWS[1:]]), 20)
    assert [row[name] for row in list(rows)[::4]] == [broken[name]] * 20


def test_a_column_that_a_row_has_not_is_not_made(list_rows) -> None:
    rows = munged(list_rows([{"age": 20}, *ROWS[1:]]), 5)
    assert all(row.keys() == {"age"} for row in list(rows)[::4])


def test_rows_without_any_that_differs_are_their_own(list_rows) -> None:
    assert list(munged(list_rows([ROWS[0]] * 3))) == [ROWS[0]] * 3
    assert list(munged(list_rows(ROWS[:1]), 2)) == ROWS[:1] * 2
    assert list(munged(list_rows([]))) == []


def test_without_a_share_nothing_changes(list_rows) -> None:
    assert list(munged(list_rows(ROWS), 2, share=0.0)) == ROWS * 2


def test_a_number_as_its_neighbours_stays_as_it_is_written(list_rows) -> None:
    rows: Sequence[dict[str, Any]] = [
        {"age": "07", "pay": "1.50", "job": "a"}, {"age": "7", "pay": "1.5", "job": "b"},
    ]  # fmt: skip
    made = list(munged(list_rows(rows)))
    assert made == [{**rows[0], "job": "b"}, {**rows[1], "job": "a"}]
