"""Levels that stand in an order, values in a unit, and several labels a row: read otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from planted.answers import quick
from planted.graphs import Editor, always, perturbed
from planted.kind import Plant, Site, at_batch, changed, kind
from planted.measure import COSTLY, Cost, Look

PRODUCTS = ("reviews",)
USUAL = Look()


def _task(site: Site, kind_of_task: str) -> str:
    return next(task.name for task in site.product.asked if task.kind == kind_of_task)


def _spec(site: Site, name: str) -> Any:
    return next(spec for key, spec in site.draft.manifest.tasks.items() if str(key) == name)


def _head(site: Site, kind_of_task: str, wrong: Callable[[Editor, str], str]) -> Plant:
    """The outputs of a head are what ``wrong`` makes of them."""
    task = _task(site, kind_of_task)

    def change(edit: Editor, output: str, clean: str) -> str:
        del output
        return wrong(edit, clean)

    return changed(site, perturbed(always, change, heads=task.__eq__), USUAL)


def _stated(site: Site, kind_of_task: str, *, agreed: bool, **fields: Any) -> Plant:
    """The manifest says other things of a task; ``agreed``: and all that describes it does, too."""
    task = _task(site, kind_of_task)
    decode = {**_spec(site, task).decode, **fields.pop("decode", {})}
    site.draft.change_task(task, decode=decode, **fields)
    if agreed:
        site.draft.agree()
    return Plant((USUAL,))


# Levels


def _levels(*, agreed: bool) -> None:
    said = ", and all agree" if agreed else ""

    @kind("values", f"levels in the opposite order in the manifest{said}", PRODUCTS)
    def backwards(site: Site) -> Plant:
        labels = _spec(site, _task(site, "ordinal")).labels
        return _stated(site, "ordinal", agreed=agreed, labels=labels[::-1])

    @kind("values", f"the two lowest levels changed places in the manifest{said}", PRODUCTS)
    def lowest(site: Site) -> Plant:
        first, second, *rest = _spec(site, _task(site, "ordinal")).labels
        return _stated(site, "ordinal", agreed=agreed, labels=(second, first, *rest))

    @kind("values", f"a temperature of 4 under levels{said}", PRODUCTS)
    def temperature(site: Site) -> Plant:
        return _stated(site, "ordinal", agreed=agreed, decode={"temperature": 4.0})

    @kind("values", f"a threshold of 0.9 for labels{said}", PRODUCTS)
    def threshold(site: Site) -> Plant:
        return _stated(site, "multi_label", agreed=agreed, decode={"threshold": 0.9})

    @kind("values", f"two labels changed places in the manifest{said}", PRODUCTS)
    def labels(site: Site) -> Plant:
        first, second, *rest = _spec(site, _task(site, "multi_label")).labels
        return _stated(site, "multi_label", agreed=agreed, labels=(second, first, *rest))

    for share in (0.02, 0.1, 0.5):
        _scale(share, said, agreed=agreed)

    @kind("values", f"values in minutes{said}", PRODUCTS)
    def minutes(site: Site) -> Plant:
        """All that is said of the values is said in another unit."""
        own = _spec(site, _task(site, "regression")).decode
        other = {name: value / 60 for name, value in own.items()}
        return _stated(site, "regression", agreed=agreed, decode=other, unit="min")

    @kind("values", f"values end at their mean{said}", PRODUCTS)
    def clipped(site: Site) -> Plant:
        high = _spec(site, _task(site, "regression")).decode["mean"]
        return _stated(site, "regression", agreed=agreed, decode={"high": high})

    @kind("values", f"values have other bounds{said}", PRODUCTS)
    def bounds(site: Site) -> Plant:
        """Only the farthest tenth is cut off, at either end."""
        own = _spec(site, _task(site, "regression")).decode
        low, high = (own["mean"] + way * 1.2 * own["spread"] for way in (-1, 1))
        return _stated(site, "regression", agreed=agreed, decode={"low": low, "high": high})


def _scale(share: float, said: str, *, agreed: bool) -> None:
    @kind("values", f"values are {share:g} too large{said}", PRODUCTS)
    def scaled(site: Site) -> Plant:
        own = _spec(site, _task(site, "regression")).decode
        other = {name: own[name] * (1 + share) for name in ("mean", "spread")}
        return _stated(site, "regression", agreed=agreed, decode=other)

    @kind("values", f"values are off by {share:g} deviations{said}", PRODUCTS)
    def moved(site: Site) -> Plant:
        own = _spec(site, _task(site, "regression")).decode
        mean = own["mean"] + share * own["spread"]
        return _stated(site, "regression", agreed=agreed, decode={"mean": mean})


for _agreed in (False, True):
    _levels(agreed=_agreed)


@kind("values", "the unit alone says minutes", PRODUCTS)
def unit(site: Site) -> Plant:
    _stated(site, "regression", agreed=False, unit="min")
    return Plant(cost=Cost(0.0, COSTLY, "no metric: every value is told in another unit"))


def _in_graph(share: float) -> None:
    @kind("values", f"the graph's values are {share:g} too large", PRODUCTS)
    def scaled(site: Site) -> Plant:
        def wrong(edit: Editor, clean: str) -> str:
            return edit.add("Mul", clean, edit.constant(1 + share, np.float32))

        return _head(site, "regression", wrong)

    @kind("values", f"the graph's values are off by {share:g} deviations", PRODUCTS)
    def moved(site: Site) -> Plant:
        def wrong(edit: Editor, clean: str) -> str:
            return edit.add("Add", clean, edit.constant(share, np.float32))

        return _head(site, "regression", wrong)


for _share in (0.02, 0.05, 0.1, 0.2, 0.5):
    _in_graph(_share)


@kind("values", "the graph clips values at one deviation", PRODUCTS)
def clipped_graph(site: Site) -> Plant:
    def wrong(edit: Editor, clean: str) -> str:
        return edit.add("Clip", clean, *(edit.constant(one, np.float32) for one in (-1.0, 1.0)))

    return _head(site, "regression", wrong)


@kind("values", "the graph rounds values to halves of a deviation", PRODUCTS)
def rounded_graph(site: Site) -> Plant:
    def wrong(edit: Editor, clean: str) -> str:
        two = edit.constant(2.0, np.float32)
        return edit.add("Div", edit.add("Round", edit.add("Mul", clean, two)), two)

    return _head(site, "regression", wrong)


@kind("values", "every value is the mean", PRODUCTS)
def constant(site: Site) -> Plant:
    def wrong(edit: Editor, clean: str) -> str:
        return edit.add("Mul", clean, edit.constant(0.0, np.float32))

    return _head(site, "regression", wrong)


@kind("values", "one level too high", PRODUCTS)
def level_high(site: Site) -> Plant:
    def wrong(edit: Editor, clean: str) -> str:
        return edit.add("Gather", clean, edit.constant([4, 0, 1, 2, 3]), axis=-1)

    return _head(site, "ordinal", wrong)


@kind("values", "levels in the opposite order", PRODUCTS)
def level_order(site: Site) -> Plant:
    def wrong(edit: Editor, clean: str) -> str:
        return edit.add("Gather", clean, edit.constant([4, 3, 2, 1, 0]), axis=-1)

    return _head(site, "ordinal", wrong)


@kind("values", "one label is made a chance twice", PRODUCTS)
def twice(site: Site) -> Plant:
    """Its output is a sigmoid already, and the runtime makes another one of it."""

    def wrong(edit: Editor, clean: str) -> str:
        count = edit.channels(_task(site, "multi_label"))
        first = edit.constant([1.0] + [0.0] * (count - 1), np.float32)
        rest = edit.add("Sub", edit.constant(1.0, np.float32), first)
        chance = edit.add("Mul", edit.add("Sigmoid", clean), first)
        return edit.add("Add", chance, edit.add("Mul", clean, rest))

    return _head(site, "multi_label", wrong)


@kind("values", "a softmax over labels that do not exclude each other", PRODUCTS)
def softmax(site: Site) -> Plant:
    def wrong(edit: Editor, clean: str) -> str:
        chances = edit.add("Softmax", clean, axis=-1)
        odds = edit.add("Sub", edit.constant(1.0001, np.float32), chances)
        return edit.add("Log", edit.add("Div", chances, odds))

    return _head(site, "multi_label", wrong)


@kind("values", "two labels changed places in the graph", PRODUCTS)
def labels_graph(site: Site) -> Plant:
    def wrong(edit: Editor, clean: str) -> str:
        count = edit.channels(_task(site, "multi_label"))
        order = [1, 0, *range(2, count)]
        return edit.add("Gather", clean, edit.constant(order), axis=-1)

    return _head(site, "multi_label", wrong)


@kind("values", "one label is never said any more", PRODUCTS)
def never(site: Site) -> Plant:
    task = _task(site, "multi_label")
    labels = _spec(site, task).labels
    rows = [label for row in site.product.rows() for label in row[task]]
    rarest = min(labels, key=rows.count)
    shift = [-50.0 if label == rarest else 0.0 for label in labels]

    def wrong(edit: Editor, clean: str) -> str:
        return edit.add("Add", clean, edit.constant(shift, np.float32))

    _head(site, "multi_label", wrong)
    return Plant((Look("classes", classes=True),))


@kind("values", "the lowest level is never said any more", PRODUCTS)
def never_level(site: Site) -> Plant:
    def wrong(edit: Editor, clean: str) -> str:
        return edit.add("Add", clean, edit.constant([-50.0, 0, 0, 0, 0], np.float32))

    _head(site, "ordinal", wrong)
    return Plant((Look("classes", classes=True),))


# The runtime's reading


@contextmanager
def _decoded(kind_of_task: str, wrong: Callable[[Any, Any, Any], Any]) -> Iterator[None]:
    """A task kind decodes as ``wrong(self, spec, logits)`` does, and has no short cut."""
    from kd2edge.runtime.quick import QUICK
    from kd2edge.tasks.kinds import task_kind

    with ExitStack() as stack:
        stack.enter_context(patch.dict(QUICK, {kind_of_task: lambda spec: None}))
        stack.enter_context(patch.object(type(task_kind(kind_of_task)), "decode", wrong))
        yield


@kind("values", "the likeliest level in place of the median", PRODUCTS)
def likeliest(site: Site) -> Plant:
    from kd2edge.tasks.probabilities import softmax_decisions
    from kd2edge.tasks.spec import Decoded

    del site

    def wrong(self: Any, spec: Any, logits: Any) -> Any:
        del self, spec
        return Decoded(*softmax_decisions(logits, 1.0))

    return Plant((USUAL,), lambda: _decoded("ordinal", wrong))


@kind("values", "values are told in deviations", PRODUCTS)
def standardised(site: Site) -> Plant:
    from kd2edge.tasks.spec import Decoded

    del site

    def wrong(self: Any, spec: Any, logits: Any) -> Any:
        del self, spec
        return Decoded(values=logits[:, 0].astype(np.float32))

    return Plant((USUAL,), lambda: _decoded("regression", wrong))


def _short_cut(kind_of_task: str, name: str, one: Callable[[Sequence[str], Any], Any]) -> None:
    def changed_(spec: Any, said: Any, *, few: bool) -> Any:
        found, rows = said
        return [one(spec.labels, row) for row in found] if (rows <= 4) == few else found

    @kind("values", f"the short cut for a few rows {name}", PRODUCTS)
    def for_few(site: Site) -> Plant:
        del site
        return Plant(
            (at_batch(1), at_batch(4)),
            lambda: quick(kind_of_task, lambda spec, said: changed_(spec, said, few=True)),
        )

    @kind("values", f"the short cut for many rows {name}", PRODUCTS)
    def for_many(site: Site) -> Plant:
        del site
        return Plant(
            (USUAL, at_batch(16)),
            lambda: quick(kind_of_task, lambda spec, said: changed_(spec, said, few=False)),
        )


def _higher(labels: Sequence[str], row: Any) -> Any:
    at = min(labels.index(row[0]["label"]) + 1, len(labels) - 1)
    return [{**row[0], "label": labels[at]}]


_short_cut("ordinal", "says one level too high", _higher)
_short_cut(
    "regression", "rounds values", lambda labels, row: {"value": 10 * round(row["value"] / 10)}
)
_short_cut("multi_label", "names one label alone", lambda labels, row: row[:1])
_short_cut(
    "multi_label",
    "names a label where there is none",
    lambda labels, row: row or [{"label": labels[0], "score": 0.5}],
)
