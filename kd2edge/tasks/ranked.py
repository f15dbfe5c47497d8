"""Answers that name classes, the decided one first: of kinds with one class a row."""

from __future__ import annotations

from typing import Any

from kd2edge.tasks import settings
from kd2edge.tasks.probabilities import best_of, decided_scores, row_decisions
from kd2edge.tasks.spec import Decoded, TaskSpec


def ranked_answers(spec: TaskSpec, decoded: Decoded, top_k: int | None) -> list[Any]:
    """``[{label, score}, ...]`` a row; label None and score 0 for logits of NaN."""
    decisions = row_decisions(decoded)
    names = (*spec.labels, None)  # a label of -1 is the last: None
    count = settings.top_k(spec, top_k)
    if count == 1:
        return [
            [{"label": names[label], "score": score}]
            for label, score in zip(
                decisions.labels.tolist(), decided_scores(decisions), strict=True
            )
        ]
    best = best_of(decisions, count)
    return [
        [{"label": names[label], "score": score} for label, score in zip(labels, scores)]  # noqa: B905  (one shape)
        if decided >= 0
        else [{"label": None, "score": 0.0}]
        for decided, labels, scores in zip(
            decisions.labels.tolist(), best.labels.tolist(), best.scores.tolist(), strict=True
        )
    ]


def decided_names(spec: TaskSpec, decoded: Decoded) -> list[list[Any]]:
    """The decided class of each row by its name."""
    names = (*spec.labels, None)  # a label of -1 is the last: None
    return [[names[label]] for label in row_decisions(decoded).labels.tolist()]
