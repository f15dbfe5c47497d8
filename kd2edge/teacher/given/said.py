"""What the numbers of a given teacher are, and how they become logits of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError, UsageError
from kd2edge.tasks.outputs import outputs_of
from kd2edge.tasks.spec import Output, TaskSpec

Numbers = npt.NDArray[np.float32]

#: How far probabilities may be off: float16 teachers round them so.
_NEAR = 1e-2
#: The least chance that has a logarithm in float32: a class of none gets -87.3, which float16
#: holds, where minus infinity would make losses NaN.
_LEAST = float(np.finfo(np.float32).tiny)
#: Labels that are named in a message.
_SHOWN = 5


@final
@dataclass(frozen=True, slots=True)
class Said:
    """What a teacher's array for a task is.

    Args:
        gives: logits, or probabilities; of values neither counts.
        labels: in the order of its numbers; none of values.
        output: the array's name in a graph; "" of an object, which names tasks.
    """

    gives: Literal["logits", "probabilities"]
    labels: tuple[str, ...]
    output: str = ""

    def own(self, task: TaskSpec) -> TaskSpec:
        """The task as the teacher has it: its labels in its order, its values in their unit."""
        return replace(task, labels=self.labels, decode={})


def require_same_labels(task: TaskSpec, labels: Sequence[str]) -> None:
    """Refuse another set of labels than the task's; their order is free.

    Raises:
        DataError: labels that are missing, unknown, or stand twice.
    """
    missing = [one for one in task.labels if one not in labels]
    unknown = [one for one in dict.fromkeys(labels) if one not in task.labels]
    twice = sorted({one for one in labels if labels.count(one) > 1})
    parts = (("missing are", missing), ("unknown are", unknown), ("twice stand", twice))
    said = [f"{what} {_listed(names)}" for what, names in parts if names]
    if said:
        raise DataError(
            f"task {task.name}: expected its {len(task.labels)} labels in the teacher's order,"
            f" found {len(labels)}: {'; '.join(said)}"
        )


def one_output(task: TaskSpec) -> Output:
    """The only array of a task's head, of rows or words.

    Raises:
        UsageError: a task of several arrays, or of other items.
    """
    found = list(outputs_of(task).values())
    if len(found) != 1 or found[0].per not in {"row", "word"}:
        raise UsageError(
            f"task {task.name} of kind {task.kind}: a given teacher answers rows or words by one"
            " array, and this kind has others: let a net teach it"
        )
    return found[0]


def logits_from(task: TaskSpec, said: Said, array: npt.NDArray[Any], label: str) -> Numbers:
    """A teacher's array as logits of its own task, in the order of its labels.

    A softmax of log-probabilities gives them back, whatever was added to the logits; of labels that
    stand one by one it is ``log p - log(1 - p)``.  Two numbers for a yes or no count as a softmax
    of both: the second one's log-odds.

    Args:
        task: the teacher's own, see :meth:`Said.own`.
        said: what the array is.
        array: ``[batch, channel]``, ``[batch, length, channel]``, or ``[batch]`` of one channel.
        label: what messages call the teacher.

    Returns:
        float32 of the same shape, with as many channels as the task's head.

    Raises:
        DataError: another number of channels, numbers that are not finite, or no probabilities.
    """
    output = one_output(task)
    found = _numbers(array, f"{label}, task {task.name}")
    if output.per == "row" and found.ndim == 1:
        found = found[:, None]
    both = output.channels == 1 and output.activation == "sigmoid" and found.shape[-1] == 2
    items = "batch" if output.per == "row" else "batch, length"
    if found.ndim != items.count(",") + 2 or not (both or found.shape[-1] == output.channels):
        raise DataError(
            f"{label}, task {task.name}: expected numbers [{items}, {output.channels}], found"
            f" {list(found.shape)}"
        )
    if said.gives == "probabilities":
        together = output.activation == "softmax" or both
        found = _from_probabilities(found, together, f"{label}, task {task.name}")
    return found[..., 1:] - found[..., :1] if both else found


def _numbers(array: npt.NDArray[Any], label: str) -> Numbers:
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"{label}: expected an array of numbers, found {array.dtype}: name the output of the"
            " scores, not of the decided label"
        )
    found = array.astype(np.float32)
    odd = np.flatnonzero(~np.isfinite(found).reshape(len(found), -1).all(1))
    if len(odd):
        raise DataError(
            f"{label}: numbers that are not finite for {len(odd)} of {len(found)} rows, the first"
            f" of them row {odd[0]} of those asked: a missing number that it does not know?"
        )
    return found


def _from_probabilities(found: Numbers, together: bool, label: str) -> Numbers:
    """Logits of chances: of classes that exclude each other together, or of each label alone."""
    low, high = (float(one) for one in (found.min(initial=0), found.max(initial=0)))
    if low < -_NEAR or high > 1 + _NEAR:
        worst = low if low < -_NEAR else high
        raise DataError(f"{label}: expected probabilities, found {worst:g}: does it give logits?")
    if not together:
        yes = np.log(np.maximum(found, _LEAST))
        return yes - np.log(np.maximum(1 - found, _LEAST))
    sums = found.sum(-1)
    off = np.abs(sums - 1)
    if off.size and off.max() > _NEAR:
        worst = float(sums.flat[int(off.argmax())])
        raise DataError(
            f"{label}: expected probabilities that sum to 1, found a sum of {worst:g}: labels that"
            " stand one by one, or another output?"
        )
    return np.log(np.maximum(found, _LEAST))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN)
    return ", ".join(map(repr, names[:_SHOWN])) + more
