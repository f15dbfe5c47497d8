"""A number for a whole row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.tasks.decisions import Compared
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.labels import is_missing
from kd2edge.tasks.numbers import number_of
from kd2edge.tasks.origin import NO_ORIGIN, Origin
from kd2edge.tasks.settings import bounds, centre, spread
from kd2edge.tasks.spans import Word
from kd2edge.tasks.spec import Decoded, Field, Logits, Output, Section, Target, TaskSpec

#: Share of the labels' spread by which two values may differ and still be the same to a reader.
SAME = 0.01


@final
class Regression(TaskKind):
    """One output, in standard deviations of the training rows' labels from their mean.

    So a net learns prices as it learns grams, and ``decode`` gives the unit back.  Values are kept
    in single precision.

    Decode settings: ``mean`` and ``spread`` of the training rows' labels, ``least`` and ``most`` of
    them; ``low`` and ``high``, the stated bounds: a label outside is refused, a value is clipped.
    """

    name = "regression"
    fewest_labels = 0
    sections: frozenset[Section] = frozenset({"errors"})
    default_metrics = ("mae", "rmse", "r2", "spearman")

    def fields(self, spec: TaskSpec) -> tuple[Field, ...]:
        """``values``, in the unit of the data."""
        del spec
        return (Field("values", "float32"),)

    def outputs(self, spec: TaskSpec) -> tuple[Output, ...]:
        del spec
        return (Output(1, "none"),)

    def labels_from_values(self, values: Iterable[Any]) -> tuple[str, ...]:
        """None: a number has no names."""
        del values
        return ()

    def target(self, spec: TaskSpec, value: Any) -> Target | None:
        if is_missing(value):
            return None
        found, (low, high) = number_of(value), bounds(spec)
        if not low <= found <= high:
            raise ValueError(
                f"expected a value from {low:g} to {high:g} (the task's bounds), found {found:g}"
            )
        return {"values": np.array(found, np.float32)}

    def classes(self, target: Target) -> npt.NDArray[np.int64]:
        del target
        return np.zeros(0, np.int64)

    def translated(self, own: TaskSpec, spec: TaskSpec, logits: Any, output: str = "") -> Any:
        del output
        return (logits * spread(own) + (centre(own) - centre(spec))) / spread(spec)

    def decode(self, spec: TaskSpec, logits: Logits) -> Decoded:
        assert isinstance(logits, np.ndarray)  # row-level: the head's own output
        values = centre(spec) + spread(spec) * logits[:, 0].astype(np.float64)
        low, high = bounds(spec)
        return Decoded(values=np.maximum(np.minimum(values, high), low).astype(np.float32))

    def answers(
        self,
        spec: TaskSpec,
        decoded: Decoded,
        *,
        top_k: int | None = None,
        origin: Origin = NO_ORIGIN,
    ) -> list[Any]:
        """``{value}`` a row, in the unit of the task."""
        del spec, top_k, origin
        return [{"value": value} for value in _values(decoded).tolist()]

    def said(
        self, spec: TaskSpec, answer: Any, words: Sequence[Word] | None = None
    ) -> list[Any] | None:
        del spec, words
        return [answer["value"]]

    def decided(self, spec: TaskSpec, decoded: Decoded) -> list[list[Any]]:
        del spec
        return [[value] for value in _values(decoded).tolist()]

    def margins(self, spec: TaskSpec, decoded: Decoded) -> npt.NDArray[np.float64]:
        """No value is a tie: those that rounding moves are the same by :meth:`compared`."""
        del spec
        return np.ones(len(decoded))

    def compared(self, spec: TaskSpec, reference: Decoded, candidate: Decoded) -> Compared:
        """Values differ by more than 1 % of the training labels' spread."""
        one, other = _values(reference), _values(candidate)
        if one.shape != other.shape:
            raise ValueError("the two are of other rows")
        rows = np.arange(len(one))
        apart = np.abs(one.astype(np.float64) - other)
        return Compared(~(apart <= SAME * spread(spec)), rows, np.full(len(rows), -1), one, other)

    def text(self, spec: TaskSpec, value: Any, place: int = -1) -> str:
        del place
        return f"{float(value):g} {spec.unit}".rstrip()

    def pack(self, decoded: Decoded, top_k: int = 5) -> dict[str, npt.NDArray[Any]]:
        del top_k
        return {"values": _values(decoded).astype(np.float32)}

    def unpack(self, spec: TaskSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> Decoded:
        del spec
        return Decoded(values=arrays["values"].astype(np.float32))


def _values(decoded: Decoded) -> npt.NDArray[Any]:
    return np.asarray(decoded["values"])
