"""The forward pass of a student of static embeddings: look-ups, means and products of NumPy.

The same arithmetic as the torch net's, see ``nets/backbones/static.py`` and ``nets/fusion``; tests
hold the two against each other.  Everything is computed in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import IntegrityError
from kd2edge.files.npz import LIMIT
from kd2edge.inputs.absent import presence_name
from kd2edge.inputs.spec import BATCH, LENGTH, ArraySpec, dimension
from kd2edge.runtime.graph import Arrays, GraphSpec
from kd2edge.runtime.static_plan import EncoderPlan, StaticPlan

Floats = npt.NDArray[np.float32]
#: Behind the name of an array of int8: its scales, one a row of a table or a column of a matrix.
SCALES = ".scales"

#: Below what an embedding holds: what padding counts as in a maximum.
_HIDDEN = np.float32(-1.0e4)
#: What a vector's largest number is taken for where it is smaller.
_SHORT = np.float32(1e-4)
#: Added to the score of an input that is absent: exp() of it is 0.
_ABSENT = np.float32(-1.0e4)


@final
class StaticNet:
    """A student, ready to run; :meth:`run` changes nothing, so threads may share it.

    Args:
        plan: what it is made of.
        arrays: its weights by place, float32, or int8 with float32 scales.
        place: what messages call it.

    Raises:
        IntegrityError: arrays that are missing, left over, of another type or another shape than
            the plan's.
    """

    def __init__(
        self, plan: StaticPlan, arrays: Mapping[str, npt.NDArray[Any]], place: str
    ) -> None:
        weights = _Weights(arrays, place)
        self._encoders = [
            _Encoder(one, weights, f"encoder.{at}.") for at, one in enumerate(plan.encoders)
        ]
        self._fusion = _fusion(plan, weights)
        self._heads = [
            (one.output, one.reads, _LAYERS[one.layer](weights, f"head.{at}."))
            for at, one in enumerate(plan.heads)
        ]
        weights.end()
        #: What it takes and gives.
        self.spec: GraphSpec = self._spec()
        self._require_run(place)

    def run(self, arrays: Arrays) -> dict[str, Floats]:
        """Output -> ``[batch, channel]``, of heads on positions ``[batch, length, channel]``.

        Raises:
            IndexError: an id that the table has no row for.
        """
        pooled: list[Floats] = []
        sequences: dict[str, Floats] = {}
        for encoder in self._encoders:
            row, sequences[encoder.input] = encoder.run(arrays)
            pooled.append(row)
        present = [
            None if name is None else arrays[name].astype(np.float32)[:, None]
            for name in (encoder.presence for encoder in self._encoders)
        ]
        fused = self._fusion(pooled, present)
        return {
            output: linear(sequences[reads] if reads else fused)
            for output, reads, linear in self._heads
        }

    def _spec(self) -> GraphSpec:
        outputs = (
            ArraySpec(
                output,
                "float32",
                (BATCH, *([dimension(reads, LENGTH)] if reads else []), linear.width),
            )
            for output, reads, linear in self._heads
        )
        inputs = (array for encoder in self._encoders for array in encoder.arrays())
        return GraphSpec(tuple(inputs), tuple(outputs))

    def _require_run(self, place: str) -> None:
        """Matrices that do not fit each other fail in a product of one row.

        Of everything that NumPy would stretch instead (vectors, the table of casing) the size is
        compared where it is read.
        """
        ones = {one.name: np.zeros((1,) * len(one.shape), one.dtype) for one in self.spec.inputs}
        try:
            self.run(ones)
        except (ValueError, IndexError) as error:
            raise IntegrityError(f"{place}: its arrays do not fit each other: {error}") from error


@final
class _Weights:
    """Arrays by name, each taken once; what is left at the end was not expected."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], place: str) -> None:
        self._left = dict(arrays)
        #: What messages call them.
        self.place = place
        self._made = 0

    def stored(self, name: str, axis: int) -> tuple[npt.NDArray[Any], Floats | None]:
        """A matrix as it is kept, and its scales along ``axis``; None: it is of float32."""
        found = self._take(name, ("float32", "int8"), 2)
        if found.dtype == np.float32:
            return found, None
        return found, self.vector(name + SCALES, found.shape[axis])

    def floats(self, name: str) -> Floats:
        """A matrix in float32; what is made of int8 has an end, like what is read."""
        found, scales = self.stored(name, 1)
        if scales is None:
            return found
        self._made += found.size * scales.itemsize
        if self._made > LIMIT:
            raise IntegrityError(
                f"{self.place}: array {name!r}: matrices of int8 become {self._made:,} bytes of"
                f" float32; at most {LIMIT:,} are made"
            )
        return found * scales

    def vector(self, name: str, size: int) -> Floats:
        """So many numbers."""
        found = self._take(name, ("float32",), 1)
        if len(found) != size:
            raise IntegrityError(
                f"{self.place}: array {name!r}: expected {size} numbers, found {len(found)}"
            )
        return found

    def end(self) -> None:
        if self._left:
            raise IntegrityError(f"{self.place}: array {min(self._left)!r} is not of these layers")

    def _take(self, name: str, dtypes: tuple[str, ...], rank: int) -> npt.NDArray[Any]:
        found = self._left.pop(name, None)
        if found is None:
            raise IntegrityError(f"{self.place}: no array {name!r}")
        if found.dtype.name not in dtypes or found.ndim != rank or not found.size:
            raise IntegrityError(
                f"{self.place}: array {name!r}: expected {' or '.join(dtypes)} with {rank}"
                f" dimensions, found {found.dtype.name} {list(found.shape)}"
            )
        if found.dtype == np.float32 and not np.isfinite(found).all():
            raise IntegrityError(f"{self.place}: array {name!r}: NaN or an infinity is no weight")
        return found


