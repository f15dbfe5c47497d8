from __future__ import annotations

import gzip
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.errors import DataError
from kd2edge.rows import content as content_module
from kd2edge.rows import open_rows
from kd2edge.rows.jsonl import JsonlRows

ROWS = [{"text": "eins", "label": "a"}, {"text": "zwei ä\u2028x", "label": None}, {"text": ""}]
LINES = [json.dumps(row, ensure_ascii=False) for row in ROWS]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(LINES),
        "\n".join(LINES) + "\n",
        "\r\n".join(LINES) + "\r\n",
        "\ufeff" + "\n".join(LINES),
        "\n\n" + " \t\n\n".join(LINES) + "\n\n  \n",
        "\ufeff\n" + "\n \n".join(LINES) + "  ",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_rows_are_the_lines_that_are_not_blank(text, packed, write):
    name, content = "rows.jsonl", text.encode()
    if packed:
        name, content = "rows.jsonl.gz", gzip.compress(content)
    rows = open_rows("jsonl", write(name, content))
    assert list(rows) == ROWS
    assert [rows[position] for position in range(len(rows))] == ROWS


@pytest.mark.parametrize("text", ["", "\n", " \n\r\n", "\ufeff", "\ufeff\n"])
def test_a_file_without_text_has_no_rows(text, write):
    assert len(JsonlRows(write("empty.jsonl", text))) == 0


@given(
    blocks=st.lists(
        st.tuples(st.integers(0, 3), st.text(alphabet='ab é"\\', max_size=12)), max_size=12
    ),
    chunk=st.integers(1, 40),
    end=st.booleans(),
)
def test_the_index_does_not_depend_on_the_chunk_size(blocks, chunk, end, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [" \n" * blanks + json.dumps({"t": text}) for blanks, text in blocks]
    path.write_text("\n".join(lines) + ("\n" if end else ""), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content_module, "CHUNK", chunk)
        rows = JsonlRows(path)
        assert [row["t"] for row in rows] == [text for _, text in blocks]
        whole = path.read_text(encoding="utf-8").split("\n")
        for position, (_, text) in enumerate(blocks):
            line = int(rows.place(position).rpartition(":")[2])
            assert json.loads(whole[line - 1]) == {"t": text}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"text": "cut of', "cut off"),
        ('{"text": "a"} {', "cut off"),
        ("Where is my card?", 'expected an object a line, as {"text": "..."}, found .Where is'),
        ('{"text" "a"}', "not JSON"),
        (f'{{"text": {"1" * 5000}}}', "not JSON"),
        ('{"text": "a"},', "a comma behind the object"),
        ('\ufeff{"text": "a"}', "a byte-order mark inside the file"),
        ('{"text": "a"}\r{"text": "b"}', "a lone carriage return"),
        ("[1, 2]", "a list .*; JSON lines have one a line, no list around them"),
        ("[", "over several lines, or a list; JSON lines have one object a line"),
        ("{", "over several lines"),
        ('"text"', "cut off"),
        ("[{}]", "cut off"),
    ],
)
def test_a_broken_line_is_named_with_file_and_line(line, why, write):
    path = write("rows.jsonl", f'{{"text": "a"}}\n\n{line}\n')
    rows = JsonlRows(path)
    assert rows[0] == {"text": "a"}
    with pytest.raises(DataError, match=rf"rows\.jsonl:3: .*(?:{why}|expected a JSON object)"):
        rows[1]
    with pytest.raises(DataError, match=r"rows\.jsonl:3"):
        list(rows)


def test_other_encodings_are_named(write):
    with pytest.raises(DataError, match="UTF-16"):
        JsonlRows(write("wide.jsonl", '{"a": 1}'.encode("utf-16")))
    rows = JsonlRows(write("latin.jsonl", '{"a": "ä"}'.encode("latin-1")))
    with pytest.raises(DataError, match=r"latin\.jsonl:1: not UTF-8"):
        rows[0]


def test_a_missing_file_gets_the_nearest_name(write, tmp_path):
    write("train.jsonl", "{}")
    with pytest.raises(DataError, match=r"did you mean 'train\.jsonl'"):
        open_rows("jsonl", "trian.jsonl", root=tmp_path)
    with pytest.raises(DataError, match=r"folder .*nowhere does not exist"):
        open_rows("jsonl", "nowhere/train.jsonl", root=tmp_path)
    with pytest.raises(DataError, match="found a folder"):
        open_rows("jsonl", tmp_path)


def test_a_damaged_gzip_file_is_refused(write):
    whole = gzip.compress(b'{"a": 1}\n' * 100)
    for broken in (whole[:-9], b"plain text", whole[:20] + b"\0" * 9 + whole[29:]):
        with pytest.raises(DataError, match="not a whole gzip file"):
            JsonlRows(write("rows.jsonl.gz", broken))


def test_positions_outside_are_an_index_error(write):
    rows = JsonlRows(write("rows.jsonl", "{}\n{}"))
    for position in (-1, 2):
        with pytest.raises(IndexError):
            rows[position]


def test_the_fingerprint_follows_the_bytes_alone(write):
    first = JsonlRows(write("a.jsonl", "{}\n")).fingerprint
    assert JsonlRows(write("b.jsonl", "{}\n")).fingerprint == first
    assert JsonlRows(write("c.jsonl", "{} \n")).fingerprint != first


def test_opening_takes_few_bytes_a_row(write):
    def peak(rows: int) -> tuple[int, int]:
        path = write(f"{rows}.jsonl", (json.dumps({"text": "x" * 150}) + "\n") * rows)
        tracemalloc.start()
        opened = JsonlRows(path)
        held, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(opened) == rows
        return held, most

    peak(10)  # imports and caches
    small, large = peak(4_000), peak(40_000)
    assert (large[0] - small[0]) / 36_000 < 10
    assert (large[1] - small[1]) / 36_000 < 64
