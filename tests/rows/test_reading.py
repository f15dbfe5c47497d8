from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kd2edge.errors import DataError
from kd2edge.rows import Source, joined, labels_of, open_rows
from kd2edge.rows.reading import read_target
from kd2edge.tasks.spec import MISSING, TaskName, TaskSpec


def task(name="mood", kind="classification", labels=(), column=None):
    return TaskSpec(TaskName(name), kind, tuple(labels), "accuracy", column=column or name)


def _class(target) -> int:
    return -100 if target is None else int(target["labels"])


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


VALUES = [0, 1, 1, None, 0, None]
FLAGS = [True, False, None, True, False, None]


def sources(folder):
    """The same labels as each kind of source holds them."""
    import pandas as pd

    frame = pd.DataFrame({"text": list("abcdef"), "n": VALUES, "flag": FLAGS})  # n: floats
    frame.to_csv(folder / "gaps.csv", index=False)
    frame.astype({"n": "Int64"}).to_csv(folder / "whole.csv", index=False)
    frame.to_parquet(folder / "floats.parquet")
    frame.astype({"n": "Int64", "flag": "boolean"}).to_parquet(folder / "whole.parquet")
    rows = zip("abcdef", VALUES, FLAGS, strict=True)
    lines = [{"text": text, "n": n, "flag": flag} for text, n, flag in rows]
    (folder / "null.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in lines))
    nan = [{**row, "n": float("nan" if row["n"] is None else row["n"])} for row in lines]
    (folder / "nan.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in nan))
    made = [
        f"text,n,flag\n{''.join(f'{row},{n},{flag}' + chr(10) for row, n, flag in cells)}"
        for cells in (
            [("a", "0.0", "TRUE"), ("b", "1", "FALSE"), ("c", "1", ""), ("d", " ", "TRUE")]
            + [("e", "0", "false"), ("f", "", " ")],
        )
    ]
    (folder / "sheet.csv").write_text(made[0])
    return sorted(path for path in folder.iterdir())


def test_every_kind_of_source_gives_the_same_labels_for_the_same_values(tmp_path):
    specs = [task("n"), task("flag", "binary")]
    found = set()
    paths = sources(tmp_path)
    assert len(paths) == 7
    for path in paths:
        rows = joined([Source("s", open_rows(path.suffix[1:], path), ("n", "flag"))])
        assert labels_of(rows, specs) == {"n": ("0", "1"), "flag": ("false", "true")}, path
        whole = [replace(one, labels=labels_of(rows, specs)[one.name]) for one in specs]
        found.add(
            tuple(_class(read_target(row, one, counts=True)) for row in rows for one in whole)
        )
    joint = [Source(path.name, open_rows(path.suffix[1:], path), ("n", "flag")) for path in paths]
    assert labels_of(joined(joint), specs) == {"n": ("0", "1"), "flag": ("false", "true")}
    assert len(found) == 1
    assert list(found.pop()) == [0, 1, 1, 0, 1, MISSING, MISSING, 1, 0, 0, MISSING, MISSING]


def test_a_label_that_equals_another_type_of_label_is_one_of_its_own(join_lists):
    rows = join_lists([{"mood": True}, {"mood": 1}, {"mood": "1.0"}], "mood")
    assert labels_of(rows, [task()]) == {"mood": ("1", "true")}


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


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["no", "yes", "yes "], "'yes' and 'yes ' differ in blanks alone: write them alike"),
        (["0", "1", "1,0"], "'1' and '1,0' differ in number form alone"),
        (["0", "1", "\uff11"], r"'1' and '\\uff11' differ in Unicode form alone"),
        (["0", "1", "nan"], "'nan' looks like a missing label: leave its value empty"),
        (["0", "1", "2"], "or use classification$"),
    ],
)
def test_a_third_label_that_looks_like_one_of_two_is_said_to(labels, words, join_lists):
    rows = join_lists([{"mood": label} for label in labels], "mood")
    with pytest.raises(DataError, match=words):
        labels_of(rows, [task(kind="binary")])


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
    with pytest.raises(DataError, match="'mood' holds lists; .*kind multi_label"):
        labels_of(join_lists([{"mood": None}, {"mood": ["O", "B-x"]}], "mood"), [task()])


def test_whole_numbers_with_gaps_are_labels_as_a_data_frame_writes_them(join_lists):
    rows = join_lists([{"mood": 5.0}, {"mood": None}, {"mood": 10.0}], "mood")
    assert labels_of(rows, [task()]) == {"mood": ("5", "10")}
