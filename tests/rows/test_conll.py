from __future__ import annotations

import pytest

from kd2edge.errors import DataError
from kd2edge.rows import open_rows

TEXT = """-DOCSTART- -X- O

EU NNP B-ORG
# SYM O
rejects VBZ O

Peter NNP B-PER
"""


def test_sentences_are_rows_and_columns_are_lists(write):
    rows = open_rows("conll", write("r.conll", TEXT), options={"columns": ["tokens", "_", "ner"]})
    assert list(rows) == [
        {"tokens": ["EU", "#", "rejects"], "ner": ["B-ORG", "O", "O"]},
        {"tokens": ["Peter"], "ner": ["B-PER"]},
    ]
    assert rows.place(1).endswith("r.conll:7")


def test_crlf_tabs_comments_and_columns_from_the_right(write):
    text = "# sent_id = 1\r\nNew York\tx\tB-LOC\r\n\r\n\r\n# only a comment\r\n\r\na\ty\tO"
    options = {"columns": {"tokens": 0, "ner": -1}, "separator": "\t", "comment": "#"}
    rows = open_rows("conll", write("r.conll", text), options=options)
    assert list(rows) == [
        {"tokens": ["New York"], "ner": ["B-LOC"]},
        {"tokens": ["a"], "ner": ["O"]},
    ]


@pytest.mark.parametrize("blank", [*"\x0b\x0c\x85\xa0\u2009\u2028\u202f\u3000"])
def test_ascii_blanks_and_tabs_alone_stand_between_columns(blank, write):
    text = f"10{blank}000 O\n{blank}\tO\nAnna \t B-PER\n"
    rows = open_rows("conll", write("r.conll", text))
    assert list(rows) == [
        {"tokens": [f"10{blank}000", blank, "Anna"], "ner": ["O", "O", "B-PER"]},
    ]
    with pytest.raises(DataError, match="expected at least 2 columns, found 1"):
        open_rows("conll", write("r.conll", f"a O\n{blank}\n"))[0]


@pytest.mark.parametrize("columns", [["tokens", "ner"], {"tokens": 0, "ner": -1}])
@pytest.mark.parametrize("blank", [" ", "\t"])
def test_lines_that_end_in_a_lone_carriage_return_are_named(columns, blank, write):
    text = f"a{blank}O\n\nb{blank}O\rc{blank}B-PER\r\rd{blank}O\r"
    for separator in (None, blank):
        options = {"columns": columns, "separator": separator}
        rows = open_rows("conll", write("r.conll", text), options=options)
        assert rows[0] == {"tokens": ["a"], "ner": ["O"]}
        with pytest.raises(DataError, match=r"r\.conll:3: a lone carriage return; save"):
            rows[1]


def test_text_that_is_not_utf8_is_named(write):
    rows = open_rows("conll", write("r.conll", "a O\n\nb O\nZo\u00eb O\n".encode("latin-1")))
    with pytest.raises(DataError, match=r"r\.conll:4: not UTF-8 text: byte 0xeb at 3 of the line"):
        rows[1]


def test_columns_without_a_name_are_refused_with_the_line_that_names_them(write):
    rows = open_rows("conll", write("r.conll", "EU NNP I-NP B-ORG\n\nrejects VBZ I-VP O\n"))
    with pytest.raises(
        DataError, match=r"r\.conll:3: expected 2 columns \(tokens, ner\), found 4"
    ) as e:
        rows[1]
    assert "options: {columns: [tokens, _, _, ner]}" in str(e.value)
    named = {"columns": ["tokens", "_", "_", "ner"]}
    rows = open_rows("conll", write("r.conll", "EU NNP I-NP B-ORG\n"), options=named)
    assert rows[0] == {"tokens": ["EU"], "ner": ["B-ORG"]}
    few = {"columns": ["tokens", "pos", "ner"]}
    with pytest.raises(DataError, match=r"columns: \[tokens, pos, _, ner\]"):
        open_rows("conll", write("r.conll", "EU NNP I-NP B-ORG\n"), options=few)[0]


def test_a_blank_in_a_word_is_told_from_a_column(write):
    text = "New York\tB-LOC\n"
    with pytest.raises(DataError, match=r'state options: \{separator: "\\t"\}'):
        open_rows("conll", write("r.conll", text))[0]
    rows = open_rows("conll", write("r.conll", text + "it\tO\t\n"), options={"separator": "\t"})
    assert rows[0] == {"tokens": ["New York", "it"], "ner": ["B-LOC", "O"]}


def test_columns_by_their_number_may_have_others_beside_them(write):
    by_number = {"columns": {"tokens": 0, "ner": -1}}
    rows = open_rows("conll", write("r.conll", "EU NNP I-NP B-ORG\n"), options=by_number)
    assert rows[0] == {"tokens": ["EU"], "ner": ["B-ORG"]}


def test_a_short_line_is_named(write):
    rows = open_rows("conll", write("r.conll", "a O\n\nb O\nc\n"))
    with pytest.raises(DataError, match=r"r\.conll:4: expected at least 2 columns, found 1"):
        rows[1]


def test_the_columns_are_part_of_the_fingerprint(write):
    path = write("r.conll", "a O\n")
    one = open_rows("conll", path)
    other = open_rows("conll", path, options={"columns": ["words", "ner"]})
    assert one.fingerprint != other.fingerprint


def test_no_columns_is_refused(write):
    with pytest.raises(DataError, match="at least one name"):
        open_rows("conll", write("r.conll", "a O\n"), options={"columns": ["_"]})
