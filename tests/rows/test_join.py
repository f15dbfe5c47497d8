from __future__ import annotations

import pytest

from kd2edge.errors import DataError
from kd2edge.rows import Source, joined


def test_a_global_position_counts_through_the_sources_with_unlabelled_ones_last(list_rows):
    rows = joined(
        [
            Source("more", list_rows([{"a": 0}, {"a": 1}], "more")),
            Source("first", list_rows([{"a": 2}], "first"), ("x",)),
            Source("empty", list_rows([], "empty"), ("x",)),
            Source("second", list_rows([{"a": 3}, {"a": 4}], "second"), ("x", "y")),
        ]
    )
    assert [row["a"] for row in rows] == [2, 3, 4, 0, 1] == [rows[k]["a"] for k in range(5)]
    assert [rows.source_of(k).name for k in range(5)] == ["first", *["second"] * 2, *["more"] * 2]
    assert [rows.tasks_of(k) for k in (0, 1, 3)] == [("x",), ("x", "y"), ()]
    places = [rows.place(k) for k in range(5)]
    assert places == ["first:1", "second:1", "second:2", "more:1", "more:2"]
    assert [rows.root_of(k) for k in (0, 4)] == ["/first", "/more"]


def test_columns_are_renamed_and_the_old_name_is_gone(list_rows):
    source = list_rows([{"utterance": "hi", "text": "other", "b": 1}])
    rows = joined([Source("s", source, ("x",), {"text": "utterance"})])
    assert rows[0] == {"text": "hi", "b": 1} == next(iter(rows))
    swapped = joined([Source("s", source, ("x",), {"text": "utterance", "utterance": "text"})])
    assert swapped[0] == {"text": "hi", "utterance": "other", "b": 1}
    misspelt = joined([Source("s", source, ("x",), {"text": "uterance"})])
    assert misspelt[0] == {"utterance": "hi", "b": 1}


def test_positions_outside_are_an_index_error(list_rows):
    rows = joined([Source("s", list_rows([{}]))])
    for position in (-1, 1):
        with pytest.raises(IndexError):
            rows[position]
    assert list(joined([])) == []


def test_two_sources_of_one_name_are_refused(list_rows):
    with pytest.raises(DataError, match="two sources are named 's'"):
        joined([Source("s", list_rows([])), Source("s", list_rows([]))])


def test_everything_that_changes_a_row_changes_the_fingerprint(list_rows):
    rows = list_rows([{"a": 1}])
    prints = {
        joined([source]).fingerprint
        for source in (
            Source("s", rows),
            Source("s", list_rows([{"a": 2}])),
            Source("s", rows, ("x",)),
            Source("s", rows, (), {"b": "a"}),
        )
    }
    assert len(prints) == 4
    assert joined([Source("s", rows)]).fingerprint in prints
    assert joined([Source("s", rows, recipe_name="all")]).fingerprint in prints
