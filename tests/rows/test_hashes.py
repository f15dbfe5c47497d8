from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.rows import row_hash, row_hashes, row_id, without
from kd2edge.rows.join import Source, joined
from kd2edge.rows.jsonl import JsonlRows
from kd2edge.rows.leak import ChosenRows

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_values_share_a_hash_only_when_they_are_equal(first, second):
    hashes = [row_hash({"a": value}, ["a"]) for value in (first, second, first)]
    assert hashes[0] == hashes[2]
    if first != second:
        assert hashes[0] != hashes[1]


def test_columns_do_not_run_into_each_other():
    first, second = {"a": "ab", "b": "c"}, {"a": "a", "b": "bc"}
    assert row_hash(first, ["a", "b"]) != row_hash(second, ["a", "b"])
    assert row_hash(first, ["a"]) != row_hash(first, ["a", "b"])


def test_other_columns_do_not_count():
    assert row_hash({"a": 1, "id": 1}, ["a"]) == row_hash({"a": 1, "id": 2}, ["a"])


def test_pictures_are_hashed_by_pixels_shape_and_type():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    values = [image, image.reshape(4, 3), image.view(np.int8), image.tobytes(), image.tolist()]
    assert len({row_hash({"i": value}, ["i"]) for value in values}) == 5
    assert row_hash({"i": image.copy()}, ["i"]) == row_hash({"i": image}, ["i"])
    # The same pixels in another memory order are the same picture.
    assert row_hash({"i": np.asfortranarray(image)}, ["i"]) == row_hash({"i": image}, ["i"])


def test_loose_hashes_look_through_case_and_white_space():
    texts = ["Hello  World", "hello world\n", ["hello", "World"], "hello\u00a0world"]
    assert len({row_hash({"t": text}, ["t"], loose=True) for text in texts}) == 1
    assert len({row_hash({"t": text}, ["t"]) for text in texts}) == 4
    assert row_hash({"t": "hello"}, ["t"], loose=True) != row_hash(
        {"t": "hell o"}, ["t"], loose=True
    )


def test_hashes_of_rows_are_those_of_each_row(list_rows):
    rows = list_rows([{"a": "x"}, {"a": "y"}, {}])
    expected = [row_hash(row, ["a"]) for row in rows]
    assert row_hashes(rows, ["a"]).tolist() == expected
    assert expected[2] == row_hash({"a": None}, ["a"])


def test_pictures_in_files_are_hashed_by_their_bytes(tmp_path, list_rows):
    for name, content in (("a/1.png", b"one"), ("b/1.png", b"two"), ("b/One.png", b"one")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    first = list_rows([{"i": "1.png"}, {"i": "gone.png"}])
    second = list_rows([{"i": "1.png"}, {"i": "One.png"}, {"i": "gone.png"}, {"i": "GONE.png"}])
    first.root, second.root = str(tmp_path / "a"), str(tmp_path / "b")
    found = [row_hashes(rows, ["i"], loose=True, pictures=["i"]) for rows in (first, second)]
    same = found[0][:, None] == found[1]
    assert same.tolist() == [[False, True, False, False], [False] * 4]
    assert len(set(found[1].tolist())) == 4
    # As a text the same names would be one another's.
    assert row_hashes(first, ["i"])[0] == row_hashes(second, ["i"])[0]


def test_rows_that_cannot_be_read_are_like_no_other(write):
    lines = ['{"t": "a"}', '{"t"', '{"t": "b"}', '{"t"', '{"t": "a"}']
    rows = JsonlRows(write("r.jsonl", "\n".join(lines)))
    found = row_hashes(rows, ["t"], loose=True).tolist()
    assert found[0] == found[4] == row_hash({"t": "a"}, ["t"])
    assert len(set(found)) == 4


def test_values_that_json_lacks_are_told_apart():
    values = [date(2026, 1, 1), date(2026, 1, 2), [date(2026, 1, 1)], "2026-01-01"]
    assert len({row_hash({"a": value}, ["a"], loose=True) for value in values}) == 4


def test_hashes_stay_the_same_from_run_to_run():
    # Reference rows are found again by them: a change here orphans every bundle.
    assert row_hash({"text": "where is my card"}, ["text"]) == 5884939769538052306


def test_an_id_is_the_rows_own_or_its_position():
    assert row_id({"id": 7}, 3) == "7"
    assert row_id({"id": 0}, 3) == "0"
    assert row_id({"id": None}, 3) == row_id({}, 3) == "3"


def test_rows_of_others_have_their_hashes_and_nothing_is_read_twice(list_rows):
    texts = list_rows([{"said": "A b", "text": 1}, {"said": "c"}, {"said": "a  B"}], "one")
    labelled = list_rows([{"text": "d", "x": 5}], "two")
    some = without(texts, {}, ["said"], duplicates=True)
    rows = joined([Source("two", labelled, ("t",)), Source("one", some, columns={"text": "said"})])
    for columns in (["text"], ["text", "x"], ["said"]):  # what was renamed away is absent
        for loose in (False, True):
            wanted = [row_hash(row, columns, loose=loose) for row in rows]
            assert row_hashes(rows, columns, loose=loose).tolist() == wanted
    reads = []
    kind = type(texts)
    with pytest.MonkeyPatch.context() as patch:
        sound = kind.__getitem__
        patch.setattr(kind, "__getitem__", lambda self, at: (reads.append(at), sound(self, at))[1])
        again = joined([Source("one", some, columns={"text": "said"}), Source("more", texts)])
        assert len(row_hashes(again, ["text"], loose=True)) == 5
    assert len(reads) == len(texts)  # of "more", whose columns are others; `some` was known
    with pytest.raises(ValueError, match="read-only"):
        row_hashes(texts, ["said"])[0] = 0


def test_few_rows_of_many_are_hashed_alone_and_pictures_each_time(list_rows, tmp_path, monkeypatch):
    many = list_rows([{"t": str(at)} for at in range(50)])
    reads = []
    sound = type(many).__getitem__
    monkeypatch.setattr(
        type(many), "__getitem__", lambda self, at: (reads.append(at), sound(self, at))[1]
    )
    few = ChosenRows(many, np.array([3, 40]))
    assert row_hashes(few, ["t"]).tolist() == [row_hash({"t": one}, ["t"]) for one in ["3", "40"]]
    assert reads == [3, 40]
    row_hashes(many, ["t"])
    assert row_hashes(few, ["t"]).tolist() == [row_hash({"t": one}, ["t"]) for one in ["3", "40"]]
    assert len(reads) == 2 + 50

    (tmp_path / "1.png").write_bytes(b"one")
    shown = list_rows([{"i": "1.png"}])
    shown.root = str(tmp_path)
    before = row_hashes(joined([Source("s", shown)]), ["i"], pictures=["i"])
    (tmp_path / "1.png").write_bytes(b"two")
    assert row_hashes(joined([Source("s", shown)]), ["i"], pictures=["i"]) != before
