"""One form of numbers and truth values, however a file or a data frame writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.inputs.table_cells import category, number
from kd2edge.tasks.labels import label_text
from kd2edge.tasks.numbers import number_of
from kd2edge.written import is_number, normal_form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("5.0", "5"), ("-0.0", "0"), ("-3.0", "-3"), ("True", "true"), ("FALSE", "false"),
        ("1.10", "1.10"), ("007", "007"), ("1e5", "1e5"), ("00.0", "00.0"), ("yes", "yes"),
    ],
)  # fmt: skip
def test_what_data_frames_do_is_undone_and_nothing_else(text: str, form: str) -> None:
    assert normal_form(text) == normal_form(form) == form


@given(st.text(min_size=1).filter(lambda text: text == text.strip() and text.isprintable()))
def test_a_label_and_a_category_are_called_the_same(text: str) -> None:
    assert category(text) == label_text(text) == normal_form(text)


@given(st.floats(-1e9, 1e9) | st.integers(-(10**9), 10**9))
def test_numbers_are_read_as_they_are_written(value: float) -> None:
    assert is_number(str(value))
    assert number(str(value)) == number_of(str(value)) == value


@pytest.mark.parametrize(
    "text", ["", "1,5", "1_000", "0x1", "NaN", "inf", "\u0663", "1 2", "+", "."]
)
def test_what_is_no_number_in_a_label_is_none_in_a_cell(text: str) -> None:
    assert not is_number(text)
