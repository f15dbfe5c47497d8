"""Inputs and targets of rows, and the place of what is wrong with them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from kd2edge.errors import DataError
from kd2edge.inputs.cell import described, no_column
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import InputSpec
from kd2edge.ragged import listed
from kd2edge.rows.join import JoinedRows
from kd2edge.rows.lookalikes import lookalikes, says_nothing
from kd2edge.rows.rows import Row
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.labels import inventory, is_missing, label_text
from kd2edge.tasks.spec import Target, TaskName, TaskSpec


def labels_of(rows: JoinedRows, tasks: Sequence[TaskSpec]) -> dict[TaskName, tuple[str, ...]]:
    """The labels that occur, by task, in the order of the task's kind; reads all rows once.

    Rows that cannot be read are passed over: ``check_rows`` reports them.

    Raises:
        DataError: a task has no label in any row (the message names the columns there are), or one
            label alone, which leaves nothing to decide.
    """
    # By type too: True equals 1, and is another label.
    seen: dict[TaskName, dict[tuple[type, Hashable], None]] = {task.name: {} for task in tasks}
    for position in range(len(rows)):
        row = _row_or_nothing(rows, position)
        for task in tasks:
            if task.name in rows.tasks_of(position):
                parts = _parts(task, row.get(task.column))
                seen[task.name].update(dict.fromkeys((type(part), part) for part in parts))
    return {
        task.name: _inventory(rows, task, [part for _, part in seen[task.name]]) for task in tasks
    }


def read_input(row: Row, spec: InputSpec, root: str) -> Any:
    """The raw value of an input in a row.

    Raises:
        ValueError: a missing column, NaN or a wrong type.
    """
    return input_kind(spec.kind).value(spec, row, root)


def read_target(row: Row, task: TaskSpec, *, counts: bool) -> Target | None:
    """The target of a task in a row; None where there is no label, or none that counts.

    Raises:
        ValueError: a missing column, an unknown label or a wrong type.
    """
    kind = task_kind(task.kind)
    if not counts:
        return None
    _require_column(row, task.column)
    try:
        return kind.target(task, row[task.column])
    except ValueError as error:
        if task.column == task.name:
            raise
        raise ValueError(f"column {task.column!r}: {error}") from error


def _require_column(row: Row, column: str) -> None:
    if column not in row:
        raise ValueError(no_column(column, row))


def _row_or_nothing(rows: JoinedRows, position: int) -> Row:
    try:
        return rows[position]
    except DataError:
        return {}


def _parts(task: TaskSpec, value: Any) -> Iterable[Hashable]:
    """The labels in a raw value: itself, or its items; none where the task's kind has others."""
    if is_missing(value) or _odd_shape(task, value):
        return []
    values = task_kind(task.kind).labels_in(value)
    return [part for part in values if isinstance(part, Hashable) and not is_missing(part)]


def _odd_shape(task: TaskSpec, value: Any) -> str:
    """What is wrong with a column of such values; "" where nothing is."""
    kind = task_kind(task.kind)
    is_list = listed(value) is not None
    if is_missing(value) or is_list == kind.lists or kind.lists is None:
        return ""
    if is_list:
        return (
            f"column {task.column!r} holds lists; a task of several labels a row has kind "
            "multi_label, one of a label a word token_classification"
        )
    found = "text" if isinstance(value, str) else described(value)
    return (
        f"column {task.column!r} holds {found}, expected a list of labels"
        f"{', one a word (jsonl, parquet or conll)' if kind.per_word else ' (jsonl or parquet)'}"
    )


def _inventory(rows: JoinedRows, task: TaskSpec, values: list[Hashable]) -> tuple[str, ...]:
    kind = task_kind(task.kind)
    try:
        labels = kind.labels_from_values([values] if kind.per_word else values)
    except ValueError as error:
        alike = _alike(values)
        raise DataError(f"task {task.name}: column {task.column!r}: {error}{alike}") from error
    if not labels:
        raise DataError(f"task {task.name}: {_why_no_label(rows, task)}")
    if len(labels) < kind.fewest_labels:
        odd = _first_odd(rows, task)
        if odd:
            raise DataError(f"task {task.name}: {odd}")
        raise DataError(
            f"task {task.name}: expected at least two labels, column {task.column!r} holds only "
            f"{labels[0]!r}: name the column that was meant, or all labels under `labels`"
        )
    return labels


def _alike(values: list[Hashable]) -> str:
    """Which of the labels may be meant as one, or as none; "" where nothing looks so."""
    labels = inventory(values)
    for group in lookalikes(labels):
        # Composed or not, the letter looks the same.
        shown = " and ".join(map(ascii, group.labels[:3]))
        return f"; {shown} differ in {' and '.join(group.differ_in)} alone: write them alike"
    for label in filter(says_nothing, labels):
        return f"; {label!r} looks like a missing label: leave its value empty (null)"
    return ""


def _why_no_label(rows: JoinedRows, task: TaskSpec) -> str:
    counted = [at for at in range(len(rows)) if task.name in rows.tasks_of(at)]
    if not counted:
        return "no source lists it in its `tasks`"
    first = counted[0]
    try:
        _require_column(rows[first], task.column)
    except ValueError as error:
        return f"{rows.place(first)}: {error}"
    return _first_odd(rows, task) or f"column {task.column!r} holds no label in any row"


def _first_odd(rows: JoinedRows, task: TaskSpec) -> str:
    """Why the first value that is no label is none; "" where there is no such value."""
    counted = (at for at in range(len(rows)) if task.name in rows.tasks_of(at))
    return next(filter(None, (_why_none(rows, at, task) for at in counted)), "")


def _why_none(rows: JoinedRows, position: int, task: TaskSpec) -> str:
    """Why the value of a row is no label; "" where there is no value."""
    value = _row_or_nothing(rows, position).get(task.column)
    odd = _odd_shape(task, value)
    if odd:
        return odd
    for part in [value] if is_missing(value) else task_kind(task.kind).labels_in(value):
        try:
            label_text("" if is_missing(part) else part)
        except ValueError as error:
            return f"{rows.place(position)}: column {task.column!r}: {error}"
    return ""
