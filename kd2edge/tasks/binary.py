"""Yes or no for a whole row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.tasks import settings
from kd2edge.tasks.kind import TaskKind, Values
from kd2edge.tasks.labels import class_target, inventory
from kd2edge.tasks.origin import NO_ORIGIN, Origin
from kd2edge.tasks.probabilities import row_decisions, sigmoid_decisions
from kd2edge.tasks.spans import Word
from kd2edge.tasks.spec import Decoded, Logits, Output, Target, TaskSpec


@final
class Binary(TaskKind):
    """Sigmoid of one logit: the probability of the second label, the positive one.

    Decode settings: ``threshold`` (a score that reaches it is positive; 0.5), ``temperature``.
    """

    name = "binary"
    cut = "threshold"
    default_metrics = ("binary_f1", "accuracy", "auc")

    def outputs(self, spec: TaskSpec) -> tuple[Output, ...]:
        del spec
        return (Output(1, "sigmoid"),)

    def labels_from_values(self, values: Iterable[Any]) -> tuple[str, ...]:
        """(negative, positive): "0" before "1", else by name, as in no/yes and false/true.

        Raises:
            ValueError: not exactly two labels.
        """
        labels = inventory(values)
        if len(labels) not in (0, 2):
            shown = ", ".join(map(repr, labels[:5]))
            raise ValueError(
                f"a binary task needs two labels, found {len(labels)} ({shown});"
                " state them as labels: [negative, positive], or use classification"
            )
        return labels

    def target(self, spec: TaskSpec, value: Any) -> Target | None:
        return class_target(spec.labels, value)

    def reordered(
        self, spec: TaskSpec, logits: Values, order: Sequence[int], output: str = ""
    ) -> Values:
        """The one logit says yes; with yes and no swapped it is its negative."""
        del spec, output
        return logits if list(order) == [0, 1] else -logits

    def decode(self, spec: TaskSpec, logits: Logits) -> Decoded:
        assert isinstance(logits, np.ndarray)  # row-level: the head's own output
        temperature, threshold = settings.temperature(spec), settings.threshold(spec)
        return Decoded(*sigmoid_decisions(logits[:, 0], temperature, threshold))

    def answers(
        self,
        spec: TaskSpec,
        decoded: Decoded,
        *,
        top_k: int | None = None,
        origin: Origin = NO_ORIGIN,
    ) -> list[Any]:
        """``{score, label}`` a row: the positive label's probability, and the label decided on."""
        del origin, top_k
        labels, scores = row_decisions(decoded)
        names = (*spec.labels, None)  # a label of -1 is the last: None
        return [
            {"score": score, "label": names[label]}
            for label, score in zip(labels.tolist(), scores.tolist(), strict=True)
        ]

    def said(
        self, spec: TaskSpec, answer: Any, words: Sequence[Word] | None = None
    ) -> list[Any] | None:
        del spec, words
        return [answer["label"]]

    def decided(self, spec: TaskSpec, decoded: Decoded) -> list[list[Any]]:
        names = (*spec.labels, None)  # a label of -1 is the last: None
        return [[names[label]] for label in row_decisions(decoded).labels.tolist()]

    def pack(self, decoded: Decoded, top_k: int = 5) -> dict[str, npt.NDArray[Any]]:
        """Scores stay float32: rounding them would save little and make ties for AUC."""
        del top_k
        labels, scores = row_decisions(decoded)
        return {"labels": labels.astype(np.int8), "scores": scores}

    def unpack(self, spec: TaskSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> Decoded:
        del spec
        return Decoded(arrays["labels"].astype(np.int64), arrays["scores"].astype(np.float32))
