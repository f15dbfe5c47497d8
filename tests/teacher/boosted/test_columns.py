"""A table's arrays become the columns that trees ask."""

from __future__ import annotations

import numpy as np

from kd2edge.teacher.boosted.columns import fitted_columns


def test_categories_count_from_0_by_column_and_what_training_never_showed_is_missing() -> None:
    ids = np.array([[2, 7], [4, 7], [2, 9]])  # two columns, ids of their own
    columns = fitted_columns("", {"categories": ids})
    new = np.array([[4, 9], [3, 7], [2, 10], [2, 99]])
    found = columns.rows({"categories": new})
    np.testing.assert_array_equal(found, [[1, 1], [np.nan, 0], [0, np.nan], [0, np.nan]])


def test_numbers_follow_and_flags_say_which_are_missing() -> None:
    arrays = {
        "a_numbers": np.array([[1.5, 0.0]], np.float32),
        "a_missing": np.array([[0.0, 1.0]], np.float32),
        "a_categories": np.array([[3]]),
    }
    columns = fitted_columns("a_", arrays)
    np.testing.assert_array_equal(columns.rows(arrays), [[0, 1.5, np.nan]])
    del arrays["a_categories"]
    alone = fitted_columns("a_", arrays).rows(arrays)
    np.testing.assert_array_equal(alone, [[1.5, np.nan]])
    assert alone.dtype == np.float64
