"""One class out of several for a whole row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.tasks import packing, settings
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.labels import class_target, inventory
from kd2edge.tasks.origin import NO_ORIGIN, Origin
from kd2edge.tasks.probabilities import row_decisions, softmax_decisions
from kd2edge.tasks.ranked import decided_names, ranked_answers
from kd2edge.tasks.spans import Word
from kd2edge.tasks.spec import Decoded, Logits, Output, Target, TaskSpec


@final
class Classification(TaskKind):
    """Softmax over ``spec.labels``; the largest logit decides, the first of equal ones.

    Decode settings: ``temperature`` (scores are softmax(logits / temperature)), ``top_k``.
    """

    name = "classification"
    ranked = True
    default_metrics = ("accuracy", "macro_f1")

    def outputs(self, spec: TaskSpec) -> tuple[Output, ...]:
        return (Output(len(spec.labels), "softmax"),)

    def labels_from_values(self, values: Iterable[Any]) -> tuple[str, ...]:
        return inventory(values)

    def target(self, spec: TaskSpec, value: Any) -> Target | None:
        return class_target(spec.labels, value)

    def decode(self, spec: TaskSpec, logits: Logits) -> Decoded:
        assert isinstance(logits, np.ndarray)  # row-level: the head's own output
        return Decoded(*softmax_decisions(logits, settings.temperature(spec)))

    def answers(
        self,
        spec: TaskSpec,
        decoded: Decoded,
        *,
        top_k: int | None = None,
        origin: Origin = NO_ORIGIN,
    ) -> list[Any]:
        """``[{label, score}, ...]`` a row, best first; label None and score 0 for logits of NaN."""
        del origin
        return ranked_answers(spec, decoded, top_k)

    def said(
        self, spec: TaskSpec, answer: Any, words: Sequence[Word] | None = None
    ) -> list[Any] | None:
        del spec, words
        return [answer[0]["label"]]

    def decided(self, spec: TaskSpec, decoded: Decoded) -> list[list[Any]]:
        return decided_names(spec, decoded)

    def pack(self, decoded: Decoded, top_k: int = 5) -> dict[str, npt.NDArray[Any]]:
        return packing.pack(row_decisions(decoded), top_k)

    def unpack(self, spec: TaskSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> Decoded:
        return Decoded(*packing.unpack(arrays, len(spec.labels)))
