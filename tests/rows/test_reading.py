from __future__ import annotations

import numpy as np
import pytest

from kd2edge.errors import DataError
from kd2edge.inputs.spec import InputSpec
from kd2edge.rows import Source, input_of, joined, labels_of, target_of, targets_of
from kd2edge.tasks.spec import MISSING, TaskName, TaskSpec


def task(name="mood", kind="classification", labels=(), column=None):
    return TaskSpec(TaskName(name), kind, tuple(labels), "accuracy", column=column or name)


def test_targets_are_missing_where_the_source_does_not_list_the_task(list_rows):
    rows = joined(
        [
            Source("a", list_rows([{"mood": "x"}, {"mood": None}], "a"), ("mood",)),
            Source("b", list_rows([{"mood": "x"}, {}], "b"), ("tags",)),
        ]
    )
    found = targets_of(rows, [task(labels="yx")])
    assert [int(target) for target in found["mood"]] == [1, MISSING, MISSING, MISSING]


def test_an_absent_column_is_no_missing_label(join_lists):
    rows = join_lists([{"mood": "x"}, {"mod": "x"}], "mood")
    with pytest.raises(DataError, match=r"rows\.jsonl:2: task mood: no column 'mood', the row has"):
        targets_of(rows, [task(labels="x")])


def test_targets_of_words_are_arrays(join_lists):
    rows = join_lists([{"tags": ["O", None, "B"]}, {"tags": None}], "tags")
    spec = task("tags", "token_classification", ("O", "B"))
    first = target_of(rows, 0, rows[0], spec)
    assert np.asarray(first).tolist() == [0, MISSING, 1]
    assert target_of(rows, 1, rows[1], spec) == MISSING


def test_an_input_that_cannot_be_read_is_named_with_its_place(join_lists):
    rows = join_lists([{"text": "a"}, {"text": 3}])
    spec = InputSpec("text", "text", ("text",))
    assert input_of(rows, 0, rows[0], spec) == "a"
    with pytest.raises(DataError, match=r"rows\.jsonl:2: input text: .*"):
        input_of(rows, 1, rows[1], spec)


def test_labels_are_those_that_count_in_a_stable_order(list_rows):
    rows = joined(
        [
            Source(
                "a",
                list_rows([{"n": 10, "tags": ["O", "B"]}, {"n": "9", "tags": None}]),
                ("n", "tags"),
            ),
            Source("b", list_rows([{"n": 3, "tags": ["I", None]}]), ("tags",)),
        ]
    )
    specs = [task("n"), task("tags", "token_classification")]
    assert labels_of(rows, specs) == {"n": ("9", "10"), "tags": ("B", "I", "O")}


def test_labels_pass_over_what_check_rows_reports(write):
    from kd2edge.rows.jsonl import JsonlRows

    rows = joined(
        [
            Source(
                "s", JsonlRows(write("r.jsonl", '{"n": "a"}\n{"n"\n{"n": 1.5}\n{"n": "b"}')), ("n",)
            )
        ]
    )
    assert labels_of(rows, [task("n")]) == {"n": ("a", "b")}


@pytest.mark.parametrize("kind", ["classification", "token_classification"])
def test_a_column_of_one_label_leaves_nothing_to_decide(kind, join_lists):
    value = ["x", "x"] if kind == "token_classification" else "x"
    rows = join_lists([{"mood": value}, {"mood": None}, {"mood": value}], "mood")
    with pytest.raises(DataError, match="at least two labels, column 'mood' holds only 'x'"):
        labels_of(rows, [task(kind=kind)])


def test_a_task_that_the_data_lacks_is_named(join_lists):
    with pytest.raises(DataError, match="task mood: rows.jsonl:1: no column 'mood'.*mean 'mod'"):
        labels_of(join_lists([{"mod": "a"}], "mood"), [task()])
    with pytest.raises(DataError, match="column 'mood' holds no label in any row"):
        labels_of(join_lists([{"mood": None}], "mood"), [task()])
    with pytest.raises(DataError, match="no source lists it"):
        labels_of(join_lists([{"mood": "a"}]), [task()])
