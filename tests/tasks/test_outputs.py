from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from kd2edge.errors import UsageError
from kd2edge.inputs.spec import Encoded, WordStarts
from kd2edge.nets import build_net
from kd2edge.ragged import Ragged
from kd2edge.tasks import TASK_KINDS, Decoded, TaskName, TaskSpec
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.outputs import all_items, arrays_of, asked_of, logits_of, outputs_of
from kd2edge.tasks.spec import Columns, Logits, Output
from nets.tiny import IMAGE, MODELS

WORDS = TaskSpec(TaskName("pos"), "token_classification", ("N", "V"), "accuracy", input="text")
PAIR = TaskSpec(TaskName("pair"), "two", ("a", "b"), "accuracy", input="text")


class Two(TaskKind):
    """A class a row, and a number for every word."""

    name = "two"
    default_metrics = ("accuracy",)

    def outputs(self, spec: TaskSpec) -> tuple[Output, ...]:
        return (Output(len(spec.labels), "softmax", name="classes"), Output(1, "none", "word", "n"))

    def decode(self, spec: TaskSpec, logits: Logits) -> Decoded:
        assert isinstance(logits, Columns)
        classes = np.asarray(logits["classes"]).argmax(-1)
        return Decoded(classes, numbers=logits["n"])


Two.__abstractmethods__ = frozenset()
TWO: TaskKind = cast("Any", Two)()
ENCODED = {"text": Encoded({}, WordStarts(np.array([1, 2, -1]), np.array([0, 1, 3])))}


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kd2edge.tasks.kinds.TASK_KINDS", {**TASK_KINDS, "two": TWO})


def test_the_only_array_of_a_kind_bears_the_name_of_its_task() -> None:
    for name, kind in TASK_KINDS.items():
        labels = ("no", "yes") if name == "binary" else ("a", "b", "c")
        spec = TaskSpec(TaskName("t"), name, labels, kind.default_metrics[0])
        assert list(outputs_of(spec)) == ["t"], name


@pytest.mark.usefixtures("two")
def test_of_several_arrays_each_has_a_name_behind_the_task_s() -> None:
    assert list(arrays_of([PAIR, WORDS])) == ["pair.classes", "pair.n", "pos"]
    assert arrays_of([PAIR])["pair.n"] == (PAIR, Output(1, "none", "word", "n"))


@pytest.mark.usefixtures("two")
def test_a_kind_of_several_arrays_decodes_them_as_columns() -> None:
    arrays = {
        "pos": np.zeros((2, 4, 2)),
        "pair.classes": np.array([[0.0, 1.0], [1.0, 0.0]]),
        "pair.n": np.arange(8.0).reshape(2, 4, 1),
    }
    items = all_items(PAIR, arrays, ENCODED)
    decoded = TWO.decode(PAIR, logits_of(PAIR, items))
    assert np.asarray(decoded.labels).tolist() == [1, 0]
    numbers = decoded["numbers"]
    assert isinstance(numbers, Ragged)
    assert numbers.row(0).tolist() == [[1.0]]
    assert numbers.row(1)[0].tolist() == [6.0]
    assert np.isnan(numbers.row(1)[1]).all()  # it was cut off


def test_of_words_that_were_cut_off_nothing_is_asked() -> None:
    (output,) = outputs_of(WORDS).values()
    asked = asked_of(WORDS, output, np.ones((2, 4, 2)), ENCODED)
    assert isinstance(asked, Ragged)
    assert asked.lengths.tolist() == [1, 1]
    assert np.isfinite(asked.values).all()


@pytest.mark.usefixtures("two")
def test_words_are_needed_to_read_an_array_that_has_one_item_a_word() -> None:
    with pytest.raises(ValueError, match="rows of 'text' that know their words"):
        all_items(PAIR, {"pair.classes": np.ones((1, 2)), "pair.n": np.ones((1, 3, 1))}, None)


@pytest.mark.usefixtures("two")
def test_two_arrays_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from kd2edge.nets.heads import kinds

    monkeypatch.setattr(kinds, "HEADS", {**kinds.HEADS, "two": kinds.HEADS["binary"]})
    monkeypatch.setattr(Two, "outputs", lambda *_: (Output(2, "softmax", name="n"),))
    other = TaskSpec(TaskName("pair.n"), "classification", ("a", "b"), "accuracy")
    with pytest.raises(UsageError, match="tasks pair, pair.n: two outputs .* called 'pair.n'"):
        build_net(MODELS["cnn"], [IMAGE], [PAIR, other])
