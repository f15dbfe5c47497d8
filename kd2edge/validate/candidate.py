"""What can be judged: anything that encodes raw rows, gives logits and decodes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, final

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.kind import Encoder
from kd2edge.inputs.spec import ArraySpec, Encoded, InputSpec
from kd2edge.runtime.batches import Batch, merged
from kd2edge.runtime.model import Watch
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.outputs import origin_of
from kd2edge.tasks.spec import Decoded, TaskSpec
from kd2edge.validate.validation import Check
from kd2edge.validate.ways import FREE

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Answering", "Candidate", "Loaded", "loaded"]

Outputs = Mapping[str, npt.NDArray[Any]]


class Candidate(Protocol):
    """A student in any form.  ``runtime.Model`` is one; so is what never was in a bundle."""

    @property
    def tasks(self) -> Mapping[str, TaskSpec]:
        """Its heads by name."""
        ...

    def encode(self, inputs: Any, /) -> Mapping[str, Encoded]:
        """Arrays of raw values, input name -> values."""
        ...

    def logits(self, inputs: Any, /) -> Outputs:
        """Outputs of every head for arrays, ``[batch, C]`` or ``[batch, length, C]``."""
        ...

    def decode(self, logits: Any, encoded: Any, /) -> Mapping[str, Decoded]:
        """Decisions and scores of every head."""
        ...


class Answering(Candidate, Protocol):
    """A candidate that answers as a service would ask it, and shows what answers come from."""

    @property
    def inputs(self) -> Mapping[str, InputSpec]:
        """Its inputs by name; empty: nothing is known of them."""
        ...

    @property
    def batch(self) -> int | None:
        """Rows of a forward pass when nobody says; None: all that it is handed."""
        ...

    def predict(
        self,
        inputs: Any,
        *,
        tasks: Any = None,
        top_k: int | None = None,
        batch_size: int | None = None,
    ) -> Mapping[str, Sequence[Any]]:
        """Answers of every task, one a row.

        Args:
            inputs: rows, as ``runtime.Model.predict`` takes them.
            tasks: those to answer; None: all.
            top_k: labels a row at most; None: the kind's own choice.
            batch_size: rows a call of the graph; None: as it suits.
        """
        ...

    def watched(self, watch: Watch, encoders: Mapping[str, Encoder] | None = None) -> Answering:
        """The same, which shows every batch and its outputs."""
        ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """A candidate, ready to be judged.

    Args:
        models: number of threads -> the candidate with as many, rising.
        precision: what it claims: ``fp32``, ``int8`` ...
        encoders: what the models encode with, which they may share; empty: each with its own.
        inputs: the arrays that it takes; empty: nothing is known of lengths.
        ranges: sizes that its dynamic dimensions take.
        most: rows of the largest forward pass; at most ``FREE`` where it takes any number.
        graph: what is known of its files and golden outputs (level 1).
        notes: what else was looked at, or could not be.
    """

    models: Mapping[int, Answering]
    precision: str
    encoders: Mapping[str, Encoder] = field(default_factory=dict[str, Encoder])
    inputs: tuple[ArraySpec, ...] = ()
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    most: int = FREE
    graph: tuple[Check, ...] = ()
    notes: tuple[Check, ...] = ()

    @property
    def first(self) -> Answering:
        """It with the fewest threads."""
        return next(iter(self.models.values()))

    def encode(self, values: Mapping[str, Sequence[Any]]) -> Mapping[str, Encoded]:
        """Arrays and words of raw values."""
        if not self.encoders:
            return self.first.encode(values)
        return {name: one.encode(values[name]) for name, one in self.encoders.items()}


def loaded(candidate: Candidate, *, precision: str = "fp32") -> Loaded:
    """A candidate that is no artefact of a bundle, as it is judged: in batches up to ``FREE``."""
    return Loaded({1: _Plain(candidate)}, precision)


@final
class _Plain:
    """A candidate whose answers are what it decodes."""

    def __init__(self, candidate: Candidate, watch: Watch | None = None) -> None:
        self._candidate = candidate
        self._watch = watch
        self.tasks = candidate.tasks
        self.encode = candidate.encode
        self.logits = candidate.logits
        self.decode = candidate.decode
        self.batch: int | None = None
        self.inputs: Mapping[str, InputSpec] = {}

    def predict(
        self,
        inputs: Mapping[str, Sequence[Any]],
        *,
        tasks: Any = None,
        top_k: int | None = None,
        batch_size: int | None = None,
    ) -> dict[str, list[Any]]:
        wanted = [name for name in self.tasks if tasks is None or name in tasks]
        answers: dict[str, list[Any]] = {name: [] for name in wanted}
        rows = len(next(iter(inputs.values())))
        size = batch_size or rows
        for start in range(0, rows, size):
            some = {name: values[start : start + size] for name, values in inputs.items()}
            encoded = dict(self.encode(some))
            arrays = merged(encoded)
            outputs = {name: np.asarray(one) for name, one in self.logits(arrays).items()}
            if self._watch is not None:
                self._watch(Batch(arrays, encoded, range(start, min(start + size, rows))), outputs)
            decoded = self.decode(outputs, encoded)
            for name in wanted:
                answers[name] += _answers(self.tasks[name], decoded[name], encoded, top_k)
        return answers

    def watched(self, watch: Watch, encoders: Mapping[str, Encoder] | None = None) -> Self:
        del encoders  # how it encodes is a part of what is judged
        return type(self)(self._candidate, watch)


def _answers(
    spec: TaskSpec, decoded: Decoded, encoded: Mapping[str, Encoded], top_k: int | None
) -> list[Any]:
    kind = task_kind(spec.kind)
    return kind.answers(spec, decoded, top_k=top_k, origin=origin_of(spec, encoded))
