"""Reads a whole split once: everything that is wrong with it, and how often each label occurs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError, Problem
from kd2edge.inputs.absent import NO_INPUT
from kd2edge.inputs.kind import Encoder
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import InputSpec
from kd2edge.ragged import listed
from kd2edge.rows.join import JoinedRows
from kd2edge.rows.problems import is_one_mistake, kind_of_problem
from kd2edge.rows.reading import read_input, read_target
from kd2edge.rows.rows import Row
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.labels import is_missing
from kd2edge.tasks.schemes import Beginnings, beginnings
from kd2edge.tasks.spans import are_tags
from kd2edge.tasks.spec import MISSING, Target, TaskName, TaskSpec, is_stated

#: How many messages are listed that differ in their values alone.
_SHOWN_ALIKE = 3


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the values of a task lie: their mean, standard deviation, and ends."""

    mean: float
    deviation: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class SplitCheck:
    """What a walk over a split found.

    Args:
        split: its name.
        rows: how many it has.
        problems: the first ones, each with its file and line; one that returns in other rows stands
            once and says in how many; of those that differ in their values alone stand three.
        hidden: further problems that are not listed.
        labels: task -> label -> items (rows, or words) that have it, for every label of the task.
        unlabelled: task -> rows without a label of it.
        labelled: task -> whether each row has a label of it ``[row]``.
        first: task -> label -> the first row that has it, for the labels that occur.
        blank: task -> rows with a label of blanks or NaN, which counts as missing, and the first.
        beginnings: task whose labels are tags -> source -> how its entities begin.
        spreads: task of values -> where they lie, if any row has one.
    """

    split: str
    rows: int
    problems: tuple[Problem, ...]
    hidden: int
    labels: Mapping[TaskName, Mapping[str, int]]
    unlabelled: Mapping[TaskName, int]
    labelled: Mapping[TaskName, npt.NDArray[np.bool_]]
    first: Mapping[TaskName, Mapping[str, int]]
    blank: Mapping[TaskName, tuple[int, int]]
    beginnings: Mapping[TaskName, Mapping[str, Beginnings]]
    spreads: Mapping[TaskName, Spread] = field(default_factory=dict[TaskName, Spread])

    def any_labelled(self, tasks: Iterable[str]) -> npt.NDArray[np.bool_]:
        """``[row]`` whether it has a label of at least one of these tasks."""
        return np.any([self.labelled[TaskName(task)] for task in tasks], axis=0)

    def labelled_rows(self, tasks: Iterable[str]) -> int:
        """How many rows have a label of at least one of these tasks."""
        return int(self.any_labelled(tasks).sum())


def check_rows(
    split: str,
    rows: JoinedRows,
    inputs: Sequence[InputSpec],
    tasks: Sequence[TaskSpec],
    *,
    cutters: Mapping[str, Encoder] = MappingProxyType({}),
    limit: int = 20,
) -> SplitCheck:
    """Read every row's inputs and targets.

    Finds lines that cannot be parsed, missing columns, unknown labels, NaN, wrong types, images
    of another size, a number of labels that is not the number of words, a task without any label,
    and an empty split.

    Args:
        split: its name, for messages.
        rows: the joined rows.
        inputs: the inputs of the models.
        tasks: the tasks, their labels known.
        cutters: input -> the encoder that cuts its raw text, where tasks label the words of it.
        limit: how many problems to list.
    """
    walk = _Walk(rows, inputs, tasks, cutters)
    for position in range(len(rows)):
        walk.visit(position)
    problems = [*walk.problems(), *_lacking(split, rows, walk, tasks)]
    return SplitCheck(
        split=split,
        rows=len(rows),
        problems=tuple(problems[:limit]),
        hidden=max(len(problems) - limit, 0),
        labels={
            task.name: dict(zip(task.labels, walk.counts[task.name].tolist(), strict=True))
            for task in tasks
        },
        unlabelled=dict(walk.unlabelled),
        labelled=dict(walk.labelled),
        first={
            task.name: {task.labels[index]: at for index, at in walk.first[task.name].items()}
            for task in tasks
        },
        blank=dict(walk.blank),
        beginnings=dict(walk.beginnings),
        spreads={name: _spread(values) for name, values in walk.values.items() if values},
    )


