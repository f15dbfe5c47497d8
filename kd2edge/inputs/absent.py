"""Inputs that a row may lack: an empty value stands in their place, and an array says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.encoder import Encoder
from kd2edge.inputs.piece_counts import PieceCounts
from kd2edge.inputs.spec import BATCH, ArraySpec, Encoded, InputSpec

#: What to say of a row that has no input at all.
NO_INPUT = "the row has no input at all: of inputs that may be absent at least one must be there"


def presence_name(name: str) -> str:
    """What the array is called that says which rows have the input of a name."""
    return f"{name}_present"


def presence_array(spec: InputSpec) -> ArraySpec:
    """The array that says which rows have an input: 1 or 0."""
    return ArraySpec(presence_name(spec.name), "int64", (BATCH,))


def first_without_input(encoded: Iterable[Encoded]) -> int | None:
    """The first row that lacks every input; None where there is none such."""
    there: npt.NDArray[np.bool_] | None = None
    for one in encoded:
        if one.present is None:
            return None
        there = one.present if there is None else there | one.present
    lacking = np.flatnonzero(~there) if there is not None else np.empty(0, np.int64)
    return int(lacking[0]) if len(lacking) else None


def first_there(encoder: Encoder, values: Iterable[Any]) -> Any:
    """The first of some raw values that is one at all; None where none is."""
    for value in values:
        present = encoder.encode([value]).present if encoder.optional else None
        if present is None or present.all():
            return value
    return None


def left_out(inputs: Mapping[str, InputSpec]) -> tuple[str, ...]:
    """The inputs that a model is also judged without, one at a time: those that may be absent."""
    return tuple(name for name, spec in inputs.items() if spec.may_be_absent and len(inputs) > 1)


def without(inputs: Mapping[str, InputSpec], name: str) -> dict[str, InputSpec]:
    """The inputs where no row has one of them: it reads no column."""
    return {**inputs, name: replace(inputs[name], columns=())}


def own_columns(inputs: Mapping[str, InputSpec], name: str) -> tuple[str, ...]:
    """The columns that an input alone reads."""
    others = {column for other in inputs if other != name for column in inputs[other].columns}
    return tuple(column for column in inputs[name].columns if column not in others)


@final
class MayBeAbsent(Encoder):
    """An encoder that also takes what is no value at all.

    Args:
        encoder: of the values that are there.
        spec: of the input.
        is_absent: whether a raw value says that there is none.
        nothing: the raw value that stands in its place.
    """

    optional = True

    def __init__(
        self, encoder: Encoder, spec: InputSpec, is_absent: Callable[[Any], bool], nothing: Any
    ) -> None:
        self._encoder = encoder
        self._is_absent = is_absent
        self._nothing = nothing
        self._present = presence_array(spec)
        self.arrays = (*encoder.arrays, self._present)

    def encode(self, values: Sequence[Any]) -> Encoded:
        present = np.array([not self._is_absent(value) for value in values], np.bool_)
        whole = bool(present.all())
        found = self._encoder.encode(values if whole else self._filled(values, present))
        arrays = found.arrays | {self._present.name: present.astype(np.int64)}
        return replace(found, arrays=arrays, present=present)

    def length(self, encoded: Encoded) -> npt.NDArray[np.int64]:
        return self._encoder.length(encoded)

    def piece_counts(self, values: Sequence[Any]) -> PieceCounts | None:
        there = [value for value in values if not self._is_absent(value)]
        return self._encoder.piece_counts(there or [self._nothing])

    def truncated(self, value: Any) -> bool:
        return not self._is_absent(value) and self._encoder.truncated(value)

    def edge_values(self) -> Mapping[str, Any]:
        return {**self._encoder.edge_values(), "absent": None}

    def _filled(self, values: Sequence[Any], present: npt.NDArray[np.bool_]) -> list[Any]:
        pairs = zip(values, present.tolist(), strict=True)
        return [value if there else self._nothing for value, there in pairs]
