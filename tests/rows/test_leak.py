from __future__ import annotations

import pytest

from kd2edge.rows import leaks, row_hashes, without
from kd2edge.rows.jsonl import JsonlRows


def rows_of(*texts):
    return [{"text": text, "id": k} for k, text in enumerate(texts)]


def test_rows_that_stand_in_two_splits_are_counted(list_rows):
    splits = {
        "train": list_rows(rows_of("a", "b", "c", "b"), "train"),
        "validation": list_rows(rows_of("x", "B "), "validation"),
        "test": list_rows(rows_of("c", "x", "q", "C"), "test"),
    }
    assert leaks(splits, ["text"]) == {
        ("train", "validation"): 1, ("train", "test"): 2, ("validation", "test"): 1,
    }  # fmt: skip


def test_disjoint_splits_do_not_leak(list_rows):
    assert leaks({"train": list_rows(rows_of("a")), "test": list_rows([])}, ["text"]) == {}


def test_a_view_leaves_excluded_rows_out(list_rows):
    rows = list_rows(rows_of("a", "b", "A", "c", "c"), "train")
    barred = row_hashes(list_rows(rows_of("B")), ["text"], loose=True)
    view = without(rows, {"leak": barred}, ["text"])
    assert [row["id"] for row in view] == [0, 2, 3, 4]
    assert [view.place(k) for k in (1, 2)] == ["train:3", "train:4"]
    assert view.left_out == {"leak": 1}
    once = without(rows, {"leak": barred}, ["text"], duplicates=True)
    assert once.left_out == {"leak": 1, "repeat an earlier one": 2}
    assert [row["id"] for row in once] == [0, 3]
    assert once.root_of(0) == rows.root
    assert len({rows.fingerprint, view.fingerprint, once.fingerprint}) == 3
    with pytest.raises(IndexError):
        once[2]


def test_a_view_takes_any_collection_of_hashes(list_rows):
    rows = list_rows(rows_of("a", "b"))
    hashes = row_hashes(rows, ["text"], loose=True)
    assert len(without(rows, {"leak": {int(hashes[0])}}, ["text"])) == 1
    assert len(without(rows, {}, ["text"])) == 2


def test_clinc150_has_test_rows_in_train(data_set):
    folder = data_set("nlu_clinc150")
    splits = {name: JsonlRows(folder / f"{name}.jsonl") for name in ("train", "test")}
    assert leaks(splits, ["text"]) == {("train", "test"): 2}
