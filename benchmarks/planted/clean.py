"""Verdicts on clean artefacts: over threads, orders, parts of the rows, products and artefacts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from planted.judge import judged
from planted.kind import Said
from planted.products import Product
from planted.rows import Row, write_rows


@dataclass(frozen=True, slots=True)
class Case:
    """One validation of one clean artefact.

    Args:
        part: which rows, in which order.
    """

    product: str
    artefact: str
    threads: int
    part: str

    @property
    def key(self) -> str:
        return f"{self.product} {self.artefact} {self.threads} threads, {self.part}"


#: The rows that faults are judged on: here a clean artefact has to pass, or no stop says anything.
CONTROL = "judged rows"
#: Halves, quarters, orders, draws.
PARTS = (
    CONTROL, "all rows", "first half", "second half", "first quarter", "last quarter",
    "every third row", "backwards", "shuffled 1", "shuffled 2", "half drawn 1", "half drawn 2",
    "quarter drawn 1", "quarter drawn 2", "quarter drawn 3",
)  # fmt: skip


def cases(product: Product) -> Iterator[Case]:
    """Every artefact with every part, threads in turns."""
    from kd2edge.bundle import open_bundle

    artefacts = open_bundle(product.bundle).manifest.artefacts
    ready = [name for name, one in artefacts.items() if one.status == "ready"]
    for at, artefact in enumerate(ready):
        for index, part in enumerate(PARTS):
            yield Case(product.name, artefact, 1 if part == CONTROL else 1 + (at + index) % 2, part)


def part_of(rows: list[Row], part: str) -> list[Row]:
    """The rows of a case."""
    half, quarter = len(rows) // 2, len(rows) // 4
    chance = random.Random(part)
    simple = {
        CONTROL: lambda: rows,
        "all rows": lambda: rows,
        "first half": lambda: rows[:half],
        "second half": lambda: rows[half:],
        "first quarter": lambda: rows[:quarter],
        "last quarter": lambda: rows[-quarter:],
        "every third row": lambda: rows[::3],
        "backwards": lambda: rows[::-1],
    }
    if part in simple:
        return simple[part]()
    count = {"s": len(rows), "h": half, "q": quarter}[part[0]]
    return chance.sample(rows, count)


def verdict(product: Product, case: Case, scratch: Path) -> Said:
    """What the gate says of a clean artefact."""
    split = "test" if case.part == "all rows" else "judged"
    rows = product.placed(part_of(product.rows(split), case.part))
    data = write_rows(scratch / "clean.jsonl", rows)
    return judged(product.bundle, data, case.artefact, threads=case.threads)
