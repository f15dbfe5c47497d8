"""Own metrics of a task's answers, by its kind; higher is better, and 1 is the best there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import pstdev
from typing import Any

import numpy as np

from planted.products import Task
from planted.rows import Row

#: Rows that a class needs to be counted.
CLASS_ROWS = 15

Scores = Iterable[tuple[str, float]]


def scores(
    task: Task, rows: Sequence[Row], said: Sequence[Any], learned: Callable[[], Sequence[Any]]
) -> Scores:
    """(metric, value) of a task.

    Args:
        task: its kind and its leading metric.
        rows: labelled ones.
        said: what `predict` answers to them.
        learned: the labels of the training rows, which say what a large error is.
    """
    truth = [row[task.name] for row in rows]
    if task.metric == "entity_f1":
        yield f"{task.name} entity F1", entity_f1(rows, said)
    elif task.kind == "multi_label":
        yield f"{task.name} micro F1", micro_f1(truth, [_labels(one) for one in said])
    elif task.kind == "regression":
        errors = [one["value"] - value for one, value in zip(said, truth, strict=True)]
        yield f"{task.name} error", 1 - _mean_error(errors) / (2 * pstdev(learned()))
    elif task.kind == "ordinal":
        levels = [int(label) for label in learned()]
        errors = [int(one[0]["label"]) - int(level) for one, level in zip(said, truth, strict=True)]
        yield f"{task.name} level error", 1 - _mean_error(errors) / (max(levels) - min(levels))
    else:
        yield from _of_classes(task, rows, said)


def _of_classes(task: Task, rows: Sequence[Row], said: Sequence[Any]) -> Scores:
    truth, found = decisions(task, rows, said)
    yield f"{task.name} accuracy", float(np.mean([a == b for a, b in zip(truth, found)]))  # noqa: B905
    if task.metric == "macro_f1":
        yield f"{task.name} macro F1", macro_f1(truth, found)
    if task.metric == "auc":
        yield f"{task.name} AUC", auc([one == "yes" for one in truth], [a["score"] for a in said])


def _mean_error(errors: Sequence[float]) -> float:
    return float(np.mean(np.abs(errors)))


def decisions(task: Task, rows: Sequence[Row], said: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Labels and decisions, one an item; of several labels a row, whether each is there."""
    truth: list[Any] = []
    found: list[Any] = []
    for row, answer in zip(rows, said, strict=True):
        if task.kind == "token_classification":
            truth += row[task.name]
            found += [word["label"] for word in answer]
        else:
            truth.append(row[task.name])
            found.append(_label(answer))
    if len(truth) != len(found):
        return truth, [None] * len(truth)
    return truth, found


def _label(answer: Any) -> Any:
    return answer["label"] if isinstance(answer, Mapping) else answer[0]["label"]


def _labels(answer: Any) -> list[Any]:
    return [one["label"] for one in answer]


def micro_f1(truth: Sequence[Sequence[Any]], found: Sequence[Sequence[Any]]) -> float:
    """F1 over all pairs of a row and a label that it has."""
    hits = sum(len({*a} & {*b}) for a, b in zip(truth, found, strict=True))
    whole = sum(map(len, truth)) + sum(map(len, found))
    return 2 * hits / max(whole, 1)


def macro_f1(truth: Sequence[Any], found: Sequence[Any]) -> float:
    """Mean of the labels' F1, over all that occur."""
    hits = Counter(a for a, b in zip(truth, found, strict=True) if a == b)
    wanted, said = Counter(truth), Counter(found)
    labels = set(wanted) | set(said)
    return sum(2 * hits[one] / (wanted[one] + said[one]) for one in labels) / len(labels)


def recalls(task: Task, rows: Sequence[Row], said: Sequence[Any]) -> dict[Any, float]:
    """Recall of every label with rows enough."""
    if task.kind == "regression":
        return {}
    if task.kind != "multi_label":
        return recall(*decisions(task, rows, said))
    pairs = [({*row[task.name]}, {*_labels(one)}) for row, one in zip(rows, said, strict=True)]
    wanted = [(label, label in found) for truth, found in pairs for label in truth]
    return recall([label for label, _ in wanted], [hit and label for label, hit in wanted])


def recall(truth: Sequence[Any], found: Sequence[Any]) -> dict[Any, float]:
    """Recall of every label with rows enough."""
    hits = Counter(a for a, b in zip(truth, found, strict=True) if a == b)
    wanted = Counter(truth)
    return {one: hits[one] / count for one, count in wanted.items() if count >= CLASS_ROWS}


def auc(truth: Sequence[bool], scores: Sequence[float]) -> float:
    """Chance that a positive row has the higher score; ties count half."""
    positive = np.array([score for score, is_one in zip(scores, truth, strict=True) if is_one])
    negative = np.array([score for score, is_one in zip(scores, truth, strict=True) if not is_one])
    over = (positive[:, None] > negative[None]).mean()
    return float(over + 0.5 * (positive[:, None] == negative[None]).mean())


def entity_f1(rows: Sequence[Row], answers: Sequence[Any]) -> float:
    """F1 over entities that begin, end and are called alike."""
    hits = wanted = said = 0
    for row, answer in zip(rows, answers, strict=True):
        truth = set(gold_entities(row["tokens"], row["ner"]))
        found = {(one["start"], one["end"], one["label"]) for one in answer}
        hits += len(truth & found)
        wanted, said = wanted + len(truth), said + len(found)
    return 2 * hits / max(wanted + said, 1)


def gold_entities(tokens: Sequence[str], tags: Sequence[str]) -> Iterable[tuple[int, int, str]]:
    """(start, end, type) of every entity, in characters of the words joined by blanks."""
    start = end = 0
    kind, at = "", 0
    for token, tag in zip(tokens, tags, strict=True):
        goes_on = tag[:1] == "I" and tag[2:] == kind
        if kind and not goes_on:
            yield start, end, kind
            kind = ""
        if tag != "O" and not goes_on:
            start, kind = at, tag[2:]
        if tag != "O":
            end = at + len(token)
        at += len(token) + 1
    if kind:
        yield start, end, kind
