"""Wrong between the graph and the answer: short cuts, the order of batches, entities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from planted.kind import WORDS, Plant, Site, at_batch, kind, replaced
from planted.measure import Look, few


@contextmanager
def quick(kind_of_task: str, wrong: Callable[[Any, Any], Any]) -> Iterator[None]:
    """The short cut of a task kind answers what ``wrong(spec, answers)`` makes of it."""
    from kd2edge.runtime.quick import QUICK

    real = QUICK[kind_of_task]

    def made(spec: Any) -> Any:
        quick = real(spec)
        if quick is None:
            return None

        def answers(logits: Any) -> Any:
            found = quick(logits)
            return None if found is None else wrong(spec, (found, len(logits)))

        return answers

    with patch.dict(QUICK, {kind_of_task: made}):  # pyright: ignore[reportArgumentType]
        yield


@kind("A7", "the short cut for many rows names the next label", ("pictures", "texts"))
def quick_many(site: Site) -> Plant:
    del site

    def wrong(spec: Any, said: Any) -> Any:
        found, rows = said
        if rows <= 16:
            return found
        labels = list(spec.labels)
        nxt = dict(zip(labels, labels[1:] + labels[:1], strict=True))
        return [[{**one[0], "label": nxt[one[0]["label"]]}] for one in found]

    return Plant(patch=lambda: quick("classification", wrong))


@kind("A7", "the short cut for one row names the next label", ("pictures", "texts"))
def quick_few(site: Site) -> Plant:
    del site

    def wrong(spec: Any, said: Any) -> Any:
        found, rows = said
        if rows != 1:
            return found
        labels = list(spec.labels)
        nxt = dict(zip(labels, labels[1:] + labels[:1], strict=True))
        return [[{**one[0], "label": nxt[one[0]["label"]]}] for one in found]

    return Plant((at_batch(1),), lambda: quick("classification", wrong))


@kind("A7", "the short cut takes the negative label", ("pictures",))
def quick_binary(site: Site) -> Plant:
    del site

    def wrong(spec: Any, said: Any) -> Any:
        no, yes = spec.labels
        return [{**one, "label": no if one["label"] == yes else yes} for one in said[0]]

    return Plant(patch=lambda: quick("binary", wrong))


@contextmanager
def _encoded_batches(change: Callable[[list[Any]], list[Any]]) -> Iterator[None]:
    """The batches of one call in another order, or others."""
    from kd2edge.runtime.batches import Batches

    real = Batches.of

    def of(self: Any, *arguments: Any, **named: Any) -> Any:
        return change(list(real(self, *arguments, **named)))

    with patch.object(Batches, "of", of):
        yield


@kind("A7", "batches out of order")
def batches_out_of_order(site: Site) -> Plant:
    del site

    def change(batches: list[Any]) -> list[Any]:
        # Of equal size, or the number of answers alone would tell.
        head, last = batches[:-1], batches[-1:]
        return [*reversed(head), *last]

    return Plant(patch=lambda: _encoded_batches(change))


@kind("A7", "answers stay in the order of length", WORDS)
def order_of_length(site: Site) -> Plant:
    """Rows of like length go together; nothing brings their answers back."""
    del site

    def wrong(found: list[Any], order: Any) -> list[Any]:
        del order
        return found

    return Plant(patch=lambda: replaced("kd2edge.runtime.model", "_in_order", wrong))


@kind("A7", "the first batch answers for the second")
def batch_twice(site: Site) -> Plant:
    del site

    def change(batches: list[Any]) -> list[Any]:
        return batches if len(batches) < 3 else [batches[0], batches[0], *batches[2:]]

    return Plant(patch=lambda: _encoded_batches(change))


@contextmanager
def _spans(change: Callable[[list[Any]], list[Any]]) -> Iterator[None]:
    """Entities that ``predict`` answers with are changed."""
    from kd2edge.tasks import spans, token_classification

    real = spans.spans_of

    def wrong(*arguments: Any, **named: Any) -> Any:
        return change(real(*arguments, **named))

    with (
        patch.object(spans, "spans_of", wrong),
        patch.object(token_classification, "spans_of", wrong),
    ):
        yield


@kind("A7", "entities of one word are lost", ("sentences",))
def one_word(site: Site) -> Plant:
    del site

    def change(spans: list[Any]) -> list[Any]:
        return [one for one in spans if " " in one["text"]]

    return Plant(patch=lambda: _spans(change))


@kind("A7", "entities begin one character late", ("sentences",))
def one_late(site: Site) -> Plant:
    del site

    def change(spans: list[Any]) -> list[Any]:
        return [{**one, "start": one["start"] + 1} for one in spans]

    return Plant(patch=lambda: _spans(change))


@kind("A7", "entities of one row are called alike", ("sentences",))
def alike(site: Site) -> Plant:
    del site

    def change(spans: list[Any]) -> list[Any]:
        return [{**one, "label": spans[0]["label"]} for one in spans]

    return Plant(patch=lambda: _spans(change))


@kind("A7", "the last entity of a row is lost", ("sentences",))
def last_entity(site: Site) -> Plant:
    del site
    return Plant(patch=lambda: _spans(lambda spans: spans[:-1]))


@kind("A7", "words are answered with their neighbour's part of speech", ("sentences",))
def shifted_words(site: Site) -> Plant:
    del site

    from kd2edge.tasks.token_classification import _each_word as real

    def wrong(labels: Any, scores: Any, words: Any) -> Any:
        return real([*labels[1:], *labels[:1]], scores, words)

    return Plant(patch=lambda: replaced("kd2edge.tasks.token_classification", "_each_word", wrong))


@contextmanager
def _backwards(when: Callable[[int, int | None], bool]) -> Iterator[None]:
    """``predict`` answers backwards where ``when(rows, batch size)``."""
    from kd2edge.runtime.model import Model

    real = Model.predict

    def predict(model: Model, inputs: Any, **how: Any) -> dict[str, list[Any]]:
        found = real(model, inputs, **how)
        rows = len(next(iter(found.values())))
        wrong = when(rows, how.get("batch_size"))
        return {task: one[::-1] if wrong else one for task, one in found.items()}

    with patch.object(Model, "predict", predict):
        yield


@kind("A7", "calls of a few rows are answered backwards")
def small_calls(site: Site) -> Plant:
    del site
    look = Look("ten rows a call", few, call=10)
    return Plant((look,), lambda: _backwards(lambda rows, size: 2 <= rows <= 20))


@kind("A7", "calls of a little more than a batch are answered backwards", ("texts", "pictures"))
def larger_calls(site: Site) -> Plant:
    del site
    look = Look("ninety rows a call", few, call=90)
    return Plant((look,), lambda: _backwards(lambda rows, size: 65 <= rows <= 100))


@kind("A7", "a batch size that the caller names is answered backwards", ("texts", "pictures"))
def named_size(site: Site) -> Plant:
    del site

    def when(rows: int, size: int | None) -> bool:
        del rows
        return size is not None and 1 < size < 64

    return Plant((at_batch(8),), lambda: _backwards(when))
