"""The arrays of a task's head: what graphs, caches and references call them, the items in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kd2edge.ragged import Column, Ragged, offsets_of
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.origin import NO_ORIGIN, Origin
from kd2edge.tasks.spans import Word
from kd2edge.tasks.spec import Columns, Logits, Output, TaskSpec

#: Positions of words, and the offset of each row's first one: ``inputs``' ``WordStarts`` (neither
#: package imports the other) or a :class:`Ragged`.
Starts = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]


def gather_words(logits: npt.NDArray[np.floating[Any]], word_starts: Starts) -> Ragged:
    """Logits of each word's first sub-word.

    Args:
        logits: ``[batch, length, C]`` over sub-words.
        word_starts: positions in ``length`` ``[all words]``, -1 for a word without one (cut
            off by the length limit), and ``[batch + 1]`` offsets of the rows in them.

    Returns:
        Ragged ``[word, C]``; NaN for a word without a position.
    """
    starts, offsets = word_starts
    owners = Ragged(starts, offsets).owners
    values = logits[owners, starts]  # a start of -1 takes the last position, and is overwritten
    values[starts < 0] = np.nan
    return Ragged(values, offsets)


class Encoded(Protocol):
    """What rows of an input say of their items; ``inputs.spec.Encoded`` is one."""

    @property
    def word_starts(self) -> Starts | None:
        """Where the words begin; None for inputs without words."""
        ...

    @property
    def words(self) -> Sequence[Sequence[Word]] | None:
        """The words of every row; None for inputs without words."""
        ...

    @property
    def size(self) -> npt.NDArray[np.int64] | None:
        """Height and width that pictures had ``[row, 2]``, if they were others."""
        ...

    @property
    def lengths(self) -> npt.NDArray[np.int64] | None:
        """How many positions each row has ``[row]``; None for inputs without frames."""
        ...


def outputs_of(spec: TaskSpec) -> dict[str, Output]:
    """Name of each array of a task's head -> what it is, in order.

    The only array bears the name of the task, several those of their outputs behind it.
    """
    outputs = task_kind(spec.kind).outputs(spec)
    return {f"{spec.name}.{one.name}" if one.name else str(spec.name): one for one in outputs}


def arrays_of(tasks: Iterable[TaskSpec]) -> dict[str, tuple[TaskSpec, Output]]:
    """Name of each array of several heads -> its task, and what it is."""
    return {name: (spec, one) for spec in tasks for name, one in outputs_of(spec).items()}


def items_of(
    spec: TaskSpec, output: Output, array: npt.NDArray[Any], encoded: Mapping[str, Encoded] | None
) -> Column:
    """An array of a graph as its task counts: ``[row, ..., channel]``, ragged over words or frames.

    Args:
        spec: the task.
        output: what the array is.
        array: ``[batch, ..., channel]`` as the graph gives it.
        encoded: what the rows are; not needed where no row has items of its own number.

    Raises:
        ValueError: rows that do not know their words or lengths.
    """
    if output.per not in {"word", "frame"}:
        return array
    own = None if encoded is None else encoded[spec.input]
    if output.per == "word" and own is not None and own.word_starts is not None:
        return gather_words(array, own.word_starts)
    if output.per == "frame" and own is not None and own.lengths is not None:
        counts = output.frames(own.lengths)
        return Ragged(array[np.arange(array.shape[1]) < counts[:, None]], offsets_of(counts))
    what = {"word": "words", "frame": "lengths"}[output.per]
    raise ValueError(f"task {spec.name}: expected rows of {spec.input!r} that know their {what}")


def cut_to(output: Output, array: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    """An array without what stands behind the first ``length`` positions of its input."""
    if output.per not in {"word", "frame"}:
        return array
    return array[:, : -(-length // output.stride)]


def all_items(
    spec: TaskSpec, arrays: Mapping[str, npt.NDArray[Any]], encoded: Mapping[str, Encoded] | None
) -> dict[str, Column]:
    """The items of every array of a task's head, by its name.

    Args:
        spec: the task.
        arrays: what the graph gives; arrays of other tasks may be among them.
        encoded: what the rows are; not needed where no word counts.
    """
    return {
        name: items_of(spec, output, arrays[name], encoded)
        for name, output in outputs_of(spec).items()
    }


def origin_of(spec: TaskSpec, encoded: Mapping[str, Encoded] | None) -> Origin:
    """What rows were, for answers of a task that decides what stands in one input."""
    if encoded is None or spec.input not in encoded:
        return NO_ORIGIN
    own = encoded[spec.input]
    return Origin(own.words, own.size)


def asked_of(
    spec: TaskSpec, output: Output, array: npt.NDArray[Any], encoded: Mapping[str, Encoded] | None
) -> Column:
    """The same without what nothing is asked of: words that were cut off.

    Args:
        spec: the task.
        output: what the array is.
        array: ``[batch, ..., channel]`` as the graph gives it.
        encoded: what the rows are; not needed where no word counts.
    """
    items = items_of(spec, output, array, encoded)
    if not isinstance(items, Ragged) or encoded is None:
        return items
    starts = encoded[spec.input].word_starts
    kept = np.asarray(starts[0]) >= 0 if starts is not None else np.ones(len(items.values), bool)
    lengths = np.bincount(items.owners[kept], minlength=items.rows)
    return Ragged(items.values[kept], offsets_of(lengths))


def logits_of(spec: TaskSpec, arrays: Mapping[str, Any]) -> Logits:
    """What a task's kind decodes: its only array, or all of them as columns.

    Args:
        spec: the task.
        arrays: array -> its items, see :func:`items_of`; those of other tasks may be among them.
    """
    outputs = outputs_of(spec)
    if len(outputs) == 1:
        return arrays[str(spec.name)]
    return Columns({one.name: arrays[name] for name, one in outputs.items()})
