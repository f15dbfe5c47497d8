from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.errors import InputError, IntegrityError
from kd2edge.inputs.spec import ArraySpec
from kd2edge.runtime.graph import ANY, Checker, GraphSpec, agreed

TEXT = GraphSpec(
    (
        ArraySpec("input_ids", "int64", ("batch", "length")),
        ArraySpec("attention_mask", "int64", ("batch", "length")),
    ),
    (ArraySpec("intent", "float32", ("batch", 3)),),
    {"batch": (1, 8), "length": (2, 16)},
)


def arrays(batch: int = 2, length: int = 5, dtype: str = "int64") -> dict[str, Any]:
    return {name: np.zeros((batch, length), dtype) for name in ("input_ids", "attention_mask")}


def test_says_the_sizes_that_outputs_share_with_inputs():
    checker = Checker(TEXT, "tiny")
    for batch in (2, 3, 2):
        assert checker.check(arrays(batch)) == (("intent", 0, batch),)
    assert Checker(TEXT, "tiny", ()).check(arrays()) == ()


def test_accepts_what_the_spec_allows_again_and_again():
    checker = Checker(TEXT, "tiny")
    for _ in range(2):
        for batch, length in [(1, 2), (8, 16), (3, 7)]:
            checker.check(arrays(batch, length))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, "expected the arrays"),
        (None, "found NoneType"),
        ([1], "found list"),
        ({**arrays(), "extra": np.zeros(1)}, "extra"),
        ({"input_ids": arrays()["input_ids"]}, "attention_mask"),
        ({**arrays(), "input_ids": [[1, 2]]}, "found a list"),
        ({**arrays(), "input_ids": None}, "found a NoneType"),
        (arrays(dtype="int32"), "int64"),
        (arrays(dtype=">i8"), ">i8"),
        ({**arrays(), "input_ids": np.zeros((2, 5, 1), np.int64)}, r"int64 \[2, 5, 1\]"),
        (arrays(9), "must be 1 to 8, found 9"),
        (arrays(2, 17), "must be 2 to 16, found 17"),
        (arrays(2, 1), "must be 2 to 16, found 1"),
        ({**arrays(), "attention_mask": np.zeros((2, 6), np.int64)}, "the same length"),
    ],
)
def test_says_what_was_expected(found: Any, words: str):
    checker = Checker(TEXT, "tiny")
    checker.check(arrays())  # what was accepted before must not excuse what is wrong now
    for _ in range(2):
        with pytest.raises(InputError, match=words) as caught:
            checker.check(found)
        assert caught.value.exit_code == 2
        assert str(caught.value).startswith("tiny: ")


def test_unnamed_dimensions_are_free_of_each_other():
    shape = (ArraySpec("a", "float32", (ANY, ANY)),)
    Checker(GraphSpec(shape, shape), "free").check({"a": np.zeros((2, 3), np.float32)})


def test_forgetting_signatures_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("kd2edge.runtime.graph._REMEMBERED", 2)
    checker = Checker(TEXT, "tiny")
    for _ in range(3):
        for length in range(2, 10):
            checker.check(arrays(2, length))
    with pytest.raises(InputError):
        checker.check(arrays(2, 20))


@given(st.integers(1, 10), st.integers(1, 20), st.integers(1, 20))
def test_accepts_exactly_what_is_in_range(batch: int, one: int, other: int):
    checker = Checker(TEXT, "tiny")
    made = arrays(batch, one)
    made["attention_mask"] = np.zeros((batch, other), np.int64)
    allowed = batch <= 8 and one == other and 2 <= one <= 16
    if allowed:
        checker.check(made)
    else:
        with pytest.raises(InputError):
            checker.check(made)


def test_limits_come_from_ranges_or_from_fixed_dimensions():
    fixed = (ArraySpec("x", "float32", (4, 3)),)
    assert TEXT.limits("batch") == (1, 8)
    assert GraphSpec(fixed, fixed).limits("batch") == (4, 4)
    assert GraphSpec(TEXT.inputs, TEXT.outputs).limits("length") == (1, None)


@pytest.mark.parametrize(
    "wrong",
    [
        GraphSpec(TEXT.inputs[:1], TEXT.outputs),
        GraphSpec(TEXT.inputs, (ArraySpec("domain", "float32", ("batch", 3)),)),
        GraphSpec(TEXT.inputs, (ArraySpec("intent", "float16", ("batch", 3)),)),
        GraphSpec(TEXT.inputs, (ArraySpec("intent", "float32", ("batch",)),)),
    ],
)
def test_a_stated_spec_must_fit_the_graph(wrong: GraphSpec):
    with pytest.raises(IntegrityError, match="graph has"):
        agreed(wrong, TEXT, "tiny")


def test_a_stated_spec_may_leave_outputs_out():
    found = GraphSpec(TEXT.inputs, (*TEXT.outputs, ArraySpec("domain", "float32", ("batch", 2))))
    assert agreed(TEXT, found, "tiny") is TEXT
    assert agreed(None, found, "tiny") is found
