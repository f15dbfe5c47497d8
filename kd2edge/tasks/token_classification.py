"""One class out of several for every word of an input; entities when the labels are BIO(ES)."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast, final

import numpy as np
import numpy.typing as npt

from kd2edge.ragged import Ragged, offsets_of
from kd2edge.tasks import packing, settings
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.labels import inventory, is_missing, label_index
from kd2edge.tasks.probabilities import decided_scores, softmax_decisions, word_decisions
from kd2edge.tasks.spans import Word, are_tags, spans_of
from kd2edge.tasks.spec import MISSING, Decoded, TaskSpec, Truth

#: Positions of words, and the offset of each row's first one: ``inputs``' ``WordStarts`` (neither
#: package imports the other) or a :class:`Ragged`.
Starts = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]


def gather_words(logits: npt.NDArray[np.floating[Any]], word_starts: Starts) -> Ragged:
    """Logits of each word's first sub-word.

    Args:
        logits: ``[batch, length, C]`` over sub-words.
        word_starts: positions in ``length`` ``[all words]``, -1 for a word without one (cut
            off by the length limit), and ``[batch + 1]`` offsets of the rows in them.

    Returns:
        Ragged ``[word, C]``; NaN for a word without a position.
    """
    starts, offsets = word_starts
    owners = Ragged(starts, offsets).owners
    values = logits[owners, starts]  # a start of -1 takes the last position, and is overwritten
    values[starts < 0] = np.nan
    return Ragged(values, offsets)


@final
class TokenClassification(TaskKind):
    """Softmax over ``spec.labels`` for every word; a word that was cut off is decided -1.

    Decode settings: ``temperature``.
    """

    name = "token_classification"
    per_word = True
    default_metrics = ("accuracy", "macro_f1")

    def channels(self, spec: TaskSpec) -> int:
        return len(spec.labels)

    def labels_from_values(self, values: Iterable[Any]) -> tuple[str, ...]:
        """The labels of all words; ``values`` holds a list of labels a row."""
        rows = (row for row in values if not is_missing(row))
        return inventory(label for row in rows for label in _listed(row))

    def target(self, spec: TaskSpec, value: Any) -> npt.NDArray[np.int64] | np.int64:
        """Class indices ``[word]``, ``MISSING`` for no label; a single ``MISSING`` for no list."""
        if is_missing(value):
            return np.int64(MISSING)
        labels = _listed(value)
        return np.array([_word_target(spec, at, word) for at, word in enumerate(labels)], np.int64)

    def decode(self, spec: TaskSpec, logits: npt.NDArray[np.floating[Any]] | Ragged) -> Decoded:
        assert isinstance(logits, Ragged)  # word-level: see gather_words
        values: npt.NDArray[Any] = logits.values
        labels, scores = softmax_decisions(values, settings.temperature(spec))
        return Decoded(Ragged(labels, logits.offsets), Ragged(scores, logits.offsets))

    def answers(
        self,
        spec: TaskSpec,
        decoded: Decoded,
        *,
        top_k: int | None = None,
        words: Sequence[Sequence[Word]] | None = None,
    ) -> list[Any]:
        """``[{start, end, label, score, text}]`` a row: entities for BIO and BIOES, else each word.

        A word that was cut off is in no entity; where every word is answered, its label is None.
        """
        del top_k
        decisions = word_decisions(decoded)
        if words is None:
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
            for begin, end, row in zip(ends[:-1], ends[1:], words, strict=True)
        ]

    def pack(self, decoded: Decoded, top_k: int = 5) -> dict[str, npt.NDArray[Any]]:
        assert isinstance(decoded.labels, Ragged)
        return packing.pack(word_decisions(decoded), top_k) | {"offsets": decoded.labels.offsets}

    def unpack(self, spec: TaskSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> Decoded:
        labels, scores = packing.unpack(arrays, len(spec.labels))
        offsets = arrays["offsets"].astype(np.int64)
        return Decoded(Ragged(labels, offsets), Ragged(scores, offsets))

    def truth(self, targets: Sequence[npt.NDArray[np.int64] | np.int64]) -> Truth:
        """Ragged over words; a row whose target is a single ``MISSING`` has no words here."""
        none = np.zeros(0, dtype=np.int64)
        rows = [np.asarray(target, np.int64) if np.ndim(target) else none for target in targets]
        offsets = offsets_of(np.array([len(row) for row in rows]))
        return Truth(Ragged(np.concatenate([none, *rows]), offsets))


def _listed(value: Any) -> Sequence[Any]:
    if isinstance(value, np.ndarray):
        return cast("npt.NDArray[Any]", value).tolist()
    if isinstance(value, (list, tuple)):
        return cast("list[Any]", value)
    raise ValueError(
        f"expected a list of labels, one a word, found a {type(value).__name__} "
        f"({reprlib.repr(value)})"
    )


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
