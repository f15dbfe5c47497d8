"""Two inputs in one row: one is absent, of another row, or lost where both come together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx

from planted.graphs import (
    Condition,
    Editor,
    above,
    array_of,
    both,
    equals,
    is_absent,
    is_present,
    nodes,
    perturbed,
    put,
)
from planted.kind import Plant, Site, at_batch, changed, kind, replaced
from planted.measure import Look, few, rows_without
from planted.products import Product
from planted.rows import Row

PRODUCTS = ("reviews",)
NAMES = ("text", "table")


def _in_turns(name: str) -> Look:
    """Every second row lacks an input, and is answered among rows that have it."""

    def rows(product: Product) -> list[Row]:
        lacking = rows_without(name).rows(product)
        return [one for pair in zip(lacking, product.rows()) for one in pair]  # noqa: B905

    return Look(f"every second row without {name}", rows)


def _wrong_where(name: str, artefact: str) -> None:
    @kind("inputs", f"wrong where the {name} is absent ({artefact})", PRODUCTS, artefact)
    def absent(site: Site) -> Plant:
        return changed(site, perturbed(is_absent(name)), rows_without(name))

    @kind("inputs", f"wrong where the {name} is there ({artefact})", PRODUCTS, artefact)
    def present(site: Site) -> Plant:
        return changed(site, perturbed(is_present(name)), Look())


for _artefact in ("int8", "onnx-fp32"):
    for _name in NAMES:
        _wrong_where(_name, _artefact)


def _one_head(name: str, at: int) -> None:
    @kind("inputs", f"head {at} is wrong where the {name} is absent", PRODUCTS)
    def head(site: Site) -> Plant:
        task = site.product.tasks[at]
        return changed(site, perturbed(is_absent(name), heads=task.__eq__), rows_without(name))


for _name, _at in (("text", 0), ("text", 3), ("table", 1), ("table", 2)):
    _one_head(_name, _at)


def _none_there(name: str) -> Condition:
    """No row of the batch has the input: a scalar."""

    def condition(edit: Editor) -> str:
        most = edit.add("ReduceMax", f"{name}_present", edit.constant([0]), keepdims=0)
        return edit.add("Equal", most, edit.constant(0))

    return condition


def _mixed(name: str) -> Condition:
    """Some rows of the batch have the input, and some have not: a scalar."""

    def condition(edit: Editor) -> str:
        most = edit.add("ReduceMax", f"{name}_present", edit.constant([0]), keepdims=0)
        least = edit.add("ReduceMin", f"{name}_present", edit.constant([0]), keepdims=0)
        return edit.add("Less", least, most)

    return condition


def _presence(site: Site, name: str, change: Callable[[Editor, str], str], *looks: Look) -> Plant:
    """The graph reads something else than which rows have an input."""

    def edited(model: onnx.ModelProto) -> None:
        edit = Editor(model)
        edit.behind(f"{name}_present", lambda given: change(edit, given))

    return changed(site, edited, *looks)


def _of_presence(name: str) -> None:
    turns, lacking = _in_turns(name), rows_without(name)

    @kind("inputs", f"an absent {name} counts as there", PRODUCTS)
    def ignored(site: Site) -> Plant:
        def ones(edit: Editor, given: str) -> str:
            return edit.add("Max", given, edit.constant(1))

        return _presence(site, name, ones, lacking)

    @kind("inputs", f"a {name} that is there counts as absent", PRODUCTS)
    def forgotten(site: Site) -> Plant:
        def zeros(edit: Editor, given: str) -> str:
            return edit.add("Min", given, edit.constant(0))

        return _presence(site, name, zeros, Look())

    @kind("inputs", f"the first row says for all whether the {name} is there", PRODUCTS)
    def of_first(site: Site) -> Plant:
        def first(edit: Editor, given: str) -> str:
            one = edit.add("Gather", given, edit.constant([0]))
            return edit.add("Expand", one, edit.add("Shape", given))

        return _presence(site, name, first, turns)

    @kind("inputs", f"one row that has the {name} speaks for its batch", PRODUCTS)
    def of_any(site: Site) -> Plant:
        def most(edit: Editor, given: str) -> str:
            one = edit.add("ReduceMax", given, edit.constant([0]))
            return edit.add("Expand", one, edit.add("Shape", given))

        return _presence(site, name, most, turns)

    @kind("inputs", f"one row without the {name} speaks for its batch", PRODUCTS)
    def of_none(site: Site) -> Plant:
        def least(edit: Editor, given: str) -> str:
            one = edit.add("ReduceMin", given, edit.constant([0]))
            return edit.add("Expand", one, edit.add("Shape", given))

        return _presence(site, name, least, turns)

    @kind("inputs", f"wrong where rows with and without the {name} meet", PRODUCTS)
    def meeting(site: Site) -> Plant:
        return changed(site, perturbed(_mixed(name)), turns)

    @kind("inputs", f"wrong where half of the rows lack the {name}", PRODUCTS)
    def half(site: Site) -> Plant:
        def condition(edit: Editor) -> str:
            there = edit.cast(f"{name}_present")
            share = edit.add("ReduceMean", there, edit.constant([0]), keepdims=0)
            few_there = edit.add("Less", share, edit.constant(0.7, np.float32))
            return edit.add("And", few_there, _mixed(name)(edit))

        return changed(site, perturbed(condition), turns)

    @kind("inputs", f"wrong where no row of a batch has the {name}", PRODUCTS)
    def none(site: Site) -> Plant:
        condition = both(_none_there(name), above(Editor.batch, 1))
        return changed(site, perturbed(condition), lacking)

    @kind("inputs", f"wrong for a single row without the {name}", PRODUCTS)
    def alone(site: Site) -> Plant:
        condition = both(_none_there(name), equals(Editor.batch, 1))
        return changed(site, perturbed(condition), replace(lacking, batch=1))

    @kind("inputs", f"wrong without the {name} at batch 5", PRODUCTS)
    def five(site: Site) -> Plant:
        condition = both(_none_there(name), equals(Editor.batch, 5))
        return changed(site, perturbed(condition), replace(lacking, batch=5))

    @kind("inputs", f"wrong without the {name} above batch 32", PRODUCTS)
    def large(site: Site) -> Plant:
        condition = both(_none_there(name), above(Editor.batch, 32))
        return changed(site, perturbed(condition), lacking)


for _name in NAMES:
    _of_presence(_name)


# Between what is handed over and the graph


@contextmanager
def _encoded(name: str, change: Callable[[Any], Any]) -> Iterator[None]:
    """An input that may be absent is encoded as ``change`` makes it of what is right."""
    from kd2edge.inputs.absent import MayBeAbsent

    real = MayBeAbsent.encode

    def encode(self: Any, values: Sequence[Any]) -> Any:
        found = real(self, values)
        return change(found) if f"{name}_present" in found.arrays else found

    with patch.object(MayBeAbsent, "encode", encode):
        yield


def _of_encoding(name: str) -> None:
    @kind("inputs", f"nothing stands for an absent {name}, and counts as there", PRODUCTS)
    def filled(site: Site) -> Plant:
        del site

        def there(found: Any) -> Any:
            ones = np.ones_like(found.arrays[f"{name}_present"])
            return replace(found, arrays={**found.arrays, f"{name}_present": ones})

        return Plant((rows_without(name),), lambda: _encoded(name, there))

    @kind("inputs", f"zeros stand for an absent {name}, and count as there", PRODUCTS)
    def zeros(site: Site) -> Plant:
        del site

        def there(found: Any) -> Any:
            kept = found.arrays[f"{name}_present"]
            arrays = {
                key: np.where(kept.reshape(-1, *[1] * (array.ndim - 1)) == 1, array, 0).astype(
                    array.dtype
                )
                for key, array in found.arrays.items()
            }
            return replace(found, arrays={**arrays, f"{name}_present": np.ones_like(kept)})

        return Plant((rows_without(name),), lambda: _encoded(name, there))

    @kind("inputs", f"the {name} of the next row", PRODUCTS)
    def next_row(site: Site) -> Plant:
        del site

        def rolled(found: Any) -> Any:
            arrays = {key: np.roll(array, 1, axis=0) for key, array in found.arrays.items()}
            return replace(found, arrays=arrays)

        return Plant((Look(),), lambda: _encoded(name, rolled))

    @kind("inputs", f"a {name} that is not handed over is that of a usual row", PRODUCTS)
    def handed(site: Site) -> Plant:
        """Only where the caller leaves it out: None in its place is taken for what it says."""
        from kd2edge.runtime.batches import Batches

        real = Batches._filled
        usual = {
            "text": "love this dress, fits great and the fabric is soft",
            "table": {"age": 60, "feedback": 9, "item": 1, "item_class": "Dresses"},
        }

        def wrong(self: Any, inputs: Any, rows: int) -> Any:
            given = inputs if name in inputs else {**inputs, name: [usual[name]] * rows}
            return real(self, given, rows)

        look = replace(rows_without(name), name=f"no {name} handed over", left_out=name)
        return Plant((look,), lambda: patch.object(Batches, "_filled", wrong))


for _name in NAMES:
    _of_encoding(_name)


@kind("inputs", "tables stay in the caller's order where texts go by length", PRODUCTS)
def order(site: Site) -> Plant:
    from kd2edge.runtime.batches import _encode_some as real

    del site

    def wrong(encoder: Any, values: Any, rows: Sequence[int]) -> Any:
        return real(encoder, values, sorted(rows))

    return Plant((Look(),), lambda: replaced("kd2edge.runtime.batches", "_encode_some", wrong))


def _next(edit: Editor, given: str, condition: Condition) -> str:
    """What the next row of the batch has, where the condition holds."""
    own = edit.positions()
    behind = edit.add("Mod", edit.add("Add", own, edit.constant(1)), edit.batch())
    rows = edit.add("Where", condition(edit), behind, own)
    return edit.add("Gather", given, rows, axis=0)


def _next_row_in_graph(name: str, where: str, condition: Condition, look: Look) -> None:
    arrays = {"table": ("numbers", "missing", "categories"), "text": ("input_ids",)}[name]

    @kind("inputs", f"the {name} of the next row {where}", PRODUCTS)
    def neighbour(site: Site) -> Plant:
        def edited(model: onnx.ModelProto) -> None:
            edit = Editor(model)
            for array in arrays:
                edit.behind(array, lambda given: _next(edit, given, condition))

        return changed(site, edited, look)


for _name in NAMES:
    _next_row_in_graph(_name, "above batch 40", above(Editor.batch, 40), at_batch(64))
    _next_row_in_graph(_name, "at batch 5", equals(Editor.batch, 5), at_batch(5))


# Where both become one


def _fusion(site: Site, change: Callable[[Editor, onnx.NodeProto], None], *looks: Look) -> Plant:
    """Change the node that puts the vectors of the inputs side by side."""

    def edited(model: onnx.ModelProto) -> None:
        edit = Editor(model)
        change(edit, nodes(model, "Concat")[-1])
        edit.sorted()

    return changed(site, edited, *looks)


def _fused(at: int, name: str) -> None:
    @kind("inputs", f"the vector of the {name} is lost", PRODUCTS)
    def lost(site: Site) -> Plant:
        def zero(edit: Editor, node: onnx.NodeProto) -> None:
            node.input[at] = edit.add("Mul", node.input[at], edit.constant(0.0, np.float32))

        return _fusion(site, zero)

    @kind("inputs", f"the vector of the {name} is half as long", PRODUCTS)
    def halved(site: Site) -> Plant:
        def half(edit: Editor, node: onnx.NodeProto) -> None:
            node.input[at] = edit.add("Mul", node.input[at], edit.constant(0.5, np.float32))

        return _fusion(site, half)

    @kind("inputs", f"the vector of the {name} is lost where the other one is absent", PRODUCTS)
    def lost_alone(site: Site) -> Plant:
        other = NAMES[1 - NAMES.index(name)]

        def zero(edit: Editor, node: onnx.NodeProto) -> None:
            there = edit.add("Unsqueeze", edit.cast(f"{other}_present"), edit.constant([1]))
            node.input[at] = edit.add("Mul", node.input[at], there)

        return _fusion(site, zero, rows_without(other))


for _at, _name in enumerate(NAMES):
    _fused(_at, _name)


@kind("inputs", "the vectors of both inputs changed places", PRODUCTS)
def places(site: Site) -> Plant:
    def swapped(edit: Editor, node: onnx.NodeProto) -> None:
        del edit
        node.input[0], node.input[1] = node.input[1], node.input[0]

    return _fusion(site, swapped)


@kind("inputs", "vectors are of the next row above batch 40", PRODUCTS)
def vectors(site: Site) -> Plant:
    def rolled(edit: Editor, node: onnx.NodeProto) -> None:
        node.input[0] = _next(edit, node.input[0], above(Editor.batch, 40))

    return _fusion(site, rolled, at_batch(64))


@kind("inputs", "single texts are cut to their first half", PRODUCTS)
def single(site: Site) -> Plant:
    """The mask of a row that comes alone hides what stands behind its middle."""

    def edited(model: onnx.ModelProto) -> None:
        edit = Editor(model)

        def cut(mask: str) -> str:
            places_ = edit.add("Range", edit.constant(0), edit.length(), edit.constant(1))
            middle = edit.add("Div", edit.length(), edit.constant(2))
            kept = edit.cast(edit.add("Less", places_, middle), onnx.TensorProto.INT64)
            one = edit.add("Greater", edit.batch(), edit.constant(1))
            return edit.add("Mul", mask, edit.add("Where", one, edit.constant(1), kept))

        edit.behind("attention_mask", cut)

    return changed(site, edited, Look("batch 1", few, batch=1))


def _damaged(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    array[::3] *= -1
    return array


@kind("inputs", "every third row of the categories' table has the wrong sign", PRODUCTS)
def category_rows(site: Site) -> Plant:
    from planted.tables import category_tables

    def edited(model: onnx.ModelProto) -> None:
        for tensor in category_tables(model):
            put(tensor, _damaged(array_of(tensor)))

    return changed(site, edited, Look())
