"""The rows of a split through ``predict`` as it ships, and what its answers come from.

One forward pass serves both: the model shows every batch and its outputs, from which decisions and
answers are worked out a second time.  Nothing here counts on the order of batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import BackendError, InputError
from kd2edge.inputs.kind import Encoder
from kd2edge.inputs.spec import Encoded
from kd2edge.ragged import Column, Ragged, concatenated, taken
from kd2edge.runtime.batches import Batch
from kd2edge.runtime.model import Outputs
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.origin import Origin
from kd2edge.tasks.outputs import all_items, arrays_of, asked_of, logits_of, origin_of, outputs_of
from kd2edge.tasks.spec import Decoded, TaskSpec
from kd2edge.validate.answers import odd_answers
from kd2edge.validate.candidate import Answering
from kd2edge.validate.numbers import padded
from kd2edge.validate.ways import Way

__all__ = ["Faults", "Kept", "Padded", "Served", "Shared"]

#: Rows that are refused before the rest is not tried any more.
_ENOUGH = 32

Values = Mapping[str, Sequence[Any]]
#: Rows of the split that were a batch, how they were encoded, and what the graph gave.
_Seen = tuple[list[int], Mapping[str, Encoded], Outputs]


@dataclass(slots=True)
class Faults:
    """Rows of the split that no sound artefact has.

    Args:
        not_finite: task -> rows with an output that is NaN or infinite.
        refused: row -> what ``predict`` raised.
        odd: task -> row -> how its answer is not what its outputs say.
        together: first and last row of a call -> what ``predict`` raised for no row among them.
        stopped: the first row that was not tried any more; None: all were.
    """

    not_finite: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    refused: dict[int, str] = field(default_factory=dict[int, str])
    odd: dict[str, dict[int, str]] = field(default_factory=dict[str, dict[int, str]])
    together: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])
    stopped: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A batch that ran: what another number of threads must give the same outputs for."""

    arrays: Mapping[str, npt.NDArray[Any]]
    encoded: Mapping[str, Encoded]
    outputs: Outputs


