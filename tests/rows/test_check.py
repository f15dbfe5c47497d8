from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from kd2edge.inputs.spec import InputSpec
from kd2edge.rows import Source, check, check_rows, joined, reading
from kd2edge.rows.jsonl import JsonlRows
from kd2edge.rows.problems import told_once
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.spec import NOTHING, TaskName, TaskSpec

TEXT = InputSpec("text", "text", ("text",))
WORDS = InputSpec("words", "tokens", ("tokens",))
MOOD = TaskSpec(TaskName("mood"), "classification", ("bad", "good"), "accuracy", column="mood")
NER = TaskSpec(
    TaskName("ner"), "token_classification", ("O", "B-x"), "accuracy", column="tags", input="words"
)


@pytest.fixture
def from_file(write):
    """Joined rows of a JSONL file with these lines."""

    def make(*rows, tasks=("mood",)):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        return joined([Source("s", JsonlRows(write("rows.jsonl", "\n".join(lines))), tasks)])

    return make


def test_a_sound_split_gives_its_label_counts(from_file):
    rows = from_file(
        {"text": "a", "mood": "good"}, {"text": "b", "mood": None}, {"text": "c", "mood": "good"}
    )
    found = check_rows("train", rows, [TEXT], [MOOD])
    assert found.problems == ()
    assert found.rows == 3
    assert found.labels == {"mood": {"bad": 0, "good": 2}}
    assert found.unlabelled == {"mood": 1}


