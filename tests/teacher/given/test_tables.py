"""Rows become what an estimator was fitted to: a list of texts, an array, or a data frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from kd2edge.errors import UsageError
from kd2edge.inputs import InputSpec
from kd2edge.teacher.given.tables import table_of

PERSON = InputSpec(
    "person", "tabular", ("age", "town"), {"numeric": ["age"], "categorical": ["town"]}
)
TEXT = InputSpec("text", "text", ("title",), {})
PHOTO = InputSpec("photo", "image", ("photo",), {"size": [2, 2]})
INPUTS = {"person": PERSON, "text": TEXT, "photo": PHOTO}
ROWS: list[dict[str, Any]] = [
    {"age": 30.0, "town": "Rome", "title": "a"},
    {"age": None, "town": None, "title": "b"},
]


def of(columns: tuple[str, ...] = (), estimator: Any = None) -> Any:
    return table_of(estimator, INPUTS, columns, "file").of(ROWS)


def test_a_text_alone_is_a_list() -> None:
    assert of(("title",)) == ["a", "b"]
    assert table_of(None, INPUTS, ("title",), "file").of([{"title": None}]) == [""]


def test_numbers_are_an_array_of_floats() -> None:
    found = of(("age",))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[30.0], [np.nan]])


def test_other_columns_stand_side_by_side_in_the_order_that_is_stated() -> None:
    found = of(("town", "age", "title"))
    assert found.dtype == object
    assert found[0].tolist() == ["Rome", 30.0, "a"]
    assert found[1, 2] == "b"
    assert np.isnan(found[1, 0])
    assert np.isnan(found[1, 1])
    assert of()[0].tolist() == [30.0, "Rome", "a"]  # those of the inputs, but for pictures


def test_what_was_fitted_to_a_data_frame_is_given_one_with_its_columns() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"hours": [1.0, 2.0], "age": [3.0, 4.0]})
    fitted = LinearRegression().fit(frame, [1.0, 2.0])
    with pytest.raises(UsageError, match="columns hours, age; .* there are age, town, title"):
        of(estimator=fitted)
    fitted = LinearRegression().fit(frame[["age"]], [1.0, 2.0])
    found = of(estimator=fitted)
    assert list(found.columns) == ["age"]
    assert found["age"].dtype == np.float64
    both = of(("town", "age"), estimator=_of_two(fitted))
    assert both["town"].isna().tolist() == [False, True]


def test_a_text_alone_is_a_data_frame_for_what_was_fitted_to_one() -> None:
    class Fitted:
        feature_names_in_ = np.array(["title"], object)
        n_features_in_ = 1

    found = of(estimator=Fitted())
    assert found["title"].tolist() == ["a", "b"]


def _of_two(fitted: LinearRegression) -> LinearRegression:
    fitted.n_features_in_ = 2
    return fitted


def test_columns_that_are_not_there_or_are_pictures_are_refused() -> None:
    for column in ("height", "photo"):
        with pytest.raises(UsageError, match=f"that have {column}, or state `columns`"):
            of(("age", column))
    fitted = LinearRegression().fit(np.ones((2, 3)), [1.0, 2.0])
    with pytest.raises(UsageError, match=r"fitted to 3 columns, found 2 \(age, town\)"):
        of(("age", "town"), fitted)
