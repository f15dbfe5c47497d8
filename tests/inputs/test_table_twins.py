"""Rows of a table are read alike in every form; the gate names the form that is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kd2edge.inputs import InputSpec, input_kind, table_cells, tabular
from kd2edge.inputs.tabular import TabularEncoder
from kd2edge.validate.edges import TWINS, twin_checks
from kd2edge.validate.validation import Check

TABULAR = input_kind("tabular")
ROWS: Sequence[dict[str, Any]] = (
    {"age": 20, "hours": 1.5, "shop": 5, "town": "Rome", "member": True},
    {"age": 41.5, "hours": None, "shop": 31, "town": "Oslo", "member": False},
    {"age": 30, "hours": 8.25, "shop": None, "town": None, "member": None},
)
COLUMNS = tuple(ROWS[0])
BOTH = {"numeric": ["age", "hours"], "categorical": ["shop", "town", "member"]}


def checked(rows: Sequence[dict[str, Any]] = ROWS, **options: Any) -> Check:
    options = options or BOTH
    columns = tuple(name for own in options.values() if isinstance(own, list) for name in own)
    spec = InputSpec("person", "tabular", columns, options)
    files = TABULAR.fit(spec, [TABULAR.value(spec, row, "") for row in rows])
    for one in (spec, replace(spec, options={**options, "absent": True})):
        (found,) = twin_checks(
            {"person": one}, {"person": TABULAR.open(one, files)}, {"person": files}
        )
        if found.status != "ok":
            return found
    return found


@pytest.mark.parametrize(
    "options",
    [
        BOTH,
        {**BOTH, "scaling": "quantile"},
        {"numeric": ["age", "hours"]},
        {"categorical": ["shop", "town"]},
        {"numeric": ["age"]},
        {"categorical": ["member"]},
        {"categorical": ["town"], "numeric": ["hours"], "rare": 2},
    ],
)
def test_a_row_is_the_same_in_every_form(options: dict[str, Any]) -> None:
    found = checked(**options)
    assert (found.status, found.name) == ("ok", f"person: {TWINS}"), found.detail


@pytest.mark.parametrize("name", ["--5", "-", "007", "-0", "9" * 5000, "\u0665"])
def test_a_category_that_only_looks_like_a_number_is_no_number(name: str) -> None:
    assert checked([{**row, "shop": name} for row in ROWS]).status == "ok"


def test_numbers_at_the_ends_of_what_is_read_are_the_same() -> None:
    rows = [{**ROWS[0], "age": -(2.0**52), "shop": 2**52}, {**ROWS[1], "age": 1e-300, "shop": -3}]
    assert checked(rows).status == "ok"


def cells(name: str, change: Callable[[Any], Any]) -> tuple[Any, str, Any]:
    """Numbers, or ids of categories, are read of what ``change`` makes of each cell."""
    real = getattr(tabular, name)
    return tabular, name, lambda column, *more: real([change(one) for one in column], *more)


def _is_nan(cell: Any) -> bool:
    return isinstance(cell, float) and bool(np.isnan(cell))


def by_place(self: TabularEncoder, values: Sequence[Any]) -> Any:
    return ENCODE(self, [dict(zip(COLUMNS, row.values())) for row in values])  # noqa: B905


ENCODE = TabularEncoder.encode


@pytest.mark.parametrize(
    ("wrong", "form"),
    [
        (cells("ids", lambda one: f"no {one}" if isinstance(one, float) else one), "with a point"),
        (cells("ids", lambda one: repr(one) if isinstance(one, np.integer) else one), "NumPy's"),
        (cells("ids", lambda one: "nan" if _is_nan(one) else one), "NaN for no category"),
        (cells("ids", lambda one: "?" if isinstance(one, bool) else one), "truth values"),
        (cells("numbers", lambda one: 0.0 if _is_nan(one) else one), "NaN for no number"),
        (cells("numbers", lambda one: one or 0.0), "for no number"),
        (cells("numbers", lambda one: None if isinstance(one, str) else one), "numbers as text"),
        ((table_cells, "_named", lambda text: text or None), "between blanks"),
        ((TabularEncoder, "encode", by_place), "in another order"),
    ],
)
def test_a_form_that_is_read_otherwise_is_named(
    monkeypatch: pytest.MonkeyPatch, wrong: tuple[Any, str, Any], form: str
) -> None:
    monkeypatch.setattr(*wrong)
    found = checked()
    assert found.status == "failed"
    assert form in found.detail