@pytest.mark.parametrize(
    ("row", "field", "message"),
    [
        ({"text": "a", "mood": "goood"}, "task mood", "did you mean 'good'"),
        ({"text": "a", "mod": "good"}, "task mood", "no column 'mood', .*did you mean 'mod'"),
        ({"text": "a", "mood": ["good"]}, "task mood", "found a list"),
        ('{"text": "a", "mood": 0.5}', "task mood", "found the fraction 0.5"),
        ({"text": ["a"], "mood": "good"}, "input text", "list"),
        ('{"text": NaN, "mood": "good"}', "input text", "NaN"),
        ({"texts": "a", "mood": "good"}, "input text", "no column 'text', .*did you mean 'texts'"),
        ({"text": None, "mood": "good"}, "input text", "empty"),
        ('{"text": "a", "mo', "", "cut off"),
        ("[]", "", "cut off|JSON object"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(row, field, message, from_file):
    rows = from_file({"text": "a", "mood": "good"}, "", row)
    found = check_rows("train", rows, [TEXT], [MOOD])
    (problem,) = found.problems
    assert problem.file.endswith("rows.jsonl")
    assert (problem.line, problem.field) == (3, field)
    assert re.search(rf"rows\.jsonl:3: .*(?:{message})", str(problem))


def test_all_problems_are_listed_and_repeated_ones_counted(from_file):
    good = {"text": "a", "mood": "good"}
    rows = from_file(
        *[{"text": "a", "mood": "bda"}] * 3, {"text": 5, "mood": "worse"}, good, "{", good
    )
    found = check_rows("train", rows, [TEXT], [MOOD])
    assert [(problem.line, problem.field) for problem in found.problems] == [
        (1, "task mood"),
        (4, "input text"),
        (4, "task mood"),
        (6, ""),
    ]
    assert found.problems[0].message.endswith("(and in 2 more rows)")
    assert found.hidden == 0
    few = check_rows("train", rows, [TEXT], [MOOD], limit=1)
    assert (len(few.problems), few.hidden) == (1, 3)


def test_problems_that_differ_in_their_values_alone_are_listed_three_times(from_file):
    odd = [{"text": "a", "mood": value / 4} for value in (1, 2, 3, 5, 6, 3, 1)]
    found = check_rows("train", from_file(*odd, {"text": "a", "mood": [1]}), [TEXT], [MOOD])
    messages = [problem.message for problem in found.problems]
    assert [problem.line for problem in found.problems] == [1, 2, 3, 8]
    assert messages[0].endswith("the fraction 0.25 (and in 1 more row)")
    assert messages[1].endswith("the fraction 0.5")
    assert messages[2].endswith("the fraction 0.75 (and in 3 more rows like it)")
    assert found.hidden == 0


def test_a_column_of_another_type_is_one_problem_whatever_its_values(from_file):
    rows = [{"text": [letter] * (at + 1), "mood": "good"} for at, letter in enumerate("abcdefgh")]
    (problem,) = check_rows("train", from_file(*rows), [TEXT], [MOOD]).problems
    assert problem.line == 1
    assert problem.message.startswith("expected text, found a list (['a']): ")
    assert "kind: tokens" in problem.message
    assert problem.message.endswith("(and in 7 more rows like it)")


def test_what_returns_in_further_splits_is_a_place_at_the_first(from_file):
    splits = {"train": [["a"], ["b", "c"]], "validation": [["d"]], "test": [["e"], ["f"], ["g"]]}
    problems = []
    for split, values in splits.items():
        rows = from_file(*({"text": value, "mood": "good"} for value in values))
        problems += check_rows(split, rows, [TEXT], [MOOD]).problems
    assert len(problems) == 3
    (told,) = told_once(problems)
    assert told.message.count("likewise ") == 2
    assert told.message.endswith("rows.jsonl:1 (and in 2 more rows like it)")
    other = [replace(problem, field="input other") for problem in problems[:1]]
    assert len(told_once([*problems, *other])) == 2


def test_words_and_labels_must_match(from_file):
    rows = from_file(
        {"tokens": ["a", "b"], "tags": ["O", "B-x"]},
        {"tokens": ["a", "b"], "tags": ["O"]},
        {"tokens": ["a", "b"], "tags": None},
        {"tokens": "a b", "tags": ["O", "O"]},
        {"tokens": ["a", "b"], "tags": ["O", "B-y"]},
        tasks=("ner",),
    )
    found = check_rows("train", rows, [WORDS], [NER])
    assert [problem.line for problem in found.problems] == [2, 4, 5]
    assert "2 words, 1 labels" in found.problems[0].message
    assert "word 2: unknown label 'B-y'" in found.problems[2].message
    assert found.labels["ner"] == {"O": 3, "B-x": 1}
    assert found.unlabelled["ner"] == 1


def test_a_label_counts_only_for_the_tasks_that_its_source_lists(list_rows):
    rows = joined(
        [
            Source("with", list_rows([{"text": "a", "mood": "bad"}], "with"), ("mood",)),
            Source("without", list_rows([{"text": "b", "mood": "bad"}, {"text": "c"}], "without")),
        ]
    )
    found = check_rows("train", rows, [TEXT], [MOOD])
    assert found.problems == ()
    assert found.labels["mood"]["bad"] == 1
    assert found.unlabelled["mood"] == 2


def test_unlabelled_rows_of_other_columns_are_told_how_to_rename_them(list_rows):
    own = {"id": 1, "review": "a"}
    rows = joined(
        [
            Source("mine", list_rows([{"text": "a", "mood": "bad"}], "mine"), ("mood",)),
            Source("more", list_rows([own], "more")),
        ]
    )
    (problem,) = check_rows("train", rows, [TEXT], [MOOD]).problems
    assert "in the unlabelled source 'more', as in columns: {text: review}" in problem.message
    renamed = joined([Source("more", list_rows([own], "more"), columns={"text": "review"})])
    assert not check_rows("train", renamed, [TEXT], []).problems
    labelled = joined([Source("more", list_rows([own], "more"), ("mood",))])
    (problem,) = check_rows("train", labelled, [TEXT], []).problems
    assert "unlabelled" not in problem.message


def test_half_a_surrogate_pair_is_a_problem_of_its_row(from_file, join_lists):
    half = "caf\ud83d"
    found = check_rows("train", from_file({"text": "a"}, {"text": half}), [TEXT], [])
    assert [problem.line for problem in found.problems] == [2]
    assert "half a surrogate pair" in found.problems[0].message
    rows = join_lists([{"tokens": ["a", half]}, {"tokens": ["a", "\U0001f642"]}])
    found = check_rows("train", rows, [WORDS], [])
    assert [problem.line for problem in found.problems] == [1]


def test_images_that_cannot_be_encoded_are_problems_of_their_rows(join_lists):
    pictures = ([[0] * 4] * 4, [[0] * 5] * 4, [[0] * 4] * 4, [[0.5] * 4] * 4)
    rows = join_lists([{"image": picture} for picture in pictures])
    spec = InputSpec("image", "image", ("image",), {"size": [4, 4], "channels": 1})
    found = check_rows("train", rows, [spec], []).problems
    assert [problem.line for problem in found] == [2, 4]
    assert "found 4 x 5; resize the image" in found[0].message
    assert "found float64" in found[1].message


def test_a_fault_that_two_inputs_of_a_column_have_is_told_once(join_lists):
    rows = join_lists([{"text": 5}])
    (problem,) = check_rows("train", rows, [TEXT, replace(TEXT, name="other")], []).problems
    assert problem.field == "input text"


def test_an_empty_split_and_a_task_without_labels_are_problems(from_file, join_lists):
    (empty,) = check_rows("validation", join_lists([]), [TEXT], [MOOD]).problems
    assert empty.message == "split validation has no rows"
    rows = from_file({"text": "a", "mood": "good"}, tasks=("other",))
    (unlabelled,) = check_rows("test", rows, [TEXT], [MOOD]).problems
    assert unlabelled.field == "task mood"
    assert "name the task in the `tasks` of a source" in unlabelled.message
    rows = from_file({"text": "a", "mood": None})
    (unlabelled,) = check_rows("test", rows, [TEXT], [MOOD]).problems
    assert unlabelled.field == "task mood"
    assert "column 'mood' is empty in every row of split test: remove" in unlabelled.message


def test_lists_of_objects_are_counted_by_the_label_of_each(from_file, monkeypatch):
    class Things(TaskKind):
        """A task kind whose targets are objects: label, position."""

        per = "object"

        def target(self, spec, value):
            if value is None:
                return None
            found = [spec.labels.index(label) for label, _ in value]
            return {"labels": np.array(found or [NOTHING])}

    Things.__abstractmethods__ = frozenset()
    spec = TaskSpec(TaskName("things"), "things", ("a", "b"), "accuracy", column="things")
    for module in (check, reading):
        monkeypatch.setattr(module, "task_kind", lambda name: Things())
    rows = from_file(
        {"text": "x", "things": [["b", 7], ["a", 9], ["b", 1]]},
        {"text": "y", "things": []},
        {"text": "z", "things": None},
        tasks=("things",),
    )
    found = check_rows("train", rows, [TEXT], [spec])
    assert found.problems == ()
    assert found.labels == {"things": {"a": 1, "b": 2}}
    assert found.unlabelled == {"things": 1}


def test_what_one_setting_remedies_is_one_problem_whatever_the_values(from_file):
    """Pictures of many sizes: each row and split has other numbers, and one line says it all."""
    spec = InputSpec("image", "image", ("image",), {"size": [2, 2], "channels": 1})
    found = []
    for split, widths in (("train", range(7, 12)), ("test", range(19, 22))):
        rows = from_file(*({"image": [[0] * width] * 6} for width in widths))
        found.append(check_rows(split, rows, [spec], []).problems)
    assert [len(problems) for problems in found] == [1, 1]
    (told,) = told_once(problem for problems in found for problem in problems)
    assert "state `resize: true`" in told.message
    assert "(and in 4 more rows like it)" in told.message
    assert told.message.count("likewise ") == 1
