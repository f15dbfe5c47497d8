"""What an estimator of scikit-learn says of a task, as one array of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError, UsageError
from kd2edge.tasks.labels import label_text
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher.estimators import FORMS

Array = npt.NDArray[Any]
Method: TypeAlias = Literal["predict_proba", "decision_function", "predict"]

#: What is asked first where an estimator has several.
_OF_CLASSES: tuple[Method, ...] = ("predict_proba", "decision_function")


@final
@dataclass(frozen=True, slots=True)
class Question:
    """How an estimator is asked about a task.

    Args:
        estimator: fitted.
        method: which of its methods.
        output: which of its outputs, where it answers several targets; None: it has one.
    """

    estimator: Any
    method: Method
    output: int | None

    def gives(self, task: TaskSpec) -> Literal["logits", "probabilities"]:
        """What its numbers are; a decision is a probability of 0 or 1, values count as they are."""
        as_they_are = self.method == "decision_function" or FORMS[task.kind] == "value"
        return "logits" if as_they_are else "probabilities"

    def labels(self, task: TaskSpec) -> tuple[str, ...] | None:
        """The labels in the order of its numbers; None: it does not know them.

        Raises:
            UsageError: an estimator without classes for a task that has labels.
        """
        if FORMS[task.kind] == "value" or task.kind == "multi_label":
            return None
        return tuple(map(_label, self._classes(task).tolist()))

    def scores(self, table: Any, task: TaskSpec) -> Array:
        """What it says of the rows of ``table``: ``[row, label]``, or ``[row]`` of one number.

        Raises:
            DataError: numbers of another form than the task's.
        """
        found = getattr(self.estimator, self.method)(table)
        if FORMS[task.kind] == "value":
            return self._of_output(found, task)
        if task.kind == "multi_label":
            return self._of_labels(found)
        if self.method == "predict":
            decided, classes = self._of_output(found, task), self._classes(task)
            return (decided[:, None] == classes).astype(np.float32)
        if isinstance(found, list):
            found = found[self._one(task, len(found))]
        found = np.asarray(found)
        if found.ndim == 1 and FORMS[task.kind] == "distribution":
            # One number for two classes is for the second against the first.
            return np.stack([np.zeros_like(found), found], 1)
        return found

    def _of_output(self, found: Any, task: TaskSpec) -> Array:
        """``[row]`` of its only output, or of the one that is named."""
        array = np.asarray(found)
        return array if array.ndim == 1 else array[:, self._one(task, array.shape[1])]

    def _of_labels(self, found: Any) -> Array:
        """``[row, label]``: of labels that stand one by one, how likely each is."""
        if not isinstance(found, list):
            return np.asarray(found)
        return np.stack(
            [
                # Of a label that all rows of the fit had, or none, there is one column.
                one @ np.array([_is_yes(label) for label in classes], one.dtype)
                for one, classes in zip(found, self.estimator.classes_, strict=True)
            ],
            axis=1,
        )

    def _classes(self, task: TaskSpec) -> Array:
        classes = getattr(self.estimator, "classes_", None)
        if classes is None:
            raise UsageError(
                f"task {task.name}: expected a classifier, found {type(self.estimator).__name__},"
                " which has no classes"
            )
        if isinstance(classes, list):
            classes = classes[self._one(task, len(classes))]
        return np.asarray(classes)

    def _one(self, task: TaskSpec, outputs: int) -> int:
        if self.output is None and outputs == 1:
            return 0
        if self.output is None or self.output >= outputs:
            found = "none is stated" if self.output is None else f"found {self.output}"
            raise DataError(
                f"task {task.name}: the estimator has {outputs} outputs, expected which of them"
                f" answers it, {found}: state `output`, counted from 0"
            )
        return self.output


def question(
    estimator: Any, task: TaskSpec, method: Method | None, output: int | None, label: str
) -> Question:
    """How to ask a fitted estimator about a task.

    Args:
        estimator: of scikit-learn, or a pipeline.
        task: what it is to answer.
        method: which of its methods; None: probabilities where it has them, else scores, of a
            regression the values.
        output: which of several outputs.
        label: what messages call it.

    Raises:
        UsageError: it has no such method.
    """
    values = FORMS[task.kind] == "value"
    wanted: Sequence[Method] = ("predict",) if values else _OF_CLASSES
    wanted = wanted if method is None else (method,)
    found: Method | None = next((one for one in wanted if hasattr(estimator, one)), None)
    if found is None:
        decides = hasattr(estimator, "predict") and method is None
        advice = "; state `call: predict` if its bare decisions are to teach" * decides
        raise UsageError(
            f"{label}, task {task.name}: expected {' or '.join(wanted)}, found"
            f" {type(estimator).__name__} without{advice}"
        )
    several = isinstance(getattr(estimator, "classes_", None), list) or values
    if output is not None and (task.kind == "multi_label" or not several):
        raise UsageError(
            f"{label}, task {task.name}: `output` says which of several outputs answers it, and"
            " here all of them do, or there is but one: drop it"
        )
    return Question(estimator, found, output)


def _label(value: Any) -> str:
    try:
        return label_text(value)
    except ValueError:  # told as a label that the task has not
        return str(value)


def _is_yes(label: Any) -> bool:
    return bool(label == 1) or label in {"1", "true", "True"}
