"""Wrong at some size, on a few rows, or with every label in another place."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from planted.draft import sizes
from planted.graphs import (
    Editor,
    above,
    always,
    below,
    both,
    constant_of,
    equals,
    modulo,
    negated,
    nodes,
    perturbed,
    rotated,
    run,
)
from planted.kind import ALL, WORDS, Plant, Site, at_batch, changed, kind
from planted.measure import Look, few, handed
from planted.products import Product
from planted.rows import Row


def _largest(site: Site) -> int:
    return site.draft.artefact(site.artefact).ranges["batch"][1]


@kind("A1", "wrong at batch 5 alone")
def batch_five(site: Site) -> Plant:
    return changed(site, perturbed(equals(Editor.batch, 5)), at_batch(5))


@kind("A1", "wrong at batch 11 alone", artefact="onnx-fp32")
def batch_eleven(site: Site) -> Plant:
    return changed(site, perturbed(equals(Editor.batch, 11)), at_batch(11))


@kind("A1", "wrong at batch 23 alone")
def batch_twenty_three(site: Site) -> Plant:
    return changed(site, perturbed(equals(Editor.batch, 23)), at_batch(23))


@kind("A1", "wrong above batch 32")
def batch_above(site: Site) -> Plant:
    return changed(site, perturbed(above(Editor.batch, 32)), at_batch(64))


@kind("A1", "one head wrong above batch 32")
def head_above(site: Site) -> Plant:
    head = site.product.tasks[-2]
    return changed(site, perturbed(above(Editor.batch, 32), heads=head.__eq__), at_batch(64))


@kind("A1", "wrong at the largest batch")
def batch_largest(site: Site) -> Plant:
    most = _largest(site)
    return changed(site, perturbed(equals(Editor.batch, most)), at_batch(most))


@kind("A1", "wrong just below the largest batch", artefact="onnx-fp32")
def batch_below_largest(site: Site) -> Plant:
    most = _largest(site) - 1
    return changed(site, perturbed(equals(Editor.batch, most)), at_batch(most))


@kind("A1", "wrong at batch 1")
def batch_one(site: Site) -> Plant:
    return changed(site, perturbed(equals(Editor.batch, 1)), at_batch(1))


@kind("A1", "wrong at even batches from 34")
def batch_even(site: Site) -> Plant:
    condition = both(above(Editor.batch, 33), modulo(Editor.batch, 2, 0))
    return changed(site, perturbed(condition), at_batch(48))


@kind("A1", "wrong at odd lengths", WORDS)
def length_odd(site: Site) -> Plant:
    return changed(site, perturbed(modulo(Editor.length, 2, 1)), at_batch(1), Look())


@kind("A1", "wrong at one length, in batches", WORDS)
def length_nine(site: Site) -> Plant:
    condition = both(equals(Editor.length, 9), above(Editor.batch, 1))
    # Rows of one length, as a caller may have them who sorts.
    return changed(site, perturbed(condition), Look("rows of 9 pieces", _rows_of_nine))


def _rows_of_nine(product: Product) -> list[Row]:
    from kd2edge.api import load

    with load(product.bundle, artefact="onnx-fp32", threads=1) as model:
        rows = product.rows()
        encoded = model.encode(handed(product, rows, Look()))[next(iter(product.inputs))]
    lengths = encoded.arrays["attention_mask"].sum(1)
    return [row for row, length in zip(rows, lengths, strict=True) if length == 9]


@kind("A1", "wrong at short rows", WORDS)
def length_short(site: Site) -> Plant:
    return changed(site, perturbed(below(Editor.length, 8)), at_batch(1))


def longest(site: Site) -> int:
    """How many pieces a row may have: inputs of words have no other dimension of that name."""
    ranges = site.draft.artefact(site.artefact).ranges
    return next(most for name, (_, most) in ranges.items() if name.endswith(".length"))


@kind("A1", "wrong at the longest rows", WORDS)
def length_long(site: Site) -> Plant:
    most = longest(site)
    change = perturbed(above(Editor.length, most - 2))
    return changed(site, change, Look("rows twice as long", long_rows, batch=1))


def long_rows(product: Product) -> list[Row]:
    """Rows joined until they are as long as can be; labels of a text are those of its parts."""
    rows = few(product)
    if product.name == "sentences":
        columns = ("tokens", "ner", "upos")
        parts = [rows[at : at + 8] for at in range(0, len(rows) - 8, 8)]
        return [
            {name: [x for row in part for x in row[name]] for name in columns} for part in parts
        ]
    return [{**row, "text": " ".join([row["text"]] * 8)} for row in rows if row["text"]]


@kind("A1", "wrong for two or three long rows", WORDS)
def few_long(site: Site) -> Plant:
    most = longest(site)
    few_rows = both(above(Editor.batch, 1), below(Editor.batch, 4))
    change = perturbed(both(few_rows, above(Editor.length, most - most // 5)))
    return changed(site, change, Look("rows twice as long, by twos", long_rows, batch=2))


@kind("A1", "a row equals its neighbour in the batch", ("pictures", "texts"))
def equal_rows(site: Site) -> Plant:
    def condition(edit: Editor) -> str:
        flat = edit.add("Reshape", edit.cast(edit.inputs[0]), edit.constant([0, -1]))
        behind = edit.add("Add", edit.positions(), edit.constant(1))
        other = edit.add("Gather", flat, edit.add("Mod", behind, edit.batch()), axis=0)
        same = edit.cast(edit.add("Equal", flat, other))
        least = edit.add("ReduceMin", same, edit.constant([1]), keepdims=0)
        equal = edit.add("Greater", least, edit.constant(0.5, np.float32))
        return edit.add("And", equal, above(Editor.batch, 1)(edit))

    look = Look("rows twice", lambda product: [row for row in few(product) for _ in range(2)])
    return changed(site, perturbed(condition), look)


@kind("A1", "every row past the 40th of a batch")
def rows_past(site: Site) -> Plant:
    def condition(edit: Editor) -> str:
        return edit.add("Greater", edit.positions(), edit.constant(39))

    return changed(site, perturbed(condition), at_batch(64))


@kind("A1", "the last row of a batch")
def last_row(site: Site) -> Plant:
    def condition(edit: Editor) -> str:
        last = edit.add("Sub", edit.batch(), edit.constant(1))
        is_last = edit.add("Equal", edit.positions(), last)
        return edit.add("And", is_last, above(Editor.batch, 1)(edit))

    return changed(site, perturbed(condition), at_batch(2))


@kind("A1", "a row answers for its neighbour in large batches", ("pictures", "texts"))
def neighbours(site: Site) -> Plant:
    def shifted(edit: Editor, output: str, clean: str) -> str:
        del output
        nxt = edit.add("Add", edit.positions(), edit.constant(1))
        return edit.add("Gather", clean, edit.add("Mod", nxt, edit.batch()), axis=0)

    return changed(site, perturbed(above(Editor.batch, 40), shifted), at_batch(64))


@kind("A1", "batch mates leak into a row", ("pictures", "texts"))
def leak(site: Site) -> Plant:
    def mixed(edit: Editor, output: str, clean: str) -> str:
        del output
        mean = edit.add("ReduceMean", clean, edit.constant([0]), keepdims=1)
        return edit.add("Add", clean, edit.add("Mul", mean, edit.constant(3.0, np.float32)))

    return changed(site, perturbed(always, mixed), at_batch(1), at_batch(2), Look())


def _batch_norm(name: str, first: int) -> None:
    @kind("A1", name, ("pictures",))
    def batch_norm(site: Site) -> Plant:
        """The batch's own statistics, on the scale of the training rows'."""
        model = site.draft.graph(site.artefact)
        convolved = [node.output[0] for node in nodes(model, "Conv")][first:]
        pixels = _pixels(site.product)
        values = run(model, {model.graph.input[0].name: pixels}, convolved)
        edit = Editor(model)
        for output, value in zip(convolved, values, strict=True):
            edit.redirect(output, _normalised(edit, output, value))
        edit.sorted()
        site.draft.set_graph(site.artefact, model)
        return Plant((at_batch(1), at_batch(8), Look()))


_batch_norm("batch norm left in training mode", 1)
_batch_norm("the last batch norm left in training mode", -1)


def _normalised(edit: Editor, name: str, value: Any) -> str:
    axes = (0, 2, 3)
    mean, spread = value.mean(axes, keepdims=True), value.std(axes, keepdims=True)
    over = edit.constant(list(axes))
    centre = edit.add("ReduceMean", name, over, keepdims=1)
    off = edit.add("Sub", name, centre)
    variance = edit.add("ReduceMean", edit.add("Mul", off, off), over, keepdims=1)
    deviation = edit.add("Sqrt", edit.add("Add", variance, edit.constant(1e-5, np.float32)))
    scaled = edit.add("Mul", edit.add("Div", off, deviation), edit.constant(spread, np.float32))
    return edit.add("Add", scaled, edit.constant(mean, np.float32))


def _pixels(product: Product) -> Any:
    from kd2edge.api import load

    with load(product.bundle, artefact="onnx-fp32", threads=1) as model:
        (name,) = model.inputs
        paths = [str(product.folder / row["image"]) for row in product.rows()[:256]]
        return model.encode({name: paths})[name].arrays["pixel_values"]


@kind("A1", "the largest batch is a promise that the graph does not keep")
def promised(site: Site) -> Plant:
    """The manifest allows 64 rows, and rows past the 48th are those of before."""

    def condition(edit: Editor) -> str:
        return edit.add("Greater", edit.positions(), edit.constant(47))

    def first(edit: Editor, output: str, clean: str) -> str:
        del output
        at = edit.add("Mod", edit.positions(), edit.constant(48))
        return edit.add("Gather", clean, at, axis=0)

    return changed(
        site, perturbed(condition, first), at_batch(sizes(site.product.bundle)["batch"][1])
    )


# A6


def _rare(edit: Editor) -> str:
    """About one row in two hundred."""
    sums = edit.row_sums()
    return edit.add("Equal", edit.add("Mod", sums, edit.constant(211)), edit.constant(7))


@kind("A6", "NaN on a few rows")
def nan_rows(site: Site) -> Plant:
    return changed(site, perturbed(_rare, constant_of(np.nan)))


@kind("A6", "infinity on a few rows")
def infinite_rows(site: Site) -> Plant:
    return changed(site, perturbed(_rare, constant_of(np.inf)))


@kind("A6", "NaN in one head on a few rows")
def nan_head(site: Site) -> Plant:
    head = site.product.tasks[-1]
    return changed(site, perturbed(_rare, constant_of(np.nan), heads=head.__eq__))


@kind("A6", "NaN at batch 1 on a few rows", ("pictures", "texts"))
def nan_alone(site: Site) -> Plant:
    def condition(edit: Editor) -> str:
        return edit.add("And", _rare(edit), equals(Editor.batch, 1)(edit))

    look = Look("batch 1, all rows", batch=1)
    return changed(site, perturbed(condition, constant_of(np.nan)), look)


@kind("A6", "half precision overflows", ("texts", "sentences"))
def overflow(site: Site) -> Plant:
    """Logits on their way through float16 on a scale that does not fit."""

    def narrow(edit: Editor, output: str, clean: str) -> str:
        del output
        large = edit.add("Mul", clean, edit.constant(1.2e4, np.float32))
        half = edit.cast(edit.cast(large, TensorProto.FLOAT16))
        return edit.add("Div", half, edit.constant(1.2e4, np.float32))

    return changed(site, perturbed(always, narrow))


# Simple mistakes at the end of the graph


@kind("A4", "argmin in place of argmax")
def argmin(site: Site) -> Plant:
    return changed(site, perturbed(always, negated))


@kind("A4", "labels one further")
def labels_rotated(site: Site) -> Plant:
    return changed(site, perturbed(always, rotated))


@kind("A4", "two labels changed places", ALL, "onnx-fp32")
def labels_swapped(site: Site) -> Plant:
    def swapped(edit: Editor, output: str, clean: str) -> str:
        channels = edit.channels(output)
        order = list(range(channels))
        if channels > 1:
            order[0], order[1] = 1, 0
        return edit.add("Gather", clean, edit.constant(order), axis=-1)

    return changed(site, perturbed(always, swapped))
