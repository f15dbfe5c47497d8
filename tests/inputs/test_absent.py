from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kd2edge.inputs import INPUT_KINDS, Encoded, InputSpec, input_kind
from kd2edge.inputs.absent import first_without_input
from kd2edge.inputs.kinds import input_arrays

_VALUES: dict[str, Any] = {
    "image": np.full((1, 2, 3), 7, np.uint8),
    "text": "the train",
    "tokens": ["the", "train"],
}


def test_every_kind_is_looked_at() -> None:
    """Tables have tests of their own (``test_tabular``): a row of several columns lacks all."""
    assert {*_VALUES, "tabular"} == set(INPUT_KINDS)


def spec_of(kind: str, **options: Any) -> InputSpec:
    return InputSpec("x", kind, ("x",), {"size": [2, 3], "absent": True, **options})


@pytest.mark.parametrize("kind", _VALUES)
@pytest.mark.parametrize("missing", [None, float("nan"), ""])
def test_a_row_may_lack_the_input(kind: str, missing: Any, tokenizer_json: bytes) -> None:
    spec, value = spec_of(kind), _VALUES[kind]
    encoder = input_kind(kind).open(spec, {"tokenizer": tokenizer_json})
    found = encoder.encode([value, missing])
    assert found.present is not None
    assert found.present.tolist() == [True, False]
    assert found.arrays["x_present"].tolist() == [1, 0]
    assert [(one.name, one.dtype) for one in input_arrays(spec)] == [
        (one.name, one.dtype) for one in encoder.arrays
    ]
    assert {name: str(one.dtype) for name, one in found.arrays.items()} == {
        one.name: one.dtype for one in encoder.arrays
    }
    assert input_kind(kind).value(spec, {"x": missing}, "") is None
    assert input_kind(kind).value(spec, {}, "") is None
    assert not encoder.truncated(missing)
    encoder.piece_counts([missing])
    assert encoder.edge_values()["absent"] is None


@pytest.mark.parametrize("kind", _VALUES)
def test_what_is_there_is_encoded_as_ever(kind: str, tokenizer_json: bytes) -> None:
    values, files = [_VALUES[kind]] * 2, {"tokenizer": tokenizer_json}
    plain = input_kind(kind).open(spec_of(kind, absent=False), files).encode(values).arrays
    found = input_kind(kind).open(spec_of(kind), files).encode(values).arrays
    assert found.keys() == {*plain, "x_present"}
    assert all(np.array_equal(found[name], array) for name, array in plain.items())


@pytest.mark.parametrize("kind", _VALUES)
def test_without_leave_a_missing_input_stays_an_error(kind: str, tokenizer_json: bytes) -> None:
    spec = spec_of(kind, absent=False)
    for row in ({}, {"x": None}):
        with pytest.raises(ValueError, match="no column 'x'|column 'x' is empty"):
            input_kind(kind).value(spec, row, "")


def test_a_row_without_any_input_is_found() -> None:
    def one(*present: bool) -> Encoded:
        return Encoded({}, present=np.array(present))

    assert first_without_input([one(True, False, False), one(True, True, False)]) == 2
    assert first_without_input([one(True, False), one(False, True)]) is None
    assert first_without_input([one(False, False), Encoded({})]) is None


def test_a_picture_says_what_size_it_had() -> None:
    spec = InputSpec("x", "image", ("x",), {"size": [2, 3], "resize": True})
    encoder = input_kind("image").open(spec, {})
    pixels = [np.zeros((2, 3), np.uint8), np.zeros((8, 6), np.uint8)]
    size = encoder.encode(pixels).size
    assert size is not None
    assert size.tolist() == [[2, 3], [8, 6]]
