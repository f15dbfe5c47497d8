"""What a fault truly costs, by own code: answers against labels, clean beside faulty.

Nothing of the validator is used: answers come from ``predict`` as a service calls it, and metrics
are counted here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from planted.products import BUDGET, Product
from planted.rows import Row

#: Largest fall of a class's recall that is no fault; a class needs some rows to be counted.
CLASS_BUDGET = 0.05
CLASS_ROWS = 15
#: Budgets from which on a fault has to be stopped.
COSTLY = 2.0

Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Look:
    """Where a fault shows.

    Args:
        name: of the look, for the cache of what the clean artefact does.
        rows: the rows, from the product.
        batch: rows in one call; None: as many as `predict` takes.
        threads: of a forward pass.
        classes: whether the recall of every class counts too.
        arrays: pictures are handed over as arrays, not as files.
        call: rows that are handed over together; None: all.
        truth: where the clean artefact is measured, when that is not here: labels are wrong here.
    """

    name: str = "test rows"
    rows: Callable[[Product], list[Row]] = field(default=lambda product: product.rows())
    batch: int | None = None
    threads: int = 1
    classes: bool = False
    truth: Look | None = None
    arrays: bool = False
    call: int | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a fault costs at worst.

    Args:
        drop: of the metric, in [0, 1].
        ratio: how many budgets that is.
        where: metric and look.
    """

    drop: float
    ratio: float
    where: str


def few(product: Product) -> list[Row]:
    """The first test rows: enough to see what is wrong at a size."""
    return product.rows()[:300]


@dataclass(frozen=True, slots=True)
class Measurer:
    """Counts metrics; keeps what the clean artefacts do."""

    clean: dict[tuple[str, str, str], Metrics] = field(
        default_factory=dict[tuple[str, str, str], Metrics]
    )

    def cost(
        self,
        product: Product,
        bundle: Path,
        artefact: str,
        looks: Iterable[Look],
        patch: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> Cost:
        """The worst of all looks."""
        worst = Cost(0.0, 0.0, "nowhere")
        for look in looks:
            wanted = self._clean(product, artefact, look.truth or look)
            with patch():
                try:
                    found = measured(product, bundle, artefact, look)
                except Exception as error:  # noqa: BLE001  (`predict` refuses rows, or breaks)
                    said = f"predict: {type(error).__name__}, {look.name}"
                    return Cost(1.0, 1.0 / BUDGET, said)
            for name, value in wanted.items():
                budget = CLASS_BUDGET if name.startswith("recall") else BUDGET
                drop = value - found.get(name, 0.0)
                if drop / budget > worst.ratio:
                    worst = Cost(drop, drop / budget, f"{name}, {look.name}")
        return worst

    def _clean(self, product: Product, artefact: str, look: Look) -> Metrics:
        key = (product.name, artefact, look.name)
        if key not in self.clean:
            self.clean[key] = measured(product, product.bundle, artefact, look)
        return self.clean[key]


def measured(product: Product, bundle: Path, artefact: str, look: Look) -> Metrics:
    """Every metric of an artefact."""
    from kd2edge.api import load

    rows = look.rows(product)
    (name,) = _inputs(product)
    with load(bundle, artefact=artefact, threads=look.threads) as model:
        values = [_value(product, row, arrays=look.arrays) for row in rows]
        answers: dict[str, list[Any]] = {}
        step = look.call or len(values)
        for start in range(0, len(values), step):
            part = {name: values[start : start + step]}
            for task, found in model.predict(part, batch_size=look.batch).items():
                answers.setdefault(task, []).extend(found)
    return dict(metrics(product, rows, answers, classes=look.classes))


def _inputs(product: Product) -> Sequence[str]:
    return (product.column,)


def _value(product: Product, row: Row, *, arrays: bool) -> Any:
    value = row[product.column]
    if product.name != "pictures":
        return value
    path = product.folder / value
    if not arrays:
        return str(path)
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def metrics(
    product: Product, rows: Sequence[Row], answers: Mapping[str, Sequence[Any]], *, classes: bool
) -> Iterable[tuple[str, float]]:
    """(metric of a task, value)."""
    for task in product.tasks:
        labelled = [at for at, row in enumerate(rows) if row.get(task) is not None]
        if task not in answers or not labelled:
            continue
        said = [answers[task][at] for at in labelled]
        known = [rows[at] for at in labelled]
        if task == "ner":
            yield "ner entity F1", entity_f1(known, said)
            continue
        truth, found = _pairs(task, known, said)
        yield f"{task} accuracy", float(np.mean([a == b for a, b in zip(truth, found)]))  # noqa: B905
        if task == "intent":
            yield "intent macro F1", macro_f1(truth, found)
        if task == "larger":
            yield "larger AUC", auc([label == "yes" for label in truth], [a["score"] for a in said])
        if classes:
            yield from (
                (f"recall of {label}", value) for label, value in recalls(truth, found).items()
            )


def _pairs(task: str, rows: Sequence[Row], said: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Labels and decisions, one an item."""
    truth: list[Any] = []
    found: list[Any] = []
    for row, answer in zip(rows, said, strict=True):
        if task == "upos":
            truth += row[task]
            found += [word["label"] for word in answer]
        else:
            truth.append(row[task])
            found.append(answer["label"] if isinstance(answer, Mapping) else answer[0]["label"])
    if len(truth) != len(found):
        return truth, [None] * len(truth)
    return truth, found


def macro_f1(truth: Sequence[Any], found: Sequence[Any]) -> float:
    """Mean of the labels' F1, over all that occur."""
    hits = Counter(a for a, b in zip(truth, found, strict=True) if a == b)
    wanted, said = Counter(truth), Counter(found)
    labels = set(wanted) | set(said)
    return sum(2 * hits[one] / (wanted[one] + said[one]) for one in labels) / len(labels)


def recalls(truth: Sequence[Any], found: Sequence[Any]) -> dict[Any, float]:
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