@final
class _Table:
    """Rows by the ids of one array.

    A table of int8 stays so: of the rows that are looked up alone floats are made.
    """

    def __init__(self, weights: _Weights, name: str, ids: str) -> None:
        self._rows, scales = weights.stored(name, 0)
        self._ids = ids
        self._scales = None if scales is None else scales[:, None]

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return self._rows.shape[1]

    def __call__(self, ids: npt.NDArray[np.int64]) -> Floats:
        if ids.size and ids.min() < 0:  # NumPy would count from the table's end
            raise IndexError(f"{self._ids} has the id {ids.min()}, and ids begin at 0")
        if self._scales is None:
            return self._rows.take(ids, axis=0)
        return self._rows.take(ids, axis=0) * self._scales.take(ids, axis=0)


@final
class _Linear:
    """``rows @ matrix + bias``, the matrix ``[input, output]``; one of int8 becomes floats here."""

    def __init__(self, weights: _Weights, name: str) -> None:
        self._matrix = weights.floats(name + "matrix")
        self.width: int = self._matrix.shape[1]
        self._bias = weights.vector(name + "bias", self.width)

    def __call__(self, rows: Floats) -> Floats:
        return rows @ self._matrix + self._bias


@final
class _Nearest:
    """The cosine to the nearest prototype, see ``nets/heads/scope.py``.

    The prototypes stand as the columns of a matrix ``[input, prototype]``.
    """

    width = 1

    def __init__(self, weights: _Weights, name: str) -> None:
        self._matrix = weights.floats(name + "matrix")
        self._middle = weights.vector(name + "middle", len(self._matrix))

    def __call__(self, rows: Floats) -> Floats:
        apart = rows - self._middle
        apart = apart / np.maximum(np.abs(apart).max(-1, keepdims=True), _SHORT)
        length = np.sqrt(np.square(apart).sum(-1, keepdims=True))
        return (apart @ self._matrix).max(-1, keepdims=True) / np.maximum(length, np.float32(1))


_LAYERS = {"linear": _Linear, "nearest": _Nearest}


@final
class _Layer:
    """Linear, perhaps a layer norm, ReLU."""

    def __init__(self, weights: _Weights, name: str, epsilon: float | None) -> None:
        self._linear = _Linear(weights, name)
        self._norm: tuple[Floats, Floats, np.float32] | None = None
        if epsilon is not None:
            scale, shift = (
                weights.vector(name + one, self._linear.width) for one in ("scale", "shift")
            )
            self._norm = scale, shift, np.float32(epsilon)

    def __call__(self, rows: Floats) -> Floats:
        drawn = self._linear(rows)
        if self._norm is not None:
            scale, shift, epsilon = self._norm
            centred = drawn - drawn.mean(-1, keepdims=True)
            variance = np.square(centred).mean(-1, keepdims=True)
            drawn = centred / np.sqrt(variance + epsilon) * scale + shift
        return np.maximum(drawn, 0)


