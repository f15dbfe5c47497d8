"""Any number of labels for a whole row, each a yes or no of its own."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.ragged import listed
from kd2edge.tasks import settings
from kd2edge.tasks.decisions import Compared
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.labels import inventory, is_missing, label_index
from kd2edge.tasks.origin import NO_ORIGIN, Origin
from kd2edge.tasks.probabilities import row_decisions, sigmoid_decisions
from kd2edge.tasks.spans import Word
from kd2edge.tasks.spec import Decoded, Field, Logits, Output, Section, Target, TaskSpec


@final
class MultiLabel(TaskKind):
    """Sigmoid of a logit per label; every label whose score reaches the threshold is decided.

    An empty list says that a row has none of the labels; a missing value says nothing.

    Decode settings: ``threshold`` (0.5), ``temperature``, ``top_k``: answer with so many labels,
    decided or not.
    """

    name = "multi_label"
    lists = True
    fewest_labels = 1
    sections: frozenset[Section] = frozenset({"classes", "reliability"})
    cut = "threshold"
    default_metrics = ("micro_f1", "macro_f1", "map")

    def fields(self, spec: TaskSpec) -> tuple[Field, ...]:
        """``labels`` ``[label]``: 1 for every label that the row has."""
        return (Field("labels", shape=(len(spec.labels),)),)

    def outputs(self, spec: TaskSpec) -> tuple[Output, ...]:
        return (Output(len(spec.labels), "sigmoid"),)

    def labels_from_values(self, values: Iterable[Any]) -> tuple[str, ...]:
        """The labels of all rows; ``values`` holds labels, or a list of them a row."""
        return inventory(label for value in values for label in _of(value))

    def target(self, spec: TaskSpec, value: Any) -> Target | None:
        if is_missing(value):
            return None
        found = listed(value)
        if found is None:
            raise ValueError(
                "expected a list of labels (jsonl or parquet), found a "
                f"{type(value).__name__} ({reprlib.repr(value)})"
            )
        labels = np.zeros(len(spec.labels), np.int64)
        for label in found:
            if is_missing(label):
                raise ValueError(
                    "expected labels in the list, found a missing one: leave it out of the list"
                )
            labels[label_index(spec.labels, label)] = 1
        return {"labels": labels}

    def classes(self, target: Target) -> npt.NDArray[np.int64]:
        return np.flatnonzero(target["labels"] == 1)

    def decode(self, spec: TaskSpec, logits: Logits) -> Decoded:
        assert isinstance(logits, np.ndarray)  # row-level: the head's own output
        temperature, threshold = settings.temperature(spec), settings.threshold(spec)
        return Decoded(*sigmoid_decisions(logits, temperature, threshold))

    def answers(
        self,
        spec: TaskSpec,
        decoded: Decoded,
        *,
        top_k: int | None = None,
        origin: Origin = NO_ORIGIN,
    ) -> list[Any]:
        """``[{label, score}, ...]`` a row, best first: those decided, or the ``top_k`` best."""
        del origin
        decided, scores = row_decisions(decoded)
        count = settings.most(spec, top_k)
        order = np.argsort(-scores, axis=1, kind="stable")  # [row, label]
        if count is not None:
            order = order[:, :count]
        kept = np.take_along_axis(decided, order, axis=1) == 1 if count is None else None
        return [
            [
                {"label": spec.labels[label], "score": score}
                for place, (label, score) in enumerate(
                    zip(labels.tolist(), scores[row, labels].tolist(), strict=True)
                )
                if kept is None or kept[row, place]
            ]
            for row, labels in enumerate(order)
        ]

    def said(
        self, spec: TaskSpec, answer: Any, words: Sequence[Word] | None = None
    ) -> list[Any] | None:
        del words
        if settings.most(spec, None) is not None:
            return None  # labels that were not decided stand among the others
        return sorted(one["label"] for one in answer)

    def decided(self, spec: TaskSpec, decoded: Decoded) -> list[list[Any]]:
        labels = row_decisions(decoded).labels
        return [sorted(spec.labels[at] for at in np.flatnonzero(row == 1)) for row in labels]

    def margins(self, spec: TaskSpec, decoded: Decoded) -> npt.NDArray[np.float64]:
        scores = np.asarray(row_decisions(decoded).scores, np.float64)
        return np.abs(np.ravel(scores) - settings.threshold(spec))

    def compared(self, spec: TaskSpec, reference: Decoded, candidate: Decoded) -> Compared:
        """Every label of every row."""
        del spec
        wanted, found = row_decisions(reference).labels, row_decisions(candidate).labels
        if wanted.shape != found.shape:
            raise ValueError("the two are of other rows or labels")
        rows, places = np.nonzero(np.ones(wanted.shape, np.bool_))
        one, other = np.ravel(wanted), np.ravel(found)
        return Compared(one != other, rows, places, one, other)

    def text(self, spec: TaskSpec, value: Any, place: int = -1) -> str:
        name = spec.labels[place]
        return name if value == 1 else f"not {name}" if value == 0 else f"{name} undecided"

    def pack(self, decoded: Decoded, top_k: int = 5) -> dict[str, npt.NDArray[Any]]:
        """Scores stay float32: rounding them would make ties, which ``map`` counts."""
        del top_k
        labels, scores = row_decisions(decoded)
        return {"labels": labels.astype(np.int8), "scores": scores.astype(np.float32)}

    def unpack(self, spec: TaskSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> Decoded:
        del spec
        return Decoded(arrays["labels"].astype(np.int64), arrays["scores"].astype(np.float32))


def _of(value: Any) -> Iterable[Any]:
    found = listed(value)
    return [value] if found is None else found
