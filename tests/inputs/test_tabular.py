"""Tables: cells to arrays, what is fitted, and what is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.errors import InputError, IntegrityError, UsageError
from kd2edge.inputs import InputSpec, input_kind
from kd2edge.inputs.encoder import Encoder

TABULAR = input_kind("tabular")
OPTIONS = {"numeric": ["age", "hours"], "categorical": ["town", "member"]}
COLUMNS = ("age", "hours", "town", "member")
ROWS: list[dict[str, Any]] = [
    {"age": 20, "hours": None, "town": "Rome", "member": True},
    {"age": 30, "hours": 1.5, "town": "Oslo", "member": False},
    {"age": 40, "hours": 2.5, "town": None, "member": True},
    {"age": 50, "hours": 8.0, "town": "Rome", "member": False},
]
USUAL: dict[str, Any] = {"age": 30, "hours": 2.0, "town": "Rome", "member": True}


def spec_of(**options: Any) -> InputSpec:
    return InputSpec("person", "tabular", COLUMNS, OPTIONS | options)


def fitted(spec: InputSpec, rows: list[dict[str, Any]]) -> Mapping[str, bytes]:
    return TABULAR.fit(spec, [TABULAR.value(spec, row, "") for row in rows])


def encoder_of(**options: Any) -> Encoder:
    spec = spec_of(**options)
    return TABULAR.open(spec, fitted(spec, ROWS))


STANDARD, QUANTILE = encoder_of(), encoder_of(scaling="quantile")

cells = {
    "age": st.one_of(st.none(), st.integers(0, 90), st.floats(0, 90), st.just(float("nan"))),
    "hours": st.one_of(st.none(), st.just(""), st.integers(0, 9).map(str)),
    "town": st.one_of(st.none(), st.sampled_from(["Rome", "Oslo", " Rome ", "Kiel", ""])),
    "member": st.one_of(st.none(), st.booleans(), st.sampled_from(["true", "True", "FALSE"])),
}
tables = st.lists(st.fixed_dictionaries(cells), min_size=1, max_size=6)


def arrays_of(encoder: Encoder, rows: list[Any]) -> dict[str, Any]:
    return encoder.encode(rows).arrays


def assert_same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("encoder", [STANDARD, QUANTILE], ids=["standard", "quantile"])
@given(rows=tables)
def test_a_row_does_not_depend_on_the_others_or_on_the_order_of_columns(
    encoder: Encoder, rows: list[dict[str, Any]]
) -> None:
    whole = arrays_of(encoder, rows)
    parts = [arrays_of(encoder, [row]) for row in rows]
    assert_same(whole, {name: np.concatenate([one[name] for one in parts]) for name in whole})
    assert_same(arrays_of(encoder, [dict(reversed(row.items())) for row in rows]), whole)
    assert_same(
        arrays_of(encoder, rows[::-1]), {name: array[::-1] for name, array in whole.items()}
    )


@given(rows=tables)
def test_values_as_rows_have_them_and_as_they_were_read_become_the_same(
    rows: list[dict[str, Any]],
) -> None:
    read = [TABULAR.value(spec_of(), row, "") for row in rows]
    assert_same(arrays_of(STANDARD, read), arrays_of(STANDARD, rows))


@given(rows=tables)
def test_arrays_are_as_they_are_stated(rows: list[dict[str, Any]]) -> None:
    size = TABULAR.ids(spec_of(), fitted(spec_of(), ROWS))
    found = arrays_of(QUANTILE, rows)
    for one in QUANTILE.arrays:
        array = found[one.name]
        assert (array.dtype.name, array.shape) == (one.dtype, (len(rows), one.shape[1]))
    assert np.abs(found["numbers"]).max() <= 1
    assert set(np.unique(found["missing"])) <= {0, 1}
    assert found["categories"].min() >= 0
    assert found["categories"].max() < (size or 0)


def test_numbers_are_scaled_by_what_the_training_rows_have() -> None:
    found = arrays_of(STANDARD, ROWS)
    np.testing.assert_allclose(found["numbers"].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(found["numbers"][:, 0].std(), 1, atol=1e-6)
    assert found["missing"].tolist() == [[0, 1], [0, 0], [0, 0], [0, 0]]
    assert found["numbers"][0, 1] == 0  # the mean
    places = arrays_of(QUANTILE, [USUAL | {"age": age} for age in (0, 20, 35, 50, 99)])["numbers"]
    np.testing.assert_allclose(places[:, 0], [-1, -1, 0, 1, 1], atol=1e-6)


def test_large_numbers_keep_what_tells_them_apart() -> None:
    """Float32 leaves out whole numbers from 2**24 on: scaling comes first."""
    spec = spec_of()
    rows = [row | {"age": 2**40 + at} for at, row in enumerate(ROWS)]
    found = arrays_of(TABULAR.open(spec, fitted(spec, rows)), rows)["numbers"][:, 0]
    np.testing.assert_allclose(found, (np.arange(4) - 1.5) / np.arange(4).std(), rtol=1e-6)


def test_a_category_has_one_id_whatever_it_is_written_as() -> None:
    forms = ([True, "true", "True", "TRUE"], [False, "false", np.bool_(False)])
    for same in forms:
        ids = arrays_of(STANDARD, [USUAL | {"member": one} for one in same])["categories"][:, 1]
        assert len(set(ids.tolist())) == 1
    spec = spec_of(categorical=["town"], numeric=[])
    encoder = TABULAR.open(spec, fitted(spec, [{"town": one} for one in (5, "7", "x")]))
    found = arrays_of(encoder, [{"town": one} for one in (5, "5", 5.0, "5.0", np.int8(5), " 5 ")])
    assert found["categories"].tolist() == [[2]] * 6
    assert list(found) == ["categories"]


def test_unknown_missing_and_rare_categories_have_ids_of_their_own() -> None:
    town = [row["town"] for row in (USUAL, {"town": "Kiel"}, {"town": None})]
    found = arrays_of(STANDARD, [USUAL | {"town": one} for one in town])["categories"][:, 0]
    assert found.tolist() == [3, 1, 0]  # Oslo is 2
    rare = arrays_of(encoder_of(rare=2), [USUAL | {"town": one} for one in ("Oslo", "Rome")])
    assert rare["categories"][:, 0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("age", "old", "expected a number, found a str"),
        ("age", "NaN", "missing is null"),
        ("age", "-inf", "missing is null"),
        ("age", "1,000", "without marks between thousands"),
        ("age", "1_000", "without marks between thousands"),
        ("age", "0x10", "expected a number"),
        ("age", "1e400", r"below 2\*\*53"),
        ("age", float("inf"), "expected a finite number.*missing is null"),
        ("age", 10**400, r"below 2\*\*53"),
        ("age", "9007199254740993", r"below 2\*\*53"),
        ("age", 2**53 + 1, r"below 2\*\*53"),
        ("age", True, "write 1 and 0"),
        ("age", [1], "expected a number"),
        ("age", b"1", "expected a number"),
        ("age", {"a": 1}, "expected a number"),
        ("age", 1e9, "is it in another unit"),
        ("town", 1.5, "under `numeric`"),
        ("town", ["Rome"], "expected a category"),
        ("town", b"Rome", "expected a category"),
        ("town", "\ud800", "surrogate"),
    ],
)
def test_what_is_no_cell_is_refused_with_row_and_column(column: str, value: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        STANDARD.encode([USUAL, USUAL | {column: value}])
    assert error.value.row == 1
    assert f"column {column!r}" in str(error.value)


def test_other_types_of_numbers_count() -> None:
    same = [30, 30.0, "30", " 30 ", "3e1", "+30.", np.float32(30), np.int16(30), Decimal(30)]
    found = arrays_of(STANDARD, [USUAL | {"age": one} for one in same])["numbers"][:, 0]
    assert len(set(found.tolist())) == 1


@pytest.mark.parametrize("value", [None, float("nan"), "text", 3, ["age"]])
def test_what_is_no_row_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="expected a mapping of the columns age, hours, town"):
        STANDARD.encode([USUAL, value])


def test_a_column_that_is_not_there_is_not_missing() -> None:
    row = {name: one for name, one in USUAL.items() if name != "age"} | {"Age": 3}
    with pytest.raises(InputError, match="no column 'age'.*did you mean 'Age'"):
        STANDARD.encode([row])
    with pytest.raises(ValueError, match="no column 'age'"):
        TABULAR.value(spec_of(), row, "")


def test_an_input_that_may_be_absent_is_so_where_all_its_cells_are() -> None:
    encoder = encoder_of(absent=True)
    empty: dict[str, Any] = dict.fromkeys(COLUMNS)
    assert TABULAR.value(spec_of(absent=True), empty, "") is None
    present = encoder.encode([empty, USUAL, None]).present
    assert present is not None
    assert present.tolist() == [False, True, False]


def test_edges_and_probes_are_encoded_by_what_they_are_of() -> None:
    spec = spec_of()
    files = fitted(spec, ROWS)
    for encoder in (STANDARD, QUANTILE):
        for value in encoder.edge_values().values():
            assert np.isfinite(encoder.encode([value]).arrays["numbers"]).all()
            json.dumps(value, allow_nan=False)
    probes = TABULAR.probes(spec, files)
    asked = arrays_of(STANDARD, list(probes.pieces))["categories"]
    assert set(asked.flat) == {2, 3, 6, 7}


def test_a_column_of_nothing_is_refused_and_one_that_never_varies_is_noted() -> None:
    spec = spec_of()
    with pytest.raises(UsageError, match="column 'town' is empty in every training row"):
        fitted(spec, [row | {"town": ""} for row in ROWS])
    files = fitted(spec, [row | {"age": 7, "town": "Rome"} for row in ROWS])
    assert TABULAR.notes(spec, files) == ("age, town: the same in every training row that has it",)
    found = TABULAR.open(spec, files).encode([USUAL | {"age": 1e6}]).arrays["numbers"]
    assert found[0, 0] == 0  # nothing was learned of it


def test_the_same_rows_are_fitted_to_the_same_bytes() -> None:
    for scaling in ("standard", "quantile"):
        spec = spec_of(scaling=scaling)
        assert fitted(spec, ROWS) == fitted(spec, [dict(reversed(row.items())) for row in ROWS])


def damaged(**changes: Any) -> bytes:
    found = json.loads(fitted(spec_of(), ROWS)["table"])
    found["numeric"][0] |= changes.pop("scale", {})
    return json.dumps(found | changes).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        damaged(schema=2),
        damaged(more=1),
        damaged(numeric=[]),
        damaged(categorical=[{"column": "town", "names": ["a", "a"]}]),
        damaged(scale={"column": "hours"}),
        damaged(scale={"fill": "3"}),
        damaged(scale={"fill": 1e300}),
        damaged(scale={"deviation": 0}),
        damaged(scale={"deviation": -1.0}),
        damaged(scale={"edges": [3, 3]}),
        damaged(scale={"edges": [3, None]}),
        damaged(scale={"low": True}),
        damaged(scale={"more": 1}),
        damaged().replace(b"35.0", b"NaN"),
        damaged().replace(b"35.0", b"1e999"),
    ],
)
def test_a_damaged_file_is_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError):
        TABULAR.open(spec_of(), {"table": content})


def test_columns_are_encoded_at_once() -> None:
    rows = [TABULAR.value(spec_of(), row, "") for row in ROWS] * 5000
    start = time.perf_counter()
    STANDARD.encode(rows)
    assert time.perf_counter() - start < 2  # 20,000 rows; row by row it is ten times that