@final
class _Encoder:
    """One input: its pieces' vectors, and one of the whole row."""

    def __init__(self, plan: EncoderPlan, weights: _Weights, name: str) -> None:
        self.input = plan.input
        #: The array that says which rows have the input; None: every row has it.
        self.presence = presence_name(plan.input) if plan.optional else None
        self._ids, self._mask, self._casing_ids = (
            plan.prefix + one for one in ("input_ids", "attention_mask", "casing_ids")
        )
        self._words = _Table(weights, name + "words", self._ids)
        self._casing = self._table_of_casing(weights, name) if plan.casing else None
        self._weights = (
            weights.vector(name + "weights", self._words.size) if plan.weighted else None
        )
        self._pooling, self._least = plan.pooling, np.float32(plan.least)
        self._layers = [
            _Layer(weights, f"{name}layer.{at}.", epsilon) for at, epsilon in enumerate(plan.norms)
        ]

    def _table_of_casing(self, weights: _Weights, name: str) -> _Table:
        """One as wide as the words': NumPy would add a single column to all of theirs."""
        table = _Table(weights, name + "casing", self._casing_ids)
        if table.width != self._words.width:
            raise IntegrityError(
                f"{weights.place}: array {name + 'casing'!r}: expected {self._words.width} numbers"
                f" a row, as words have, found {table.width}"
            )
        return table

    def arrays(self) -> tuple[ArraySpec, ...]:
        """What it reads."""
        names = [self._ids, self._mask, *([self._casing_ids] if self._casing else [])]
        shape = (BATCH, dimension(self.input, LENGTH))
        words = tuple(ArraySpec(one, "int64", shape) for one in names)
        present = (self.presence,) if self.presence else ()
        return (*words, *(ArraySpec(one, "int64", (BATCH,)) for one in present))

    def run(self, arrays: Arrays) -> tuple[Floats, Floats]:
        """Vectors of the rows ``[batch, width]`` and of their pieces ``[batch, length, width]``."""
        ids, visible = arrays[self._ids], arrays[self._mask].astype(np.float32)
        sequence = self._words(ids)
        if self._casing is not None:
            sequence = sequence + self._casing(arrays[self._casing_ids])
        row = self._pooled(sequence, ids, visible)
        for layer in self._layers:
            row = layer(row)
        return row, sequence

    def _pooled(self, sequence: Floats, ids: npt.NDArray[np.int64], visible: Floats) -> Floats:
        parts: list[Floats] = []
        if self._pooling != "max":
            weights = visible if self._weights is None else self._weights.take(ids) * visible
            whole = np.maximum(weights.sum(1, keepdims=True), self._least)  # of no piece, too
            parts.append((weights[:, None, :] @ sequence)[:, 0] / whole)
        if self._pooling != "mean":
            shown = visible[:, :, None] > 0
            largest = np.where(shown, sequence, _HIDDEN).max(1, initial=_HIDDEN)
            parts.append(largest * shown.any(1))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


@final
class _Single:
    """The vector of the only input."""

    def __call__(self, pooled: list[Floats], present: list[Floats | None]) -> Floats:
        del present
        return pooled[0]


@final
class _Concat:
    """Vectors side by side, zeros for what is absent."""

    def __init__(self, hidden: _Linear | None) -> None:
        self._hidden = hidden

    def __call__(self, pooled: list[Floats], present: list[Floats | None]) -> Floats:
        shown = [one if p is None else one * p for one, p in zip(pooled, present, strict=True)]
        joined = np.concatenate(shown, axis=-1)
        return joined if self._hidden is None else np.maximum(self._hidden(joined), 0)


@final
class _Gated:
    """A mean of the vectors, weighed anew for every row."""

    def __init__(self, parts: list[_Linear], scores: list[_Linear]) -> None:
        self._parts, self._scores = parts, scores

    def __call__(self, pooled: list[Floats], present: list[Floats | None]) -> Floats:
        parts: list[Floats] = []
        scores: list[Floats] = []
        for one, there, part, score in zip(pooled, present, self._parts, self._scores, strict=True):
            parts.append(np.tanh(part(one)))
            own = score(one)
            scores.append(own if there is None else own * there + (1 - there) * _ABSENT)
        drawn = np.concatenate(scores, axis=-1)
        raised = np.exp(drawn - drawn.max(-1, keepdims=True))
        weights = raised / raised.sum(-1, keepdims=True)  # [batch, input]
        return (np.stack(parts, axis=1) * weights[:, :, None]).sum(1)


def _fusion(plan: StaticPlan, weights: _Weights) -> _Single | _Concat | _Gated:
    if plan.fusion == "single":
        return _Single()
    if plan.fusion == "concat":
        return _Concat(_Linear(weights, "fusion.hidden.") if plan.hidden else None)
    inputs = range(len(plan.encoders))
    return _Gated(
        [_Linear(weights, f"fusion.part.{at}.") for at in inputs],
        [_Linear(weights, f"fusion.score.{at}.") for at in inputs],
    )
