from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import bundles
from kd2edge.errors import DataError
from kd2edge.rows import Source, joined
from kd2edge.tasks.spec import MISSING
from kd2edge.validate.reference import Reference, row_keys
from kd2edge.validate.split import Split, labelled, matches

INPUTS = {"image": bundles.IMAGE_INPUT}
TASKS = {task.name: task for task in bundles.IMAGE_TASKS}


@pytest.fixture
def split(rows) -> Split:
    return Split.of(rows, INPUTS, TASKS)


def reference_of(split: Split, order: list[int]) -> Reference:
    ids = tuple(split.ids[row] for row in order)
    hashes = np.array([split.hashes[row] for row in order], np.uint64)
    return Reference(ids, hashes, {}, {})


def test_every_row_finds_itself(split):
    everything = list(range(len(split.ids)))
    assert matches(reference_of(split, everything), split).tolist() == everything


def test_rows_in_another_order_still_find_theirs(tools, rows, split):
    moved = Split.of(tools.ListRows(list(rows)[::-1]), INPUTS, TASKS)
    found = matches(reference_of(split, list(range(200))), moved)
    assert found.tolist() == list(range(200))[::-1]


def test_an_unknown_row_finds_nothing(split):
    found = matches(reference_of(split, list(range(5, 200))), split)
    assert found[:5].tolist() == [-1] * 5
    assert found[5:].tolist() == list(range(195))


def test_a_row_whose_input_changed_is_another_row(tools, rows):
    changed = [dict(row) for row in rows]
    changed[3]["image"] = changed[3]["image"] ^ 1
    split, other = (Split.of(part, INPUTS, TASKS) for part in (rows, tools.ListRows(changed)))
    found = matches(reference_of(split, list(range(200))), other)
    assert np.flatnonzero(found < 0).tolist() == [3]


def test_a_picture_of_the_same_name_in_another_folder_is_another_row(tools, tmp_path):
    known, other = (tools.ListRows([{"image": "0001.png"}, {"image": "2.png"}]) for _ in range(2))
    for rows, first in ((known, b"a digit"), (other, b"another")):
        rows.root = str(tmp_path / str(id(rows)))
        Path(rows.root).mkdir()
        Path(rows.root, "0001.png").write_bytes(first)
        Path(rows.root, "2.png").write_bytes(b"of both")
    reference = reference_of(Split.of(known, INPUTS, {}), [0, 1])
    assert matches(reference, Split.of(known, INPUTS, {})).tolist() == [0, 1]
    assert matches(reference, Split.of(other, INPUTS, {})).tolist() == [-1, 1]


def test_a_label_is_no_part_of_the_key(tools, rows):
    relabelled = [{**row, "digit": "0"} for row in rows]
    assert row_keys(tools.ListRows(relabelled), INPUTS) == row_keys(rows, INPUTS)


def test_without_a_reference_nothing_is_found(split):
    assert set(matches(None, split).tolist()) == {-1}


def test_values_are_what_the_encoder_takes(split, rows):
    values = split.values([2, 0])["image"]
    np.testing.assert_array_equal(values[0], rows[2]["image"])
    np.testing.assert_array_equal(values[1], rows[0]["image"])


@pytest.mark.parametrize("label", ["7", 1.5])
def test_a_label_that_the_model_does_not_know_names_its_place(tools, rows, label):
    spoiled = [dict(row) for row in rows]
    spoiled[4]["digit"] = label
    with pytest.raises(DataError, match=r"list:5: task digit"):
        Split.of(tools.ListRows(spoiled), INPUTS, TASKS)


def test_a_missing_input_names_its_place(tools, rows):
    spoiled = [dict(row) for row in rows]
    del spoiled[4]["image"]
    split = Split.of(tools.ListRows(spoiled), INPUTS, TASKS)
    with pytest.raises(DataError, match=r"list:5: input image"):
        split.values([4])


def test_an_empty_split_is_refused(tools):
    with pytest.raises(DataError, match="empty split"):
        Split.of(tools.ListRows([]), INPUTS, TASKS)


def test_labels_of_tasks_that_a_source_does_not_have_do_not_count(rows):
    part = joined([Source("a", rows, ("digit",))])
    split = Split.of(part, INPUTS, TASKS)
    assert labelled(split.truths["digit"])
    assert not labelled(split.truths["larger"])
    assert set(np.asarray(split.truths["larger"].labels)) == {MISSING}


def test_rows_without_a_label_are_fine(tools, rows):
    unlabelled = tools.ListRows([{"image": row["image"]} for row in rows])
    assert not labelled(Split.of(unlabelled, INPUTS, TASKS).truths["digit"])
    spec = dataclasses.replace(TASKS["digit"], column="absent")
    assert not labelled(Split.of(rows, INPUTS, {"digit": spec}).truths["digit"])