@final
class Shared(Encoder):
    """An encoder that remembers what it was asked, for models that are asked for the same rows."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.arrays = encoder.arrays
        self.optional = encoder.optional
        self._known: dict[tuple[int, ...], tuple[list[Any], Encoded]] = {}

    def forget(self) -> None:
        """Give back the memory: other rows are next."""
        self._known.clear()

    def encode(self, values: Sequence[Any]) -> Encoded:
        # The values are held beside the answer: no other can come to stand at their place.
        held = list(values)
        key = tuple(map(id, held))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = (held, self._encoder.encode(values))
        return found[1]

    def length(self, encoded: Encoded) -> npt.NDArray[np.int64]:
        return self._encoder.length(encoded)

    def truncated(self, value: Any) -> bool:
        return self._encoder.truncated(value)

    def edge_values(self) -> Mapping[str, Any]:
        return self._encoder.edge_values()


@final
class Padded(Encoder):
    """An encoder whose rows are at least ``length`` long, as beside a row of that length.

    A dimension that ends before that (see ``ranges``) is filled up to its own end.
    """

    def __init__(
        self, encoder: Encoder, length: int, ranges: Mapping[str, tuple[int, int]]
    ) -> None:
        self._encoder = encoder
        self._length = length
        self._ranges = ranges
        self.arrays = encoder.arrays
        self.optional = encoder.optional

    def encode(self, values: Sequence[Any]) -> Encoded:
        found = self._encoder.encode(values)
        arrays = padded(found.arrays, self.arrays, self._length, self._ranges)
        return replace(found, arrays=arrays)

    def length(self, encoded: Encoded) -> npt.NDArray[np.int64]:
        return np.maximum(self._encoder.length(encoded), self._length)

    def truncated(self, value: Any) -> bool:
        return self._encoder.truncated(value)

    def edge_values(self) -> Mapping[str, Any]:
        return self._encoder.edge_values()


def _are_finite(spec: TaskSpec, seen: Sequence[_Seen]) -> npt.NDArray[np.bool_]:
    """Which rows have outputs that are all finite; of words that are cut off nothing is asked."""
    found = [
        _finite_rows(concatenated([asked_of(spec, one, out[name], enc) for _, enc, out in seen]))
        for name, one in outputs_of(spec).items()
    ]
    return np.all(found, axis=0)


def _finite_rows(column: Column) -> npt.NDArray[np.bool_]:
    values = column.values if isinstance(column, Ragged) else column
    finite = np.asarray(np.isfinite(values).all(axis=tuple(range(1, values.ndim))))
    if not isinstance(column, Ragged):
        return finite
    return np.bincount(column.owners, ~finite, minlength=column.rows) == 0


@final
class Served:
    """One way to run a split, fed with some rows at a time.

    Args:
        model: the artefact, with as many threads as ``way`` says.
        way: how rows are run.
        encoders: what the model encodes with.
        spread: rows whose batches are kept.
    """

    def __init__(
        self, model: Answering, way: Way, encoders: Mapping[str, Encoder], spread: frozenset[int]
    ) -> None:
        self.way = way
        self.faults = Faults()
        self.kept: list[Kept] = []
        self.tasks = model.tasks
        self._model = model.watched(self._see, encoders)
        # What predict does when nobody says is asked for as nobody says it.
        self._size = None if way.batch == model.batch else way.batch
        self._spread = spread
        self._rows: list[int] = []
        self._parts: list[dict[str, Decoded]] = []
        self._at: Sequence[int] = ()  # rows of the split that the running call is about
        self._seen: list[_Seen] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._error = ""  # the first of the running call

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Rows of the split that have outputs, rising."""
        return np.array(self._rows, np.int64)

    def decoded(self) -> dict[str, Decoded]:
        """Task -> decisions of :attr:`rows`; empty when there are none."""
        if not self._parts:
            return {}
        return {task: Decoded.joined([part[task] for part in self._parts]) for task in self.tasks}

    def feed(self, rows: Sequence[int], values: Values) -> None:
        """Run some rows of the split (their numbers rise from call to call)."""
        if self.faults.stopped is not None:
            return
        self._seen, self._answers = [], {}
        # A service asks for single rows one by one.
        step = 1 if self.way.batch == 1 else len(rows)
        for start in range(0, len(rows), step):
            stop = min(start + step, len(rows))
            own = {name: column[start:stop] for name, column in values.items()}
            self._error, before = "", len(self.faults.refused)
            self._through(rows[start:stop], own)
            if self._error and len(self.faults.refused) == before:
                self.faults.together[rows[start], rows[stop - 1]] = self._error
            if len(self.faults.refused) >= _ENOUGH:
                self.faults.stopped = rows[min(stop, len(rows) - 1)]
                break
        if self._seen:
            self._weigh()
        self._seen, self._answers = [], {}

    def _see(self, batch: Batch, outputs: Outputs) -> None:
        rows = [self._at[row] for row in batch.rows]
        assert batch.encoded is not None
        for name in arrays_of(self.tasks.values()):
            if len(outputs[name]) != len(rows):
                raise BackendError(f"{len(outputs[name])} outputs of {name} for {len(rows)} rows")
        self._seen.append((rows, batch.encoded, outputs))
        if not self._spread.isdisjoint(rows):
            self.kept.append(Kept(batch.arrays, batch.encoded, outputs))

    def _through(self, rows: Sequence[int], values: Values) -> None:
        """Ask for rows; where that fails, find those that it is due to and ask for the rest."""
        if len(self.faults.refused) >= _ENOUGH:
            return
        self._at, before = rows, len(self._seen)
        try:
            answers = self._model.predict(values, batch_size=self._size)
            for task, found in answers.items():
                if len(found) != len(rows):
                    raise ValueError(f"{len(found)} answers of {task} to {len(rows)} rows")  # noqa: TRY301
        except MemoryError:  # says nothing of the artefact
            raise
        except Exception as error:  # noqa: BLE001  (whatever it raises, a caller would get it)
            self._blame(rows, values, before, error)
            return
        for task, found in answers.items():
            for row, answer in zip(rows, found, strict=True):
                self._answers.setdefault(row, {})[task] = answer
        self._require_run(rows, before)

    def _require_run(self, rows: Sequence[int], before: int) -> None:
        """Every row that was answered went through the graph once, or its answer is another's."""
        times = Counter(row for part, _, _ in self._seen[before:] for row in part)
        for row in rows:
            if times[row] != 1:
                said = f"predict answers a row after {times[row]} runs of it, expected one"
                for task in self.tasks:
                    self.faults.odd.setdefault(task, {})[row] = said

    def _blame(self, rows: Sequence[int], values: Values, before: int, error: Exception) -> None:
        ran = [row for part, _, _ in self._seen[before:] for row in part]
        said = f"{type(error).__name__}: {error}"
        self._error = self._error or said
        if ran and not isinstance(error, InputError):  # an answer to the last batch failed
            last = self._seen[-1][0]
            bad = ~np.all(
                [_are_finite(one, self._seen[-1:]) for one in self.tasks.values()], axis=0
            )
            self.faults.refused.update({last[int(at)]: said for at in np.flatnonzero(bad)})
            if not bad.any():
                self.faults.together[min(last), max(last)] = said
        elif len(rows) == 1:
            self.faults.refused[rows[0]] = said
            return
        left = sorted(set(range(len(rows))) - {rows.index(row) for row in ran})
        halves = [left] if ran else [left[: len(left) // 2], left[len(left) // 2 :]]
        for half in halves:
            if half:
                own = {name: [column[at] for at in half] for name, column in values.items()}
                self._through([rows[at] for at in half], own)

    def _weigh(self) -> None:
        """Decide from the outputs that were seen, and hold the answers against them."""
        rows = [row for part, _, _ in self._seen for row in part]
        order = np.argsort(np.array(rows), kind="stable")
        rising = [rows[at] for at in order]
        found: dict[str, Decoded] = {}
        for task, spec in self.tasks.items():
            parts = [all_items(spec, out, enc) for _, enc, out in self._seen]
            items = {
                name: taken(concatenated([p[name] for p in parts]), order) for name in parts[0]
            }
            found[task] = task_kind(spec.kind).decode(spec, logits_of(spec, items))
            bad = ~_are_finite(spec, self._seen)[order]
            if bad.any():
                named = self.faults.not_finite.setdefault(task, [])
                named += [rising[int(at)] for at in np.flatnonzero(bad)]
            self._compare(spec, found[task], order, rising)
        self._rows += rising
        self._parts.append(found)

    def _compare(
        self, spec: TaskSpec, decoded: Decoded, order: npt.NDArray[np.int64], rows: Sequence[int]
    ) -> None:
        kind = task_kind(spec.kind)
        answered = np.array([at for at, row in enumerate(rows) if row in self._answers], np.int64)
        if not len(answered):
            return
        every = Origin.joined([origin_of(spec, encoded) for _, encoded, _ in self._seen])
        origin = every.taken([int(order[at]) for at in answered])
        some = decoded.taken(answered)
        found = [self._answers[rows[at]][str(spec.name)] for at in answered]
        expected = kind.answers(spec, some, top_k=None, origin=origin)
        for at, odd in odd_answers(spec, some, expected, found, origin.words):
            self.faults.odd.setdefault(str(spec.name), {})[rows[answered[at]]] = odd