def _lacking(
    split: str, rows: JoinedRows, walk: _Walk, tasks: Sequence[TaskSpec]
) -> Iterator[Problem]:
    if not len(rows):
        yield Problem(f"split {split} has no rows")
        return
    for name, count in walk.absent.items():
        if count == len(rows):
            yield Problem(
                f"no row of split {split} has the input {name!r}: name another column, or drop it",
                field=f"input {name}",
            )
    for task in tasks:
        if walk.unlabelled[task.name] == len(rows):
            yield Problem(
                f"column {task.column!r} is empty in every row of split {split}: remove the task, "
                "or name another column or file"
                if walk.counted[task.name]
                else f"split {split}: no row has a label; name the task in the `tasks` of a source",
                field=f"task {task.name}",
            )


def _spread(values: Sequence[float]) -> Spread:
    found = np.array(values, np.float64)
    return Spread(*(float(part) for part in (found.mean(), found.std(), found.min(), found.max())))


def _is_blank(value: Any) -> bool:
    """Whether a label, or one of a list, is missing without being None."""
    parts = listed(value)
    return any(
        part is not None and is_missing(part) for part in ([value] if parts is None else parts)
    )


@final
@dataclass(slots=True)
class _Found:
    """A problem at its first row, and the further rows that it stands for."""

    problem: Problem
    same: int = 0
    like_it: int = 0

    def told(self) -> Problem:
        """The problem, with its further rows in the message."""
        more = self.same + self.like_it
        if not more:
            return self.problem
        rows = "row" if more == 1 else "rows"
        note = f" (and in {more} more {rows}{' like it' if self.like_it else ''})"
        return replace(self.problem, message=self.problem.message + note)


