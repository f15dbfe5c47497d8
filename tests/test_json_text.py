"""The one reader of JSON: a value, or a ValueError in a line."""

from __future__ import annotations

import json
import math
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.json_text import DEEPEST, json_value

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(SCALARS, lambda part: st.lists(part) | st.dictionaries(st.text(), part))


@given(VALUES)
def test_json_of_any_kind_comes_back(value: Any) -> None:
    for ascii_only in (False, True):
        assert json_value(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary() | st.text())
def test_anything_else_is_a_value_error(content: bytes | str) -> None:
    for strict in (True, False):
        with suppress(ValueError):
            json_value(content, strict=strict)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 960 + "]" * 960, "nested deeper"),
        ("[" * 100_000, "nested deeper"),
        ('{"a":' * 200 + "1" + "}" * 200, "nested deeper"),
        ('["\\ud800"]', "half a surrogate"),
        ('{"\\udfff": 1}', "half a surrogate"),
        ('["' + "\ud800" + '"]', "half a surrogate"),
        ("9" * 5000, "thousands of digits"),
        ("", "Expecting value"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_traps_are_refused(text: str, words: str, strict: bool) -> None:
    if words.startswith("thousands") and not hasattr(sys, "set_int_max_str_digits"):
        pytest.skip("this Python reads them")
    with pytest.raises(ValueError, match=words):
        json_value(text, strict=strict)


@pytest.mark.parametrize("text", ["NaN", "[-Infinity]", "1e999", '{"a": 1, "a": 1}'])
def test_what_only_some_readers_take(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (each has words of its own)
        json_value(text)
    json_value(text, strict=False)


def test_limits_are_the_caller_s() -> None:
    assert json_value("[" * DEEPEST + "]" * DEEPEST) is not None
    assert json_value("[1, [2]]", deepest=2) == [1, [2]]
    with pytest.raises(ValueError, match="deeper than 1 "):
        json_value("[1, [2]]", deepest=1)
    with pytest.raises(ValueError, match="at most 3"):
        json_value(b"[1, 2]", limit=3)
    assert json_value('["[[[[["]', deepest=1) == ["[[[[["]
    assert math.isnan(json_value("NaN", strict=False))
    assert json_value('["\\ud83d\\ude42"]') == ["🙂"]
