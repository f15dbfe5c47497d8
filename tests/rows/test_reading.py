from __future__ import annotations

import pytest

from kd2edge.errors import DataError
from kd2edge.rows import Source, joined, labels_of
from kd2edge.tasks.spec import TaskName, TaskSpec


def task(name="mood", kind="classification", labels=(), column=None):
    return TaskSpec(TaskName(name), kind, tuple(labels), "accuracy", column=column or name)


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
    with pytest.raises(DataError, match=r"rows.jsonl:2: column 'mood': .*found the fraction 1.5"):
        labels_of(join_lists([{"mood": None}, {"mood": 1.5}], "mood"), [task()])
    with pytest.raises(DataError, match=r"rows.jsonl:2: column 'mood': .*found the fraction 1.5"):
        labels_of(join_lists([{"mood": "a"}, {"mood": 1.5}], "mood"), [task()])
    with pytest.raises(DataError, match="no source lists it"):
        labels_of(join_lists([{"mood": "a"}]), [task()])


def test_a_column_that_does_not_suit_the_kind_is_named_with_what_does(join_lists):
    with pytest.raises(DataError, match="'mood' holds text, expected a list of labels, one a word"):
        labels_of(
            join_lists([{"mood": "O O"}, {"mood": "O B-x"}], "mood"),
            [task(kind="token_classification")],
        )
    with pytest.raises(DataError, match="'mood' holds lists; .*kind token_classification"):
        labels_of(join_lists([{"mood": None}, {"mood": ["O", "B-x"]}], "mood"), [task()])


def test_whole_numbers_with_gaps_are_labels_as_a_data_frame_writes_them(join_lists):
    rows = join_lists([{"mood": 5.0}, {"mood": None}, {"mood": 10.0}], "mood")
    assert labels_of(rows, [task()]) == {"mood": ("5", "10")}
