from __future__ import annotations

import pytest

from kd2edge.errors import DataError
from kd2edge.rows.tags import tag_rows

ROWS = [
    {"tokens": ["Anna", "Bert"], "ner": ["I-PER", "B-PER"], "pos": ["NN", "NN"]},
    {"tokens": ["it"], "ner": None},
    {"tokens": ["it"], "pos": ["PRP"]},
    {"tokens": ["it"], "ner": "O"},
]


def test_the_columns_that_are_named_are_read_as_iob2_and_no_others(list_rows):
    rows = tag_rows(list_rows(ROWS, "own"), {"ner": "iob1"})
    assert rows[0] == {**ROWS[0], "ner": ["B-PER", "B-PER"]}
    assert list(rows) == [rows[0], *ROWS[1:]]
    assert (len(rows), rows.root, rows.place(1)) == (4, "/own", "own:2")


def test_another_scheme_is_another_fingerprint(list_rows):
    own = list_rows(ROWS)
    schemes = [{"ner": "iob1"}, {"ner": "io"}, {"pos": "iob1"}]
    assert len({own.fingerprint, *(tag_rows(own, one).fingerprint for one in schemes)}) == 4


def test_what_is_no_tag_is_named_with_its_place(list_rows):
    rows = tag_rows(list_rows(ROWS, "x.conll"), {"pos": "iob1"})
    with pytest.raises(
        DataError, match=r"x\.conll:1: column 'pos': word 1: expected a tag of iob1"
    ):
        rows[0]
