from __future__ import annotations

import gzip
import os

import pytest

from kd2edge.errors import DataError
from kd2edge.rows import open_rows
from kd2edge.rows.content import wide_encoding

FILES = {
    "csv": "text,label\nZoë sang,a\nand the crowd went home,b\n",
    "jsonl": '{"text": "Zoë sang", "label": "a"}\n{"text": "and went home", "label": "b"}\n',
    "conll": "Zoë B-PER\nsang O\n\nand O\nwent O\nhome O\n",
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("utf-32-le", "UTF-32"),
        ("utf-32-be", "UTF-32"),
    ],
)
def test_wide_encodings_are_named_with_their_mark_and_without(kind, packed, encoding, name, write):
    content = FILES[kind].encode(encoding)
    path = write(f"r.{kind}.gz", gzip.compress(content)) if packed else write("r", content)
    with pytest.raises(DataError, match=f"this is {name}; save it as UTF-8"):
        open_rows(kind, path)


@pytest.mark.parametrize("kind", FILES)
def test_utf8_is_not_taken_for_another(kind, write):
    for mark in ("", "\ufeff"):
        rows = list(open_rows(kind, write("r", mark + FILES[kind])))
        assert len(rows) == 2
        assert str(rows[0]) == str(list(open_rows(kind, write("r", FILES[kind])))[0])
    assert not wide_encoding("漢字\0かな\0".encode() * 9)


@pytest.mark.parametrize("kind", FILES)
def test_a_gzip_file_is_one_whatever_its_name(kind, write):
    packed = gzip.compress(FILES[kind].encode())
    options = {"columns": ["tokens", "ner"]} if kind == "conll" else {}
    rows = [[*open_rows(kind, write(name, packed), options=options)] for name in ("r", "r.gz")]
    assert rows[0] == rows[1] != []
    with pytest.raises(DataError, match="not a whole gzip file"):
        open_rows(kind, write("plain.gz", FILES[kind].encode()), options=options)


def test_what_is_no_file_is_named_as_what_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place, what in ((tmp_path, "a folder"), (tmp_path / "pipe", "a pipe or a device")):
        with pytest.raises(DataError, match=f"expected a data file, found {what}"):
            open_rows("jsonl", place)
    (tmp_path / "rows.jsonl").write_text("{}")
    with pytest.raises(DataError, match="no such file; did you mean"):
        open_rows("jsonl", tmp_path / "row.jsonl")
