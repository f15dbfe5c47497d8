"""What happens to a table before the graph: scales, categories, empty cells, the form of a row."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx

from planted.graphs import Editor, array_of, held, nodes, put
from planted.kind import Plant, Site, changed, kind, replaced
from planted.measure import Look
from planted.products import Product
from planted.rows import Row

PRODUCTS = ("reviews",)
CELLS = "kd2edge.inputs.tabular"
#: Ids of a column that stand for no category and for one that training never saw.
KNOWN = 2

USUAL = Look()


def _with(**cells: Any) -> Callable[[Product], list[Row]]:
    """The test rows that have a table, with other cells."""

    def rows(product: Product) -> list[Row]:
        kept = [row for row in product.rows() if row["item"] is not None]
        return [{**row, **cells} for row in kept]

    return rows


NEW_ITEMS = Look("new items", _with(item="never seen"))
NO_AGE = Look("no ages", _with(age=None))
NO_ITEM = Look("no items", _with(item=None, item_class=None))


# The fitted file


def _table(site: Site, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the fitted file; what ships is described as it is."""
    path = site.draft.input_file("table")
    content = json.loads(site.draft.files[path])
    change(content)
    site.draft.files[path] = json.dumps(content).encode()
    site.draft.agree()


def _scales(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def changed_(content: dict[str, Any]) -> None:
        for column in content["numeric"]:
            change(column)

    return changed_


@kind("table", "the scales of two columns changed places", PRODUCTS)
def scales_swapped(site: Site) -> Plant:
    def change(content: dict[str, Any]) -> None:
        one, other = content["numeric"]
        one["column"], other["column"] = other["column"], one["column"]
        content["numeric"] = [other, one]

    _table(site, change)
    return Plant((USUAL,))


def _means(share: float) -> None:
    @kind("table", f"means are off by {share:g} deviations", PRODUCTS)
    def means(site: Site) -> Plant:
        def change(column: dict[str, Any]) -> None:
            moved = column["fill"] + share * column["deviation"]
            column["fill"] = min(moved, column["high"])

        _table(site, _scales(change))
        return Plant((USUAL, NO_AGE))

    @kind("table", f"deviations are off by the factor {1 + share:g}", PRODUCTS)
    def deviations(site: Site) -> Plant:
        def change(column: dict[str, Any]) -> None:
            column["deviation"] *= 1 + share

        _table(site, _scales(change))
        return Plant((USUAL,))


for _share in (0.02, 0.1, 0.5):
    _means(_share)


@kind("table", "variances in place of deviations", PRODUCTS)
def variances(site: Site) -> Plant:
    def change(column: dict[str, Any]) -> None:
        column["deviation"] **= 2

    _table(site, _scales(change))
    return Plant((USUAL,))


@kind("table", "categories in another order", PRODUCTS)
def categories_reversed(site: Site) -> Plant:
    def change(content: dict[str, Any]) -> None:
        for column in content["categorical"]:
            column["names"].reverse()

    _table(site, change)
    return Plant((USUAL,))


def _unseen(site: Site) -> set[str]:
    """Items that training rows have and neither test nor validation rows."""
    seen = {
        str(row["item"]) for split in ("test", "validation") for row in site.product.rows(split)
    }
    path = site.draft.input_file("table")
    known = json.loads(site.draft.files[path])["categorical"][0]["names"]
    return set(known) - seen


def _of_items(items: set[str]) -> Look:
    """Training rows of some items; without the other category, which says nearly the same."""

    def rows(product: Product) -> list[Row]:
        hits = (row for row in product.rows("train") if str(row["item"]) in items)
        return [{**row, "item_class": None} for row in islice(hits, 800)]

    return Look("training rows of items that the test lacks", rows)


@kind("table", "items that the test lacks are permuted", PRODUCTS)
def unseen_permuted(site: Site) -> Plant | None:
    unseen = _unseen(site)
    if not unseen:  # made rows have few items
        return None

    def change(content: dict[str, Any]) -> None:
        names = content["categorical"][0]["names"]
        places = [at for at, name in enumerate(names) if name in unseen]
        own = [names[at] for at in places]
        for at, name in zip(places, [*own[1:], own[0]], strict=True):
            names[at] = name

    _table(site, change)
    return Plant((_of_items(unseen),))


@kind("table", "items that the test lacks are unknown", PRODUCTS)
def unseen_lost(site: Site) -> Plant | None:
    unseen = _unseen(site)
    if not unseen:
        return None

    def change(content: dict[str, Any]) -> None:
        names = content["categorical"][0]["names"]
        names[:] = [f"lost {name}" if name in unseen else name for name in names]

    _table(site, change)
    return Plant((_of_items(unseen),))


def category_tables(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """What is looked up by the ids of categories."""
    known = held(model)
    made = {node.output[0]: node.input[0] for node in nodes(model, "DequantizeLinear")}
    ids = {"categories"} | {
        node.output[0] for node in model.graph.node if "categories" in node.input
    }
    names = [node.input[0] for node in nodes(model, "Gather") if ids & {node.input[1]}]
    found = [known.get(made.get(name, name)) for name in names]
    return [one for one in found if one is not None and len(one.dims) == 2]


def _rows_of(site: Site, change: Callable[[Any, Any], None], look: Look, items: set[str]) -> Plant:
    """Change the embedding rows, those of some items."""
    path = site.draft.input_file("table")
    names = json.loads(site.draft.files[path])["categorical"][0]["names"]
    rows = np.array([KNOWN + at for at, name in enumerate(names) if name in items])

    def edited(model: onnx.ModelProto) -> None:
        for tensor in category_tables(model):
            value = array_of(tensor)
            change(value, rows)
            put(tensor, value)

    return changed(site, edited, look)


def _unseen_rows(artefact: str) -> None:
    @kind(
        "table", f"rows of items that the test lacks are permuted ({artefact})", PRODUCTS, artefact
    )
    def permuted(site: Site) -> Plant | None:
        def change(value: Any, rows: Any) -> None:
            value[rows] = value[np.roll(rows, 1)]

        unseen = _unseen(site)
        return _rows_of(site, change, _of_items(unseen), unseen) if unseen else None

    @kind("table", f"rows of items that the test lacks are lost ({artefact})", PRODUCTS, artefact)
    def lost(site: Site) -> Plant | None:
        def change(value: Any, rows: Any) -> None:
            value[rows] = 0

        unseen = _unseen(site)
        return _rows_of(site, change, _of_items(unseen), unseen) if unseen else None


for _artefact in ("int8", "onnx-fp32"):
    _unseen_rows(_artefact)


@kind("table", "the row of unknown items is that of the first one", PRODUCTS)
def unknown_row(site: Site) -> Plant:
    def change(value: Any, rows: Any) -> None:
        del rows
        value[KNOWN - 1] = value[KNOWN]

    return _rows_of(site, change, NEW_ITEMS, set())


# The code that reads cells


@kind("table", "numbers are not scaled", PRODUCTS)
def unscaled(site: Site) -> Plant:
    from kd2edge.inputs.fitted_table import Scale

    del site
    return Plant((USUAL,), lambda: patch.object(Scale, "scaled", lambda self, numbers: numbers))


@kind("table", "numbers are scaled twice", PRODUCTS)
def scaled_twice(site: Site) -> Plant:
    from kd2edge.inputs.fitted_table import Scale

    del site
    real = Scale.scaled

    def wrong(self: Any, numbers: Any) -> Any:
        return real(self, real(self, numbers))

    return Plant((USUAL,), lambda: patch.object(Scale, "scaled", wrong))


@kind("table", "numbers lose what stands behind the point", PRODUCTS)
def whole_numbers(site: Site) -> Plant:
    """A scale that is rounded to whole numbers."""
    from kd2edge.inputs.fitted_table import Scale

    del site
    real = Scale.scaled

    def wrong(self: Any, numbers: Any) -> Any:
        return np.rint(real(self, numbers))

    return Plant((USUAL,), lambda: patch.object(Scale, "scaled", wrong))


def _array(name: str, wrong: Callable[[Any], Any]) -> Callable[[], Any]:
    """An array of the encoder is what ``wrong`` makes of it."""
    from kd2edge.inputs.tabular import TabularEncoder

    real = TabularEncoder.encode

    def encode(self: Any, values: Any) -> Any:
        found = real(self, values)
        return type(found)({**found.arrays, name: wrong(found.arrays[name])})

    return lambda: patch.object(TabularEncoder, "encode", encode)


@kind("table", "two columns of numbers changed places", PRODUCTS)
def numbers_swapped(site: Site) -> Plant:
    del site
    return Plant((USUAL,), _array("numbers", lambda one: one[:, ::-1].copy()))


@kind("table", "two columns of categories changed places", PRODUCTS)
def categories_swapped(site: Site) -> Plant:
    del site
    return Plant((USUAL,), _array("categories", lambda one: one[:, ::-1].copy()))


@kind("table", "categories are off by one", PRODUCTS)
def off_by_one(site: Site) -> Plant:
    del site
    return Plant((USUAL,), _array("categories", lambda one: np.maximum(one - 1, 0)))


@kind("table", "nobody says which numbers are missing", PRODUCTS)
def unflagged(site: Site) -> Plant:
    del site
    return Plant((USUAL, NO_AGE), _array("missing", np.zeros_like))


@kind("table", "numbers that are missing are 0, and nobody says so", PRODUCTS)
def zero(site: Site) -> Plant:
    """What a service does that fills its tables before it asks."""
    from kd2edge.inputs.tabular import numbers as real

    del site

    def wrong(cells: Sequence[Any]) -> Any:
        return np.nan_to_num(real(cells))

    return Plant((USUAL, NO_AGE), lambda: replaced(CELLS, "numbers", wrong))


def _ids(wrong: Callable[[Any], Any]) -> Callable[[], Any]:
    """Ids of a column, 0 missing and 1 unknown, are what ``wrong`` makes of them."""
    from kd2edge.inputs.tabular import ids as real

    return lambda: replaced(CELLS, "ids", lambda cells, known: wrong(real(cells, known)))


@kind("table", "unknown categories are the first known one", PRODUCTS)
def unknown(site: Site) -> Plant:
    del site
    return Plant((NEW_ITEMS, USUAL), _ids(lambda found: np.where(found == 1, KNOWN, found)))


@kind("table", "missing categories are unknown ones", PRODUCTS)
def missing(site: Site) -> Plant:
    del site
    return Plant((NO_ITEM, USUAL), _ids(lambda found: np.maximum(found, 1)))


@kind("table", "missing categories are the first known one", PRODUCTS)
def missing_known(site: Site) -> Plant:
    del site
    return Plant((NO_ITEM, USUAL), _ids(lambda found: np.where(found == 0, KNOWN, found)))


def _cells(change: Callable[[Any], Any], name: str = "ids") -> Callable[[], Any]:
    """Cells of categories (``ids``) or of numbers are read as ``change`` makes them."""
    from kd2edge.inputs import tabular

    real = getattr(tabular, name)

    def wrong(cells: Sequence[Any], *known: Any) -> Any:
        return real([change(cell) for cell in cells], *known)

    return lambda: replaced(CELLS, name, wrong)


def _text(change: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda cell: change(cell) if isinstance(cell, str) else cell


@kind("table", "categories are made small", PRODUCTS)
def small(site: Site) -> Plant:
    del site
    return Plant((USUAL,), _cells(_text(str.lower)))


# Rows in another form, which say the same


def _other(name: str, change: Callable[[str, Any], Any]) -> Look:
    """Test rows whose cells are written in another way: ``change(column, cell)``."""

    def value(given: str, found: Any) -> Any:
        if given != "table" or found is None:
            return found
        return {column: change(column, cell) for column, cell in found.items()}

    return Look(name, value=value)


def _float(column: str, cell: Any) -> Any:
    """As a data frame has whole numbers beside empty cells."""
    if column == "item_class":
        return cell
    return float("nan") if cell is None else float(cell)


def _blank(column: str, cell: Any) -> Any:
    return f" {cell}\t" if isinstance(cell, str) else cell


AS_FLOATS = _other("cells of a data frame", _float)
AS_TEXT = _other("cells of a CSV file", lambda column, cell: "" if cell is None else str(cell))
AS_TYPES = _other(
    "cells of NumPy", lambda column, cell: np.int64(cell) if isinstance(cell, int) else cell
)
PADDED = _other("categories between blanks", _blank)
REVERSED = Look(
    "columns in another order",
    value=lambda name, found: dict(reversed(found.items())) if isinstance(found, dict) else found,
)
MORE = Look(
    "columns that nobody asked for",
    value=lambda name, found: {"id": 7, **found} if isinstance(found, dict) else found,
)


@kind("table", "whole numbers of a data frame are no categories", PRODUCTS)
def floats(site: Site) -> Plant:
    """5.0 is another category than 5."""
    del site
    wrong = _cells(lambda cell: f"no. {cell}" if isinstance(cell, float) and cell == cell else cell)  # noqa: PLR0124
    return Plant((AS_FLOATS,), wrong)


@kind("table", "NaN is a category", PRODUCTS)
def nan_category(site: Site) -> Plant:
    del site
    wrong = _cells(lambda cell: "nan" if isinstance(cell, float) and cell != cell else cell)  # noqa: PLR0124
    return Plant((AS_FLOATS,), wrong)


@kind("table", "NaN is 0", PRODUCTS)
def nan_number(site: Site) -> Plant:
    del site
    wrong = _cells(
        lambda cell: 0.0 if isinstance(cell, float) and cell != cell else cell,  # noqa: PLR0124
        "numbers",
    )
    return Plant((AS_FLOATS,), wrong)


@kind("table", "numbers that are written as text are missing", PRODUCTS)
def numbers_as_text(site: Site) -> Plant:
    del site
    return Plant((AS_TEXT,), _cells(_text(lambda cell: None), "numbers"))


@kind("table", "empty cells are 0", PRODUCTS)
def empty_cells(site: Site) -> Plant:
    del site
    return Plant((AS_TEXT,), _cells(_text(lambda cell: cell or "0"), "numbers"))


@kind("table", "NumPy's whole numbers are unknown categories", PRODUCTS)
def numpy_cells(site: Site) -> Plant:
    del site
    wrong = _cells(lambda cell: f"np.{cell}" if isinstance(cell, np.integer) else cell)
    return Plant((AS_TYPES,), wrong)


@kind("table", "blanks around a category belong to it", PRODUCTS)
def blanks(site: Site) -> Plant:
    del site

    def wrong(text: str) -> str | None:
        return text or None

    return Plant((PADDED,), lambda: replaced("kd2edge.inputs.table_cells", "_named", wrong))


@kind("table", "cells are read by their place", PRODUCTS)
def by_place(site: Site) -> Plant:
    """As a row without names would be."""
    from kd2edge.inputs.tabular import TabularEncoder

    real = TabularEncoder.encode
    columns = site.product.inputs["table"]

    def wrong(self: Any, values: Sequence[Mapping[str, Any]]) -> Any:
        return real(self, [dict(zip(columns, row.values())) for row in values])  # noqa: B905

    return Plant((REVERSED, MORE), lambda: patch.object(TabularEncoder, "encode", wrong))


# The graph's front


@kind("table", "the graph reads no missing flags", PRODUCTS)
def no_flags(site: Site) -> Plant:
    def edited(model: onnx.ModelProto) -> None:
        edit = Editor(model)
        edit.behind("missing", lambda one: edit.add("Mul", one, edit.constant(0.0, np.float32)))

    return changed(site, edited, USUAL, NO_AGE)


@kind("table", "numbers are cut off at one deviation", PRODUCTS)
def cut_off(site: Site) -> Plant:
    def edited(model: onnx.ModelProto) -> None:
        edit = Editor(model)
        limits = [edit.constant(one, np.float32) for one in (-1.0, 1.0)]
        edit.behind("numbers", lambda one: edit.add("Clip", one, *limits))

    return changed(site, edited, USUAL)


@kind("table", "numbers are rounded to halves", PRODUCTS)
def rounded(site: Site) -> Plant:
    def edited(model: onnx.ModelProto) -> None:
        edit = Editor(model)
        two = edit.constant(2.0, np.float32)

        def change(one: str) -> str:
            return edit.add("Div", edit.add("Round", edit.add("Mul", one, two)), two)

        edit.behind("numbers", change)

    return changed(site, edited, USUAL)
