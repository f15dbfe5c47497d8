from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inputs.starts import rows_of
from kd2edge.inputs.rows import has_length, taken

TEXTS = ["", "playing music in Paris", "the", "un un unplayable 3.5 NATO", "music " * 20, "ing"]


@pytest.mark.parametrize("kind", ["text", "tokens"])
@given(data=st.data())
def test_rows_are_as_if_encoded_alone(opened, kind: str, data: Any):
    encoder = opened(kind, max_length=10, casing=True)
    values: list[Any] = data.draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=8))
    rows = data.draw(st.lists(st.sampled_from(range(len(values))), min_size=1, unique=True))
    if kind == "tokens":
        values = [text.split() for text in values]
    whole = encoder.encode(values)
    longest = int(encoder.length(whole)[rows].max())
    found = taken(whole, encoder, np.array(rows), longest)
    wanted = encoder.encode([values[row] for row in rows])
    assert found.arrays.keys() == wanted.arrays.keys()
    for name, array in wanted.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
    assert rows_of(found) == rows_of(wanted)
    assert found.words is not None
    assert wanted.words is not None
    assert [list(one) for one in found.words] == [list(one) for one in wanted.words]
    assert [list(one) for one in found.words[1:]] == [list(one) for one in wanted.words][1:]


def test_all_that_is_known_of_rows_goes_with_them(opened):
    encoder = opened("text", max_length=10)
    whole = replace(
        encoder.encode(["the", "a", "ing"]),
        present=np.array([True, False, True]),
        size=np.array([[1, 2], [3, 4], [5, 6]]),
        lengths=np.array([7, 8, 9]),
    )
    found = taken(whole, encoder, np.array([2, 0]), 3)
    assert found.present is not None
    assert found.size is not None
    assert found.lengths is not None
    assert found.present.tolist() == [True, True]
    assert found.size.tolist() == [[5, 6], [1, 2]]
    assert found.lengths.tolist() == [9, 7]


def test_only_inputs_that_pad_have_a_length(opened):
    from kd2edge.inputs import InputSpec, input_kind

    image = InputSpec("image", "image", ("image",), {"size": [8, 8], "channels": 1})
    assert has_length(opened("text"))
    assert not has_length(input_kind("image").open(image, {}))
