"""Level 3: some rows in calls of several sizes and forms; how rows are handed over must not matter.

The whole split runs in two ways to call ``predict``.  A service has others: a handful of rows, rows
that are equal, one value by itself, a table, one task, several labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.absent import left_out
from kd2edge.inputs.kind import Encoder
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import InputSpec
from kd2edge.ragged import Ragged, concatenated, taken
from kd2edge.runtime.batches import merged
from kd2edge.runtime.golden import relative_rms
from kd2edge.runtime.model import Model
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.origin import Origin
from kd2edge.tasks.outputs import all_items, logits_of, origin_of
from kd2edge.validate.answers import alike, odd_answers
from kd2edge.validate.split import Split
from kd2edge.validate.validation import Check

__all__ = ["CALLS", "FORMS", "MIXTURES", "call_checks"]

#: Names of the checks.
CALLS = "calls of several sizes"
FORMS = "forms of a call"
MIXTURES = "rows with and without an input"

#: Rows of a call, and of each of its forward passes (None: as ``predict`` takes them).
_SIZES = ((2, None), (3, 2), (7, None), (14, None), (20, 8), (66, None))
#: Rows of a call in which each stands twice, and of one in another form.
_TWICE, _FEW = 6, 3
#: Rows of a forward pass in which every second row lacks an input.
_MIXED = 24
#: Labels of a call that asks for several.
_SEVERAL = 2

Values = Mapping[str, Sequence[Any]]
Answers = Mapping[str, Sequence[Any]]


def call_checks(
    model: Model, encoders: Mapping[str, Encoder], split: Split, most: float
) -> tuple[Check, ...]:
    """Ask for rows of the split in other calls than those that ran all of it.

    Args:
        model: the artefact.
        encoders: what it encodes with.
        split: the rows.
        most: RMS, as a share, by which outputs of other batches may differ.
    """
    count = min(len(split.ids), max(rows for rows, _ in _SIZES))
    places = np.linspace(0, len(split.ids) - 1, count).astype(int)
    values = split.values(places.tolist())
    checks = {
        CALLS: lambda: _odd_calls(_Asked(model, encoders, values, most), count),
        FORMS: lambda: _odd_forms(model, values),
    }
    if left_out(model.inputs):
        checks[MIXTURES] = lambda: _odd_mixtures(model, encoders, values, most)
    return tuple(_check(name, faults) for name, faults in checks.items())


def _check(name: str, faults: Callable[[], Iterator[str]]) -> Check:
    try:
        fault = next(faults(), "")
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  (whatever it raises, a caller would get it)
        fault = f"expected answers, found {type(error).__name__}: {error}"
    return Check(name, "failed", fault) if fault else Check(name, "ok")


def _odd_calls(asked: _Asked, count: int) -> Iterator[str]:
    """What is odd about the calls, the smallest first."""
    start = 0
    for rows, size in _SIZES:
        own = [(start + step) % count for step in range(rows)]
        start += rows
        yield from asked.odd(own, size, f"a call of {rows} rows")
    twice = [row for row in range(min(_TWICE, count)) for _ in range(2)]
    yield from asked.odd(twice, None, "a call with equal rows")


@final
class _Asked:
    """A model that is asked for rows, and what it gives for all of them together."""

    def __init__(
        self, model: Model, encoders: Mapping[str, Encoder], values: Values, most: float
    ) -> None:
        self._model, self._values = model, values
        self._encoders = encoders
        self._most = most
        encoded = {name: one.encode(values[name]) for name, one in encoders.items()}
        outputs = model.logits(merged(encoded))
        self._known = {
            task: all_items(spec, outputs, encoded) for task, spec in model.tasks.items()
        }

    def odd(self, rows: Sequence[int], size: int | None, call: str) -> Iterator[str]:
        """How the answers to a call, or the outputs that they come from, are odd."""
        seen: list[Any] = []
        values = {name: [column[row] for row in rows] for name, column in self._values.items()}
        watched = self._model.watched(lambda *one: seen.append(one), self._encoders)
        answers = watched.predict(values, batch_size=size)
        ran = [row for batch, _ in seen for row in batch.rows]
        if sorted(ran) != list(range(len(rows))):
            yield f"{call}: expected one run of each row, found runs of {ran}"
            return
        order = np.argsort(np.array(ran), kind="stable")
        for task, spec in self._model.tasks.items():
            parts = [all_items(spec, out, batch.encoded) for batch, out in seen]
            items = {
                name: taken(concatenated([p[name] for p in parts]), order) for name in parts[0]
            }
            known = self._known[task]
            error = max(
                _apart(taken(known[name], np.array(rows)), one) for name, one in items.items()
            )
            if not error <= self._most:
                yield (
                    f"{call}: {task}'s outputs are off by {error:.2g} of their size from those of"
                    f" the same rows in a larger batch, {self._most:g} is allowed"
                )
            every = Origin.joined([origin_of(spec, batch.encoded) for batch, _ in seen])
            origin = every.taken(order.tolist())
            kind = task_kind(spec.kind)
            decoded = kind.decode(spec, logits_of(spec, items))
            expected = kind.answers(spec, decoded, top_k=None, origin=origin)
            if len(answers[task]) != len(rows):
                yield f"{call}: {len(answers[task])} answers of {task}"
                return
            for at, said in odd_answers(spec, decoded, expected, answers[task], origin.words):
                yield f"{call}: {task}: row {at}: {said}"


def _apart(wanted: Any, found: Any) -> float:
    """How far outputs are from each other; what is NaN in both (words that are cut off) aside."""
    one, other = (part.values if isinstance(part, Ragged) else part for part in (wanted, found))
    if one.shape != other.shape:
        return np.inf
    kept = ~(np.isnan(one).all(-1) & np.isnan(other).all(-1))
    return relative_rms(one[kept], other[kept]) if kept.any() else 0.0


def _odd_mixtures(
    model: Model, encoders: Mapping[str, Encoder], values: Values, most: float
) -> Iterator[str]:
    """Rows that are answered otherwise among rows that have an input, or lack it, as they do not.

    All rows of a split may have an input, and none of the rows that are judged without it has.
    """
    for name in left_out(model.inputs):
        whole = _with_several(values, name)
        count = len(whole[name])
        if not count:
            continue
        lacking = {**whole, name: [None] * count}
        known = [_outputs(model, encoders, one) for one in (whole, lacking)]
        for first, said in enumerate(("a row without it comes first", "a row with it comes first")):
            gone = np.arange(count) % 2 == first
            cells = zip(whole[name], gone.tolist(), strict=True)
            mixed = {**whole, name: [None if away else value for value, away in cells]}
            for task, found in _outputs(model, encoders, mixed).items():
                wanted = np.where(gone[:, None], known[1][task], known[0][task])
                error = relative_rms(wanted, found)
                if not error <= most:
                    yield (
                        f"every second row without {name}, {said}: {task}'s outputs are off by"
                        f" {error:.2g} of their size from those of the same rows among their like,"
                        f" {most:g} is allowed"
                    )


def _outputs(
    model: Model, encoders: Mapping[str, Encoder], values: Values
) -> Mapping[str, npt.NDArray[Any]]:
    """Outputs of one forward pass, of heads that give one vector a row."""
    encoded = {name: one.encode(values[name]) for name, one in encoders.items()}
    found = model.logits(merged(encoded))
    return {name: one for name, one in found.items() if one.ndim == 2}


def _with_several(values: Values, name: str) -> Values:
    """The rows that have an input and another one, as many as one forward pass may have."""
    others = [column for other, column in values.items() if other != name]
    kept = [
        at
        for at, value in enumerate(values[name])
        if value is not None and any(column[at] is not None for column in others)
    ]
    return {other: [column[at] for at in kept[:_MIXED]] for other, column in values.items()}


def _odd_forms(model: Model, values: Values) -> Iterator[str]:
    """Forms in which the same rows get other answers."""
    some = {name: list(column[:_FEW]) for name, column in values.items()}
    wanted = model.predict(some)
    for form, handed in _forms(model, some):
        yield from _unlike(model.predict(handed), wanted, form)
    if len(some) == 1:  # a value by itself stands for one row
        ((name, column),) = some.items()
        for value in column:
            for one in _written(model, name, value):
                said = f"a {type(one).__name__} by itself"
                yield from _unlike(model.predict(one), model.predict({name: [value]}), said)
    for name in left_out(model.inputs):
        rest = {other: column[:_FEW] for other, column in _with_several(values, name).items()}
        if rest.pop(name):
            empty = {**rest, name: [None] * len(next(iter(rest.values())))}
            said = f"nothing handed over for {name}"
            yield from _unlike(model.predict(rest), model.predict(empty), said)
    for task in model.tasks:
        yield from _unlike(model.predict(some, tasks=[task]), {task: wanted[task]}, "one task")
    several = model.predict(some, top_k=_SEVERAL)
    for task, spec in model.tasks.items():
        if task_kind(spec.kind).ranked:
            first = [one[:1] for one in wanted[task]]
            yield from _unlike({task: [one[:1] for one in several[task]]}, {task: first}, "top_k")


def _forms(model: Model, values: Values) -> Iterator[tuple[str, Any]]:
    """The same rows in every form that can hold them."""
    named: dict[str, list[Any]] = {}
    for name, column in values.items():
        named |= _by_column(model.inputs[name], column)
    yield "the same call again", values
    yield "columns of the data", named
    yield "a table", _Table(named)
    rows = zip(*named.values(), strict=True)
    yield "a list of rows", [dict(zip(named, row, strict=True)) for row in rows]
    if len(values) == 1:
        yield "a list of values", next(iter(values.values()))


def _by_column(spec: InputSpec, values: Sequence[Any]) -> dict[str, list[Any]]:
    """The raw values of an input by the columns of the data that they come from."""
    if len(spec.columns) < 2:
        return {"".join(spec.columns) or spec.name: list(values)}
    return {name: [(value or {}).get(name) for value in values] for name in spec.columns}


@final
class _Table:
    """What data frames have in common."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self.columns = list(values)

    def __getitem__(self, name: str) -> list[Any]:
        return list(self._values[name])

    def __len__(self) -> int:
        return len(next(iter(self._values.values())))


def _written(model: Model, name: str, value: Any) -> Iterator[Any]:
    """A value that may stand for one row as it is; of a file its bytes and its picture, too."""
    if isinstance(value, (str, bytes, PathLike)):
        yield value
    if input_kind(model.inputs[name].kind).files and isinstance(value, Path):
        yield value.read_bytes()
        from PIL import Image

        with Image.open(value) as picture:
            yield picture


def _unlike(found: Answers, wanted: Answers, form: str) -> Iterator[str]:
    for task, answers in wanted.items():
        if not alike(list(found.get(task, ())), list(answers)):
            yield f"{form}: {task}: the same rows get other answers than as {{name: [...]}}"
