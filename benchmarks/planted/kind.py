"""A kind of fault: one small function that changes a bundle, or what is around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import onnx

from planted.draft import Draft
from planted.measure import Cost, Look, few
from planted.products import Product


@dataclass(frozen=True, slots=True)
class Site:
    """Where a fault is planted.

    Args:
        draft: the clean bundle, to be changed.
        artefact: the artefact that is judged.
        scratch: a folder for files beside the bundle.
    """

    product: Product
    draft: Draft
    artefact: str
    scratch: Path


@dataclass(frozen=True, slots=True)
class Said:
    """What a gate of another kind than ``validate`` said."""

    stopped: bool
    outcome: str
    by: str


@dataclass(frozen=True, slots=True)
class Plant:
    """What else belongs to a planted fault than the changed bundle.

    Args:
        looks: where it shows.
        patch: what is wrong in the process itself, while it is judged and while it is measured.
        data: the rows that the gate gets in place of the product's.
        threads: of the gate's forward passes.
        cost: what it costs, where answers do not tell (wrong labels, evidence).
        door: another gate than ``validate``, given the bundle.
    """

    looks: Sequence[Look] = (Look(),)
    patch: Callable[[], AbstractContextManager[Any]] = nullcontext
    data: Path | None = None
    threads: int | None = 1
    cost: Cost | None = None
    door: Callable[[Path], Said] | None = None


Change = Callable[[onnx.ModelProto], None]
Planter = Callable[[Site], Plant | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: ``plant`` changes a site's draft, or says None where it has no meaning.

    Args:
        group: line of part A of the issue that it belongs to.
    """

    name: str
    group: str
    products: Sequence[str]
    artefact: str
    plant: Planter


ALL = ("pictures", "texts", "sentences", "reviews")
WORDS = ("texts", "sentences", "reviews")
KINDS: list[Kind] = []


def kind(
    group: str, name: str, products: Sequence[str] = ALL, artefact: str = "int8"
) -> Callable[[Planter], Planter]:
    """Add a kind to the catalogue.  ``artefact``: an id, or ``int8``: the product's own."""

    def added(plant: Planter) -> Planter:
        KINDS.append(Kind(name, group, products, artefact, plant))
        return plant

    return added


def artefact_of(one: Kind, product: str) -> str:
    if one.artefact != "int8":
        return one.artefact
    return "onnx-int8-qdq" if product == "pictures" else "onnx-int8-dynamic"


def changed(site: Site, change: Change, *looks: Look) -> Plant:
    """Change the graph of the site's artefact; ``looks``: where it shows, usually everywhere."""
    site.draft.change_graph(site.artefact, change)
    return Plant(looks or (Look(),))


def at_batch(batch: int) -> Look:
    """Some rows, ``batch`` at a time."""
    return Look(f"batch {batch}", few, batch=batch)


@contextmanager
def replaced(module: str, name: str, value: Any) -> Iterator[None]:
    """Something of a module is another thing."""
    with patch.object(import_module(module), name, value):
        yield
