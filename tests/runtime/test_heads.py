from __future__ import annotations

import numpy as np
import pytest

from kd2edge.errors import BackendError
from kd2edge.inputs.spec import Encoded, WordStarts
from kd2edge.runtime.heads import Head
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import TaskName, TaskSpec

ROWS = TaskSpec(TaskName("topic"), "classification", ("a", "b"), "accuracy")
YES = TaskSpec(TaskName("urgent"), "binary", ("no", "yes"), "accuracy")
WORDS = TaskSpec(TaskName("pos"), "token_classification", ("N", "V"), "accuracy", input="text")


def head(spec: TaskSpec) -> Head:
    return Head(spec, task_kind(spec.kind))


@pytest.mark.parametrize(("spec", "width"), [(ROWS, 2), (YES, 1)])
@pytest.mark.parametrize("rows", [1, 200])
def test_nan_is_no_answer(spec: TaskSpec, width: int, rows: int):
    logits = np.zeros((rows, width), np.float32) + 0.5
    assert len(head(spec).answers({spec.name: logits}, None, None)) == rows
    logits[-1, -1] = np.nan
    for top_k in (None, 2):
        with pytest.raises(BackendError, match=f"task '{spec.name}': the graph gives NaN"):
            head(spec).answers({spec.name: logits}, None, top_k)


def test_nan_matters_at_words_alone():
    starts = WordStarts(np.array([1, 2, -1]), np.array([0, 3]))  # the third word was cut off
    texts = (((0, 2, "up"), (3, 5, "go"), (6, 8, "on")),)
    encoded = {"text": Encoded({}, word_starts=starts, words=texts)}
    logits = np.zeros((1, 5, 2), np.float32)
    logits[0, 0] = logits[0, 4] = np.nan  # a control token and padding
    (answer,) = head(WORDS).answers({WORDS.name: logits}, encoded, None)
    assert [one["label"] for one in answer] == ["N", "N", None]
    logits[0, 2, 1] = np.nan
    with pytest.raises(BackendError, match="task 'pos': the graph gives NaN"):
        head(WORDS).answers({WORDS.name: logits}, encoded, None)