@final
class _Walk:
    """Counts and problems of the rows visited so far."""

    def __init__(
        self,
        rows: JoinedRows,
        inputs: Sequence[InputSpec],
        tasks: Sequence[TaskSpec],
        cutters: Mapping[str, Encoder],
    ) -> None:
        self._cutters = cutters
        self._rows = rows
        self._inputs = inputs
        self._tasks = tasks
        self.counts = {task.name: np.zeros(len(task.labels), dtype=np.int64) for task in tasks}
        self.absent = dict.fromkeys((spec.name for spec in inputs), 0)
        self.unlabelled = dict.fromkeys((task.name for task in tasks), 0)
        # Rows whose source lists the task, with a label or without.
        self.counted = dict.fromkeys((task.name for task in tasks), 0)
        self.labelled = {task.name: np.zeros(len(rows), dtype=np.bool_) for task in tasks}
        self.first: dict[TaskName, dict[int, int]] = {task.name: {} for task in tasks}
        self.values: dict[TaskName, list[float]] = {
            task.name: [] for task in tasks if not task_kind(task.kind).fewest_labels
        }
        self.blank: dict[TaskName, tuple[int, int]] = {}
        self.beginnings: dict[TaskName, dict[str, Beginnings]] = {
            task.name: {}
            for task in tasks
            if task_kind(task.kind).per_word and are_tags(task.labels)
        }
        # (field, message) -> the first place, and how many more rows have it.
        self._found: dict[tuple[str, str], _Found] = {}
        # (field, message without its values) -> those of its messages that are shown.
        self._alike: dict[tuple[str, str], list[_Found]] = {}

    def visit(self, position: int) -> None:
        """Read one row."""
        try:
            row = self._rows[position]
        except DataError as error:
            self._note(position, "", str(error).removeprefix(f"{self._rows.place(position)}: "))
            return
        values: dict[str, Any] = {}
        said: set[str] = set()  # two inputs of one column have the same fault
        for spec in self._inputs:
            try:
                value = read_input(row, spec, self._rows.root_of(position))
                values[spec.name] = value
                self.absent[spec.name] += value is None
                if value is not None:
                    input_kind(spec.kind).examine(spec, value)
            except ValueError as error:
                message = f"{error}{self._renaming(position, row, spec)}"
                # An input that is named as its column does not name it twice.
                bare = message.removeprefix(f"column {spec.columns[0]!r}: ")
                if bare not in said:
                    self._note(position, f"input {spec.name}", message)
                said.add(bare)
        if len(values) == len(self._inputs) and all(one is None for one in values.values()):
            self._note(position, "inputs", NO_INPUT)
        counted = self._rows.tasks_of(position)
        for task in self._tasks:
            self.counted[task.name] += task.name in counted
            try:
                target = read_target(row, task, counts=task.name in counted)
                self._require_a_label_a_word(task, target, values.get(task.input))
                self._count(position, task, target)
                if task.name in counted and _is_blank(row.get(task.column)):
                    count, first = self.blank.get(task.name, (0, position))
                    self.blank[task.name] = count + 1, first
            except ValueError as error:
                self._note(position, f"task {task.name}", str(error))

    def problems(self) -> list[Problem]:
        """All problems found, in the order of the rows."""
        return [found.told() for found in self._found.values()]

    def _count(self, position: int, task: TaskSpec, target: Target | None) -> None:
        indices = _classes(task, target)
        has = _is_labelled(task, target)
        if target is not None and task.name in self.values:
            self.values[task.name].append(float(target["values"]))
        known = indices[indices >= 0]
        self.counts[task.name] += np.bincount(known, minlength=len(task.labels))
        for index in known.tolist():
            self.first[task.name].setdefault(index, position)
        if has and task.name in self.beginnings:
            by_source = self.beginnings[task.name]
            source = self._rows.source_of(position).name
            tags = (task.labels[index] if index >= 0 else None for index in indices.tolist())
            by_source[source] = beginnings(tags).plus(by_source.get(source, Beginnings()))
        self.unlabelled[task.name] += not has
        self.labelled[task.name][position] = has

    def _renaming(self, position: int, row: Row, spec: InputSpec) -> str:
        """What to do where unlabelled rows, often of another origin, lack an input's column."""
        source = self._rows.source_of(position)
        lacking = next((column for column in spec.columns if column not in row), None)
        if source.tasks or lacking is None:
            return ""
        own = next((column for column in row if column != "id"), "...")
        return (
            f"; name the column that stands for it in the unlabelled source {source.name!r}, as in "
            f"columns: {{{lacking}: {own}}}"
        )

    def _require_a_label_a_word(self, task: TaskSpec, target: Target | None, words: Any) -> None:
        labels = _classes(task, target)
        if not task_kind(task.kind).per_word or not np.any(labels != MISSING):
            return
        cutter, advice = self._cutters.get(task.input), ""
        if isinstance(words, str) and cutter is not None:
            words = (cutter.encode([words]).words or [[]])[0]
            advice = (
                "; the tokenizer cuts text by its own rules: give the words that were labelled, as "
                "an input of kind tokens with their column under `columns`"
            )
        if isinstance(words, list | tuple) and len(labels) != len(words):
            raise ValueError(
                f"expected a label a word: {len(words)} words, {len(labels)} labels{advice}"
            )

    def _note(self, position: int, field: str, message: str) -> None:
        known = self._found.get((field, message))
        if known is not None:
            known.same += 1
            return
        kind = kind_of_problem(message)
        alike = self._alike.setdefault((field, kind), [])
        if len(alike) == (1 if is_one_mistake(kind) else _SHOWN_ALIKE):
            alike[-1].like_it += 1
            return
        file, _, line = self._rows.place(position).rpartition(":")
        found = _Found(Problem(message, file=file, line=int(line), field=field))
        self._found[field, message] = found
        alike.append(found)


def _classes(task: TaskSpec, target: Target | None) -> npt.NDArray[np.int64]:
    """The class of a row, of each of its words or objects; none where nothing is said."""
    return np.zeros(0, np.int64) if target is None else task_kind(task.kind).classes(target)


def _is_labelled(task: TaskSpec, target: Target | None) -> bool:
    leading = task_kind(task.kind).fields(task)[0].name
    return target is not None and bool(is_stated(target[leading]).any())
