from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.tasks.labels import inventory, is_missing, label_index, label_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("yes", "yes"), ("", ""), (" a ", " a "), (np.str_("yes"), "yes"),
        (1, "1"), (-3, "-3"), (np.int64(7), "7"), (np.uint8(7), "7"),
        (5.0, "5"), (-0.0, "0"), (np.float32(-3), "-3"), (1e16, "10000000000000000"),
        (True, "true"), (False, "false"), (np.True_, "true"),
        ("1.0", "1"), ("-3.0", "-3"), ("-0.0", "0"),
        ("9" * 5000 + ".0", "9" * 5000), ("10.0", "10"), (Decimal("7.00"), "7"),
        ("True", "true"), ("TRUE", "true"), ("False", "false"), ("FALSE", "false"),
    ],
)  # fmt: skip
def test_label_text(value: Any, text: str) -> None:
    assert label_text(value) == text
    assert type(label_text(value)) is str


@pytest.mark.parametrize(
    "name",
    ["1.10", "1.1", "1.00", "007", "01.0", "1e5", "+1", "1.", ".0", "1.0.0", "v1.0", "1,0", " 1.0"]
    + [
        "1.0 ",
        "tRUE",
        "true",
        "yes",
        "T",
        "\u0661.0",
        "1.0\n",
        "nan",
        "None",
        "NA",
        "null",
        "e\u0301",
    ],
)
def test_text_that_no_data_frame_made_of_a_number_stays_as_it_is(name: str) -> None:
    assert label_text(name) == name
    assert inventory([name, "other"]) == tuple(sorted([name, "other"]))


def test_a_number_that_python_will_not_write_is_refused_in_our_words() -> None:
    with pytest.raises(ValueError, match="found a whole number of thousands of digits"):
        label_text(10**5000)


def test_the_same_values_of_every_source_are_the_same_labels() -> None:
    """CSV writes texts, JSON numbers and booleans, Parquet also floats for columns with gaps."""
    assert inventory(["0.0", "1.0", "0", "1", 0, 1, 0.0, np.float32(1), Decimal(1)]) == ("0", "1")
    assert inventory(["True", "FALSE", True, False, np.False_, "true"]) == ("false", "true")


@pytest.mark.parametrize(
    "value",
    [None, float("nan"), np.float32("nan"), Decimal("nan"), "", " ", "\t\n", "\u00a0", "\u3000"]
    + ["\u200b", "\ufeff ", "\u3164", "\u2800", "\ufe0f", "\x00"],
)
def test_what_says_nothing_is_missing(value: Any) -> None:
    assert is_missing(value)
    assert inventory([value, "a"]) == ("a",)


@pytest.mark.parametrize("value", [0, 0.0, False, "0", ".", "nan", "\U0001f642", " a ", [], ()])
def test_what_says_anything_is_not_missing(value: Any) -> None:
    assert not is_missing(value)


def test_beside_fractions_a_whole_number_keeps_its_name() -> None:
    versions = inventory(["1.10", "1.1", "1.0", "2.0", "3"])
    assert versions == ("1.0", "1.1", "1.10", "2.0", "3")
    assert [label_index(versions, value) for value in ("1.0", 1, "1", "2.0", 3.0)] == [
        0,
        0,
        0,
        3,
        4,
    ]


def test_labels_of_older_models_are_found_as_they_are_and_by_their_normal_form() -> None:
    assert [label_index(("0.0", "1.0"), value) for value in ("0.0", "1", 1, 0.0)] == [0, 1, 1, 0]
    assert [label_index(("False", "True"), value) for value in ("True", True, "true")] == [1, 1, 1]
    both = ("0", "0.0", "True", "true")
    assert [label_index(both, value) for value in ("0", "0.0", "True", "true", 0.0)] == [
        0,
        1,
        2,
        3,
        0,
    ]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (float("nan"), "NaN"),
        (np.float32("nan"), "NaN"),
        (1.5, "the fraction 1.5"),
        (np.float32(0.5), "the fraction 0.5"),
        (Decimal("0.5"), "the fraction 0.5"),
        (float("inf"), "the fraction inf"),
        (["a"], "a list"),
        ({"a": 1}, "a dict"),
        (b"a", "a bytes"),
        (None, "a NoneType"),
    ],
)
def test_what_is_no_label(value: Any, found: str) -> None:
    with pytest.raises(
        ValueError, match=f"expected a label as text or a whole number, found {found}"
    ):
        label_text(value)


def test_a_long_value_is_cut_between_its_brackets() -> None:
    with pytest.raises(ValueError, match=r"found a list \(\['O', 'B-artist', .*, \.\.\.\]\)$"):
        label_text(["O", "B-artist"] * 20)


def test_label_index_is_the_place_in_the_labels() -> None:
    labels = ("no", "1", "true")
    assert [label_index(labels, value) for value in ("no", 1, True)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("bok_flight", "unknown label 'bok_flight'; did you mean 'book_flight'"),
        ("Play", "did you mean 'play'"),
        ("zzz", "the 6 labels are 'book_flight', 'play', 'a', 'b', 'c', ...$"),
        (7, "unknown label '7'"),
    ],
)
def test_an_unknown_label_is_refused_with_the_nearest(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        label_index(("book_flight", "play", "a", "b", "c", "d"), value)


def test_numbers_of_thousands_of_digits_are_labels_too() -> None:
    long = "1" * 5000
    assert label_text(f"-{long}.0") == f"-{long}"
    assert inventory([f"{long}.0", 7, f"-{long}"]) == (f"-{long}", "7", long)


def test_inventory_puts_whole_numbers_by_size_and_others_by_name() -> None:
    assert inventory(["10", "9", 2, "-1"]) == ("-1", "2", "9", "10")
    assert inventory(["b", "10", "9", "a"]) == ("10", "9", "a", "b")
    assert inventory([True, False]) == ("false", "true")


@given(st.lists(st.integers(-(2**53), 2**53)))
def test_whole_numbers_mean_the_same_as_floats(values: list[int]) -> None:
    labels = inventory(values)
    assert inventory(map(float, values)) == labels
    assert all(label_index(labels, value) == label_index(labels, float(value)) for value in values)


def test_inventory_skips_what_is_missing_or_no_label() -> None:
    assert inventory([None, "a", float("nan"), ["x"], "a"]) == ("a",)
    assert inventory([]) == ()


@given(st.lists(st.one_of(st.text(max_size=3), st.integers(-20, 20), st.booleans())))
def test_inventory_is_stable_complete_and_free_of_doubles(values: list[Any]) -> None:
    labels = inventory(values)
    assert labels == inventory(reversed(values))
    assert len(set(labels)) == len(labels)
    for value in values:
        if not is_missing(value):
            assert label_text(labels[label_index(labels, value)]) == label_text(value)
