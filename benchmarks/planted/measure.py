"""What a fault truly costs, by own code: answers against labels, clean beside faulty.

Nothing of the validator is used: answers come from ``predict`` as a service calls it, and metrics
are counted here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from planted.products import BUDGET, Product
from planted.rows import Row
from planted.scores import recalls, scores

#: Largest fall of a class's recall that is no fault.
CLASS_BUDGET = 0.05
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
        value: what is handed over in place of an input's value in a row.
        left_out: an input that is not handed over at all.
    """

    name: str = "test rows"
    rows: Callable[[Product], list[Row]] = field(default=lambda product: product.rows())
    batch: int | None = None
    threads: int = 1
    classes: bool = False
    truth: Look | None = None
    arrays: bool = False
    call: int | None = None
    value: Callable[[str, Any], Any] = field(default=lambda name, value: value)
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a fault costs at worst.

    Args:
        drop: of the metric, as a share of what is large for it.
        ratio: how many budgets that is.
        where: metric and look.
    """

    drop: float
    ratio: float
    where: str


def few(product: Product) -> list[Row]:
    """The first test rows: enough to see what is wrong at a size."""
    return product.rows()[:300]


def rows_without(name: str, rows: Callable[[Product], list[Row]] | None = None) -> Look:
    """The rows where none of them has an input; those that have no other are left out."""

    def lacking(product: Product) -> list[Row]:
        nothing = dict.fromkeys(product.inputs[name])
        others = [other for other in product.inputs if other != name]
        return [
            {**row, **nothing}
            for row in (rows or Product.rows)(product)
            if not all(lacks(product, row, other) for other in others)
        ]

    return Look(f"rows without {name}", lacking)


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
    with load(bundle, artefact=artefact, threads=look.threads) as model:
        values = handed(product, rows, look)
        answers: dict[str, list[Any]] = {}
        step = look.call or len(rows)
        for start in range(0, len(rows), step):
            part = {name: of[start : start + step] for name, of in values.items()}
            for task, found in model.predict(part, batch_size=look.batch).items():
                answers.setdefault(task, []).extend(found)
    return dict(_metrics(product, rows, answers, classes=look.classes))


def handed(product: Product, rows: Sequence[Row], look: Look) -> dict[str, list[Any]]:
    """What `predict` is given: input -> a value a row."""
    return {
        name: [look.value(name, _value(product, columns, row, look)) for row in rows]
        for name, columns in product.inputs.items()
        if name != look.left_out
    }


def _value(product: Product, columns: Sequence[str], row: Row, look: Look) -> Any:
    """The value of an input in a row; of several columns a mapping, None where all are empty."""
    if len(columns) > 1:
        values = {column: row[column] for column in columns}
        return values if any(value is not None for value in values.values()) else None
    value = row[columns[0]]
    if columns != ("image",):
        return value
    path = product.folder / value
    if not look.arrays:
        return str(path)
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def lacks(product: Product, row: Row, name: str) -> bool:
    """Whether a row has nothing in an input."""
    return all(row[column] is None for column in product.inputs[name])


def _metrics(
    product: Product, rows: Sequence[Row], answers: Mapping[str, Sequence[Any]], *, classes: bool
) -> Iterable[tuple[str, float]]:
    """(metric of a task, value): all of them are better the higher they are."""
    for task in product.asked:
        labelled = [at for at, row in enumerate(rows) if row.get(task.name) is not None]
        if task.name not in answers or not labelled:
            continue
        said = [answers[task.name][at] for at in labelled]
        known = [rows[at] for at in labelled]
        yield from scores(task, known, said, lambda name=task.name: product.labels("train", name))
        if classes:
            found = recalls(task, known, said)
            yield from ((f"recall of {label}", value) for label, value in found.items())
