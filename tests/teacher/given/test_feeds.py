"""What feeds a graph's inputs: arrays, columns, zeros, of the graph's own type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kd2edge.errors import DataError, UsageError
from kd2edge.inputs.spec import ArraySpec
from kd2edge.teacher.given.feeds import ArrayFeed, ColumnsFeed, Feed, ZerosFeed, fed

ROWS = [{"age": 30.0, "town": "oslo"}, {"age": None, "town": None}, {"age": 7.0, "town": "rome"}]
IDS = np.array([[5, 6], [7, 0]], np.int64)
PIXELS = np.arange(2 * 3 * 2 * 2, dtype=np.uint8).reshape(2, 3, 2, 2)


def given(feed: Feed, dtype: str, *shape: Any, rows: Any = ROWS) -> np.ndarray:
    return fed(feed, ArraySpec("x", dtype, shape), {"ids": IDS, "pixels": PIXELS}, rows)


@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_ids_are_whole_numbers_of_the_graphs_size(dtype: str) -> None:
    found = given(ArrayFeed("ids"), dtype, "b", "l")
    assert found.dtype == dtype
    assert found.tolist() == IDS.tolist()


def test_zeros_have_the_shape_of_another_array() -> None:
    found = given(ZerosFeed("ids"), "int64", "b", "l")
    assert found.tolist() == [[0, 0], [0, 0]]


def test_pixels_are_scaled_for_a_graph_of_fractions_alone() -> None:
    feed = ArrayFeed("pixels", (0.5, 1.0, 2.0), (0.0, -1.0, 1.0))
    assert given(feed, "uint8", "b", 3, 2, 2).tolist() == PIXELS.tolist()
    found = given(feed, "float32", "b", 3, 2, 2)
    scale, shift = np.array([0.5, 1, 2]), np.array([0, -1, 1])
    expected = PIXELS * scale[None, :, None, None] + shift[None, :, None, None]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected)


def test_columns_stand_side_by_side_and_missing_numbers_are_nan() -> None:
    found = given(ColumnsFeed(("age", "age")), "float32", "b", 2)
    np.testing.assert_array_equal(found[:, 0], np.array([30, np.nan, 7], np.float32))
    assert found.shape == (3, 2)


def test_texts_are_texts_and_missing_ones_are_empty() -> None:
    found = given(ColumnsFeed(("town",)), "object", "b", 1)
    assert found.dtype == object
    assert found.tolist() == [["oslo"], [""], ["rome"]]
    assert given(ColumnsFeed(("town",)), "object", "b").tolist() == ["oslo", "", "rome"]


def test_categories_have_the_ids_of_a_stated_vocabulary() -> None:
    feed = ColumnsFeed(("town", "age"), {"town": ("rome", "oslo")}, unknown=9)
    found = given(feed, "float32", "b", 2)
    assert found[:, 0].tolist() == [1, 9, 0]
    assert given(ColumnsFeed(("town",), feed.vocabulary, 9), "int64", "b", 1).dtype == np.int64


@pytest.mark.parametrize(
    ("feed", "dtype", "shape", "match"),
    [
        (ArrayFeed("ids"), "float32", ("b", "l"), "wants float32 .*, the array 'ids' is int64"),
        (ArrayFeed("ids"), "object", ("b", "l"), "wants object"),
        (ArrayFeed("ids"), "int64", ("b",), r"wants int64 \[b\], what feeds it is \[2, 2\]"),
        (ColumnsFeed(("age", "age")), "float32", ("b",), r"what feeds it is \[3, 2\]"),
    ],
)
def test_what_cannot_feed_an_input_is_refused(
    feed: Feed, dtype: str, shape: tuple[Any, ...], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        given(feed, dtype, *shape)


@pytest.mark.parametrize(
    ("feed", "dtype", "match"),
    [
        (ColumnsFeed(("town",)), "float32", "column 'town' has 'oslo': state its `vocabulary`"),
        (ColumnsFeed(("age",)), "object", "wants texts, column 'age' has 30.0"),
        (ColumnsFeed(("age",)), "int64", "wants int64, column 'age' has nan"),
        (ColumnsFeed(("town",), {"town": ("oslo",)}), "int64", "has None, which its vocabulary"),
    ],
)
def test_cells_that_do_not_fit_are_refused(feed: Feed, dtype: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        given(feed, dtype, "b", 1)
