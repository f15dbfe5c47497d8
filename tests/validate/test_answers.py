from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.ragged import Ragged
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.origin import Origin
from kd2edge.tasks.spec import TaskName, TaskSpec
from kd2edge.validate.answers import odd_answers

TAGS = ("O", "B-x", "I-x", "E-x", "S-x", "B-y", "I-y")
SPECS = {
    "classification": TaskSpec(TaskName("t"), "classification", ("a", "b", "c"), "accuracy"),
    "best two": TaskSpec(
        TaskName("t"), "classification", ("a", "b", "c"), "accuracy", decode={"top_k": 2}
    ),
    "binary": TaskSpec(TaskName("t"), "binary", ("no", "yes"), "accuracy"),
    "labels": TaskSpec(TaskName("t"), "multi_label", ("a", "b", "c"), "micro_f1"),
    "levels": TaskSpec(TaskName("t"), "ordinal", ("1", "2", "3"), "level_mae"),
    "values": TaskSpec(
        TaskName("t"), "regression", (), "mae", decode={"mean": 300.0, "spread": 50.0}
    ),
    "tags": TaskSpec(TaskName("t"), "token_classification", TAGS, "accuracy", input="text"),
    "words": TaskSpec(TaskName("t"), "token_classification", ("N", "V"), "accuracy", input="text"),
}


def said(name: str, seed: int, rows: int = 6):
    """Decisions of random logits, what the task kind answers, and the words."""
    spec = SPECS[name]
    kind, random = task_kind(spec.kind), np.random.default_rng(seed)
    (output,) = kind.outputs(spec)
    channels = output.channels
    if not kind.per_word:
        decoded = kind.decode(spec, random.normal(size=(rows, channels)))
        return spec, decoded, kind.answers(spec, decoded), None
    lengths = random.integers(0, 7, rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    logits = random.normal(size=(int(offsets[-1]), channels))
    logits[random.random(len(logits)) < 0.1] = np.nan  # cut off
    words = [[(4 * at, 4 * at + 3, "abc") for at in range(length)] for length in lengths]
    decoded = kind.decode(spec, Ragged(logits, offsets))
    return spec, decoded, kind.answers(spec, decoded, origin=Origin(words)), words


@given(st.sampled_from(sorted(SPECS)), st.integers(0, 2000))
def test_what_a_task_kind_answers_is_what_was_decided(name, seed):
    spec, decoded, expected, words = said(name, seed)
    assert list(odd_answers(spec, decoded, expected, expected, words)) == []


@pytest.mark.parametrize("name", sorted(SPECS.keys() - {"values"}))
def test_rounding_of_a_score_is_no_fault_and_more_is(name):
    spec, decoded, expected, words = said(name, 3)

    def moved(by):
        return [
            [{**one, "score": one["score"] + by} for one in answer]
            if isinstance(answer, list)
            else {**answer, "score": answer["score"] + by}
            for answer in expected
        ]

    assert list(odd_answers(spec, decoded, expected, moved(1e-5), words)) == []
    odd = dict(odd_answers(spec, decoded, expected, moved(1e-2), words))
    assert set(odd) == {at for at, answer in enumerate(expected) if answer}


def test_a_value_that_is_not_the_decided_one_is_odd():
    spec, decoded, expected, words = said("values", 3)
    found = [*expected]
    found[2] = {"value": expected[2]["value"] + 0.1}
    assert [at for at, _ in odd_answers(spec, decoded, expected, found, words)] == [2]
    assert [at for at, _ in odd_answers(spec, decoded, found, found, words)] == [2]


@given(st.integers(0, 500))
def test_an_entity_that_is_lost_by_task_kind_and_short_cut_alike_is_seen(seed):
    spec, decoded, expected, words = said("tags", seed)
    for row, answer in enumerate(expected):
        for lost in range(len(answer)):
            less = [*expected]
            less[row] = [*answer[:lost], *answer[lost + 1 :]]
            assert [at for at, _ in odd_answers(spec, decoded, less, less, words)] == [row]


def test_an_entity_that_swallows_its_neighbour_is_seen():
    spec = SPECS["tags"]
    labels = np.array([1, 2, 1, 0], np.int64)  # B-x I-x B-x O
    logits = np.eye(len(TAGS))[labels] * 9
    decoded = task_kind(spec.kind).decode(spec, Ragged(logits, np.array([0, 4])))
    words = [[(0, 1, "a"), (2, 3, "b"), (4, 5, "c"), (6, 7, "d")]]
    one = {"start": 0, "end": 5, "label": "x", "score": 0.9, "text": "a b c"}
    (found,) = odd_answers(spec, decoded, [[one]], [[one]], words)
    assert found[0] == 0
    assert "decided was" in found[1]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("classification", lambda answer: [{**answer[0], "label": "z"}]),
        ("classification", lambda answer: answer * 2),
        ("classification", lambda answer: [{"name": answer[0]["label"], "score": 0.5}]),
        ("best two", lambda answer: answer[::-1]),
        ("binary", lambda answer: {**answer, "label": None}),
        ("words", lambda answer: answer[:-1]),
    ],
)
def test_any_other_answer_is_odd(name, change):
    spec, decoded, expected, words = said(name, 5)
    row = next(at for at, answer in enumerate(expected) if answer)
    found = [*expected]
    found[row] = change(expected[row])
    assert [at for at, _ in odd_answers(spec, decoded, expected, found, words)] == [row]
