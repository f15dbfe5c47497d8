"""One class out of several for every word of an input; entities when the labels are BIO(ES)."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.ragged import Ragged, listed
from kd2edge.tasks import packing, settings
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.labels import inventory, is_missing, label_index
from kd2edge.tasks.origin import NO_ORIGIN, Origin
from kd2edge.tasks.probabilities import decided_scores, softmax_decisions, word_decisions
from kd2edge.tasks.said import words_decided, words_said
from kd2edge.tasks.spans import Word, are_tags, spans_of
from kd2edge.tasks.spec import MISSING, Decoded, Logits, Output, Target, TaskSpec


@final
class TokenClassification(TaskKind):
    """Softmax over ``spec.labels`` for every word; a word that was cut off is decided -1.

    Decode settings: ``temperature``.
    """

    name = "token_classification"
    per = "word"
    lists = True
    default_metrics = ("accuracy", "macro_f1")

    def outputs(self, spec: TaskSpec) -> tuple[Output, ...]:
        return (Output(len(spec.labels), "softmax", per="word"),)

    def labels_from_values(self, values: Iterable[Any]) -> tuple[str, ...]:
        """The labels of all words; ``values`` holds a list of labels a row."""
        rows = (row for row in values if not is_missing(row))
        return inventory(label for row in rows for label in _labels_in(row))

    def target(self, spec: TaskSpec, value: Any) -> Target | None:
        """``labels`` ``[word]``: class indices, ``MISSING`` for no label."""
        if is_missing(value):
            return None
        words = [_word_target(spec, at, word) for at, word in enumerate(_labels_in(value))]
        return {"labels": np.array(words, np.int64)}

    def decode(self, spec: TaskSpec, logits: Logits) -> Decoded:
        assert isinstance(logits, Ragged)  # word-level: see tasks.outputs
        values: npt.NDArray[Any] = logits.values
        labels, scores = softmax_decisions(values, settings.temperature(spec))
        return Decoded(Ragged(labels, logits.offsets), Ragged(scores, logits.offsets))

    def answers(
        self,
        spec: TaskSpec,
        decoded: Decoded,
        *,
        top_k: int | None = None,
        origin: Origin = NO_ORIGIN,
    ) -> list[Any]:
        """``[{start, end, label, score, text}]`` a row: entities for BIO and BIOES, else each word.

        A word that was cut off is in no entity; where every word is answered, its label is None.
        """
        del top_k
        decisions = word_decisions(decoded)
        if origin.words is None:
            raise ValueError("expected the words of each row (Encoded.words), found None")
        names = (*spec.labels, None)  # a label of -1 is the last: None
        indices: list[int] = decisions.labels.tolist()
        labels = [names[index] for index in indices]
        scores = decided_scores(decisions)
        answer = spans_of if are_tags(spec.labels) else _each_word
        assert isinstance(decoded.labels, Ragged)
        ends = decoded.labels.offsets.tolist()
        return [
            answer(labels[begin:end], scores[begin:end], row)
            for begin, end, row in zip(ends[:-1], ends[1:], origin.words, strict=True)
        ]

    def said(
        self, spec: TaskSpec, answer: Any, words: Sequence[Word] | None = None
    ) -> list[Any] | None:
        return None if words is None else words_said(spec, answer, words)

    def decided(self, spec: TaskSpec, decoded: Decoded) -> list[list[Any]]:
        names = (*spec.labels, None)  # a label of -1 is the last: None
        labels = decoded.labels
        assert isinstance(labels, Ragged)
        found: list[list[Any]] = []
        for row in range(labels.rows):
            indices: list[int] = labels.row(row).tolist()
            found.append(words_decided(spec, [names[index] for index in indices]))
        return found

    def pack(self, decoded: Decoded, top_k: int = 5) -> dict[str, npt.NDArray[Any]]:
        assert isinstance(decoded.labels, Ragged)
        return packing.pack(word_decisions(decoded), top_k) | {"offsets": decoded.labels.offsets}

    def unpack(self, spec: TaskSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> Decoded:
        labels, scores = packing.unpack(arrays, len(spec.labels))
        offsets = arrays["offsets"].astype(np.int64)
        return Decoded(Ragged(labels, offsets), Ragged(scores, offsets))


def _labels_in(value: Any) -> Sequence[Any]:
    found = listed(value)
    if found is None:
        raise ValueError(
            f"expected a list of labels, one a word, found a {type(value).__name__} "
            f"({reprlib.repr(value)})"
        )
    return found


def _word_target(spec: TaskSpec, at: int, label: Any) -> int:
    if is_missing(label):
        return MISSING
    try:
        return label_index(spec.labels, label)
    except ValueError as error:
        raise ValueError(f"word {at + 1}: {error}") from error


def _each_word(
    labels: Sequence[str | None], scores: Sequence[float], words: Sequence[Word]
) -> list[dict[str, Any]]:
    return [
        {"start": start, "end": end, "label": label, "score": score, "text": text}
        for label, score, (start, end, text) in zip(labels, scores, words)  # noqa: B905  (see spans_of)
    ]
