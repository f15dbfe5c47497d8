from __future__ import annotations

import csv
import gzip
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.errors import DataError
from kd2edge.rows import open_rows
from kd2edge.rows.csv import CsvRows

TEXT = 'text,label\n"a, b",x\n"two\r\nlines ""quoted""",y\n\nlast,\n'
ROWS = [
    {"text": "a, b", "label": "x"},
    {"text": 'two\r\nlines "quoted"', "label": "y"},
    {"text": "last", "label": None},
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_quoted_newlines_are_part_of_their_row(packed, mark, write):
    content = (mark + TEXT).encode()
    path = write("r.csv.gz", gzip.compress(content)) if packed else write("r.csv", content)
    rows = open_rows("csv", path)
    assert list(rows) == ROWS
    assert [rows[position] for position in (2, 0, 1)] == [ROWS[2], ROWS[0], ROWS[1]]
    assert [rows.place(k).rpartition(":")[2] for k in range(3)] == ["2", "3", "6"]


CELLS = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


@given(values=st.lists(st.tuples(CELLS, CELLS), max_size=8))
def test_rows_equal_those_of_the_standard_library(values, tmp_path_factory):
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([("a", "b"), *values])
    path = tmp_path_factory.mktemp("csv") / "r.csv"
    path.write_bytes(buffer.getvalue().encode())
    rows = CsvRows(path)
    expected = list(csv.reader(io.StringIO(buffer.getvalue(), newline="")))[1:]
    assert [[row["a"] or "", row["b"] or ""] for row in rows] == expected
    assert [rows[position] for position in range(len(rows))] == list(rows)


def test_another_delimiter(write):
    path = write("r.csv", "a;b\n1,5;x\n")
    assert open_rows("csv", path, options={"delimiter": ";"})[0] == {"a": "1,5", "b": "x"}
    with pytest.raises(DataError, match="one character"):
        CsvRows(path, delimiter=";;")


@pytest.mark.parametrize(("mark", "written"), [(";", ";"), ("\t", "\\t"), ("|", "|")])
def test_a_header_that_another_character_separates_says_how_to_state_it(mark, written, write):
    path = write("r.csv", f"text{mark}mood\nWell, yes, that{mark}good\n")
    with pytest.raises(DataError, match="expected 1 values as in the header, found 3") as caught:
        CsvRows(path)
    assert f'options: {{delimiter: "{written}"}}' in str(caught.value)
    assert len(CsvRows(path, delimiter=mark)) == 1
    with pytest.raises(DataError, match="found 2$"):
        CsvRows(write("r.csv", "text\na,b\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file"),
        ("a,b,a\n1,2,3\n", "column 'a' stands in the header twice"),
        ("a,b\n1,2\n\n3\n", r"r\.csv:4: expected 2 values as in the header, found 1"),
        ('a,b\n1,2\n"3,4\n5,6\n', r"r\.csv:3: not CSV"),
    ],
)
def test_a_broken_file_is_refused_at_once(text, message, write):
    with pytest.raises(DataError, match=message):
        CsvRows(write("r.csv", text))


def test_text_that_is_not_utf8_is_named_with_its_own_line(write):
    message = r"r\.csv:4: not UTF-8 text: byte 0xe4 at 2 of the line, 'ä' in the Windows encoding"
    with pytest.raises(DataError, match=message) as caught:
        CsvRows(write("r.csv", 'a\nx\n"two\nlänes"\n'.encode("cp1252")))
    assert "quote" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('a,b\n1,2\n"3,4\n5,6\n', "a quote is left open"),
        ('a,b\n1,2\n"say "yes" now",4\n', "must be written twice"),
        ("a,b\n1,2\n3\r4,5\n", "a lone carriage return"),
    ],
)
def test_what_is_no_csv_is_given_its_own_reason(text, reason, write):
    with pytest.raises(DataError, match=rf"r\.csv:3: not CSV: .*{reason}"):
        CsvRows(write("r.csv", text))


def test_a_value_may_have_any_length_and_the_limit_of_the_process_stays(write):
    before = csv.field_size_limit(1000)
    try:
        long = "w " * 75_000
        rows = CsvRows(write("r.csv", f"text,mood\n{long},pos\nshort,neg\n"))
        assert [len(row["text"]) for row in rows] == [150_000, 5]
        assert rows[0] == {"text": long, "mood": "pos"}
        with pytest.raises(DataError, match=r"r\.csv:2: not CSV: a quote is left open"):
            CsvRows(write("r.csv", f'text,mood\n"{long},pos\n'))
        assert csv.field_size_limit() == 1000
    finally:
        csv.field_size_limit(before)


def test_threads_that_read_long_values_do_not_hinder_each_other(write):
    long = "w" * 140_000
    rows = CsvRows(write("r.csv", "text\n" + f"{long}\n" * 20))
    before = csv.field_size_limit()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda at: rows[at % 20]["text"] == long, range(200)))
    assert all(found)
    assert csv.field_size_limit() == before


def test_options_are_part_of_the_fingerprint(write):
    path = write("r.csv", "a\n1\n")
    assert CsvRows(path).fingerprint != CsvRows(path, delimiter=";").fingerprint
