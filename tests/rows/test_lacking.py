from __future__ import annotations

import pytest

from kd2edge.inputs.absent import left_out, own_columns, without
from kd2edge.inputs.spec import InputSpec
from kd2edge.rows.hashes import row_hash
from kd2edge.rows.join import Source, joined
from kd2edge.rows.lacking import have_some_input, lacking
from kd2edge.rows.leak import ChosenRows
from kd2edge.rows.rows import Rows


class Given(Rows):
    fingerprint, root = "given", "folder"

    def __init__(self, rows):
        self._rows = rows

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, position):
        return self._rows[position]

    def place(self, position):
        return f"given:{position + 1}"


def spec(name, *columns, absent=True):
    return InputSpec(name, "text", columns, {"max_length": 8, "absent": absent})


BOTH = {"title": spec("title", "title"), "body": spec("body", "body")}
ROWS = Given(
    [
        {"title": "a", "body": "b", "kind": "x"},
        {"title": "c", "body": None, "kind": "y"},
        {"body": "d", "kind": "z"},
        {"title": "", "body": float("nan")},
    ]
)


def test_rows_that_have_no_other_input_are_left_out():
    rows = lacking(ROWS, BOTH, "title")
    assert rows.positions.tolist() == [0, 2]
    assert [row["title"] for row in rows] == [None, None]
    assert [row["body"] for row in rows] == ["b", "d"]
    assert [row["kind"] for row in rows] == ["x", "z"]
    assert lacking(ROWS, BOTH, "body").positions.tolist() == [0, 1]
    assert have_some_input(ROWS, BOTH).tolist() == [True, True, True, False]


def test_every_row_is_left_beside_an_input_that_each_has():
    inputs = BOTH | {"body": spec("body", "body", absent=False)}
    assert len(lacking(ROWS, inputs, "title")) == len(ROWS)


def test_a_row_is_the_one_that_it_was():
    rows = lacking(joined([Source("one", ROWS, ("intent",))]), BOTH, "title")
    assert rows.place(1) == "given:3"
    assert rows.root_of(1) == "folder"
    assert rows.tasks_of(1) == ("intent",)
    with pytest.raises(IndexError, match="there are 2 rows"):
        rows[2]


def test_a_row_hashes_like_one_that_never_had_the_input():
    rows = lacking(ROWS, BOTH, "title")
    assert row_hash(rows[0], ["body", "title"]) == row_hash({"body": "b"}, ["body", "title"])


def test_other_rows_columns_and_choices_are_told_apart():
    found = {lacking(ROWS, BOTH, name).fingerprint for name in BOTH}
    found.add(
        lacking(ChosenRows(ROWS, lacking(ROWS, BOTH, "body").positions), BOTH, "body").fingerprint
    )
    assert len(found) == 3


def test_an_input_that_may_be_absent_is_left_out_in_turn():
    assert left_out(BOTH) == ("title", "body")
    assert left_out(BOTH | {"body": spec("body", "body", absent=False)}) == ("title",)
    assert left_out({"title": BOTH["title"]}) == ()


def test_a_column_that_another_input_reads_keeps_what_it_holds():
    inputs = BOTH | {"again": spec("again", "body")}
    rows = lacking(ROWS, inputs, "again")
    assert own_columns(inputs, "again") == ()
    assert rows[0]["body"] == "b"
    assert without(inputs, "again")["again"].columns == ()
