from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.errors import InputError
from kd2edge.inputs.kind import Encoder
from kd2edge.inputs.spec import ArraySpec, Encoded
from kd2edge.runtime import batches as module
from kd2edge.runtime.batches import Batches, merged
from kd2edge.runtime.graph import GraphSpec


class Lengths(Encoder):
    """Values are numbers; a row is that many ones, padded with zeros to the longest."""

    arrays = (ArraySpec("ids", "int64", ("batch", "length")),)

    def __init__(self, name: str = "ids") -> None:
        self._name = name

    def encode(self, values: Any) -> Encoded:
        for index, value in enumerate(values):
            if value < 0:
                raise InputError("negative", name="text", row=index)
        longest = max(values)
        return Encoded({self._name: np.array([[1] * n + [0] * (longest - n) for n in values])})

    def length(self, encoded: Encoded) -> Any:
        return encoded.arrays[self._name].sum(axis=1)

    def truncated(self, value: Any) -> bool:
        raise NotImplementedError

    def edge_values(self) -> dict[str, Any]:
        raise NotImplementedError


class Fixed(Encoder):
    """Values are numbers, and stay what they are."""

    arrays = (ArraySpec("pixels", "int64", ("batch",)),)

    def encode(self, values: Any) -> Encoded:
        for index, value in enumerate(values):
            if value < 0:
                raise InputError("negative", name="picture", row=index)
        return Encoded({"pixels": np.asarray(values)})

    def length(self, encoded: Encoded) -> Any:
        return np.ones(len(encoded.arrays["pixels"]), np.int64)

    def truncated(self, value: Any) -> bool:
        raise NotImplementedError

    def edge_values(self) -> dict[str, Any]:
        raise NotImplementedError


def batches(**ranges: tuple[int, int]) -> Batches:
    arrays = Lengths.arrays
    return Batches(GraphSpec(arrays, arrays, ranges), {"text": Lengths()})


@given(st.lists(st.integers(1, 6), min_size=1, max_size=20), st.integers(1, 7), st.integers(1, 7))
def test_every_row_comes_once_and_in_order(values: list[int], size: int, largest: int):
    made = list(batches(batch=(1, largest)).of({"text": values}, size))
    lengths = [int(row.sum()) for one in made for row in one.arrays["ids"]]
    order = [row for one in made for row in one.rows]
    assert sorted(order) == list(range(len(values)))
    assert lengths == [values[row] for row in order]
    assert all(len(one.arrays["ids"]) <= min(size, largest) for one in made)
    assert all(one.encoded is not None for one in made)
    assert all(one.arrays["ids"].sum(1).max() == one.arrays["ids"].shape[1] for one in made)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(1, 9))
def test_rows_are_put_together_with_their_like(values: list[int], size: int):
    def cells(parts: Any) -> int:
        return sum(one.arrays["ids"].size for one in parts)

    made = list(batches().of({"text": values}, size))
    assert len(made) == -(-len(values) // size)
    as_they_come = [
        part for at in range(0, len(values), size)
        for part in batches().of({"text": values[at : at + size]}, size)
    ]  # fmt: skip
    if len(values) % size == 0:  # a batch that is not full may stand anywhere
        assert cells(made) <= cells(as_they_come)
    if size == 1 or size >= len(values):
        assert all(isinstance(one.rows, range) for one in made)


MANY = st.lists(st.integers(1, 90), min_size=16, max_size=120)


@given(MANY)
def test_a_call_of_many_rows_is_parted_by_length_where_that_saves_positions(values: list[int]):
    made = list(batches().of({"text": values}, None))
    order = [row for one in made for row in one.rows]
    assert sorted(order) == list(range(len(values)))
    for one in made:
        lengths = one.arrays["ids"].sum(axis=1)
        assert lengths.tolist() == [values[row] for row in one.rows]
        assert lengths.max() == one.arrays["ids"].shape[1]
        assert len(one.rows) >= 8
    if len(made) == 1:
        assert made[0].rows == range(len(values))
    else:
        computed = sum(one.arrays["ids"].size for one in made)
        assert computed <= 0.75 * max(values) * len(values)


def test_parts_are_large_enough_for_the_engine(monkeypatch: pytest.MonkeyPatch):
    def sizes(values: list[int]) -> list[tuple[int, ...]]:
        return [one.arrays["ids"].shape for one in batches().of({"text": values}, None)]

    assert sizes([128, *[8] * 15]) == [(8, 128), (8, 8)]
    assert sizes([128, *[8] * 14]) == [(15, 128)]  # few rows run together whatever they are
    assert sizes([30] * 200) == [(200, 30)]
    assert sizes([64] * 8 + [16] * 70) == [(8, 64), (32, 16), (38, 16)]
    assert sizes([40] * 64 + [24] * 64) == [(128, 40)]  # a fifth would be saved: too little


def test_a_caller_who_states_a_size_or_an_artefact_that_has_one_is_obeyed():
    values = [128, *[8] * 31]
    assert len(list(batches().of({"text": values}, 32))) == 1
    assert len(list(batches(batch=(1, 16)).of({"text": values}, None))) == 2


def test_rows_that_cannot_be_encoded_are_named_by_their_place_in_the_call():
    two = Batches(
        GraphSpec((*Lengths.arrays, *Fixed.arrays), ()), {"text": Lengths(), "picture": Fixed()}
    )
    texts, pictures = [128, *[8] * 31], list(range(32))
    made = list(two.of({"text": texts, "picture": pictures}, None))
    assert len(made) == 2
    for one in made:
        assert one.arrays["pixels"].tolist() == [pictures[row] for row in one.rows]
    for wrong in ({"text": [*texts[:31], -1]}, {"picture": [*pictures[:31], -1]}):
        with pytest.raises(InputError) as caught:
            list(two.of({"text": texts, "picture": pictures} | wrong, None))
        assert caught.value.row == 31


def test_only_a_window_of_rows_is_encoded_ahead(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_WINDOW", 2)
    values = [3, 1, 2, 1, *[5] * 8, -1]  # the last one cannot be encoded
    made = batches().of({"text": values}, 2)
    first = iter(made)
    assert [next(first).rows, next(first).rows] == [[0, 2], [1, 3]]
    with pytest.raises(InputError) as caught:
        list(first)
    assert caught.value.row == 12


def test_inputs_of_a_fixed_size_go_with_their_rows():
    two = Batches(
        GraphSpec((*Lengths.arrays, *Fixed.arrays), ()), {"text": Lengths(), "picture": Fixed()}
    )
    for pictures in ([10, 20, 30, 40], np.array([10, 20, 30, 40])):
        made = list(two.of({"text": [4, 1, 3, 2], "picture": pictures}, 2))
        assert [one.arrays["pixels"].tolist() for one in made] == [[10, 30], [40, 20]]
    with pytest.raises(InputError) as caught:
        list(two.of({"text": [4, 1, 3, 2], "picture": [10, 20, 30, -1]}, 2))
    assert caught.value.row == 3


@given(st.integers(1, 20), st.one_of(st.none(), st.integers(1, 7)), st.integers(1, 7))
def test_arrays_are_split_the_same_way(rows: int, size: int | None, largest: int):
    array = np.arange(rows)[:, None]
    made = list(batches(batch=(1, largest)).of({"ids": array}, size))
    np.testing.assert_array_equal(np.concatenate([one.arrays["ids"] for one in made]), array)
    assert all(len(one.arrays["ids"]) <= min(size or largest, largest) for one in made)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 7))
def test_arrays_of_different_numbers_of_rows_are_never_cut_alike(rows: int, other: int, size: int):
    arrays = (*Lengths.arrays, ArraySpec("mask", "int64", ("batch", "length")))
    two = Batches(GraphSpec(arrays, arrays), {"text": Lengths()})
    given = {"ids": np.ones((rows, 3), int), "mask": np.ones((other, 3), int)}
    if rows > size and rows != other:
        with pytest.raises(InputError, match="same number of rows"):
            two.of(given, size)
    else:
        made = list(two.of(given, size))
        for name, array in given.items():
            assert sum(len(one.arrays[name]) for one in made) == len(array)


def test_what_is_no_array_is_named_before_it_is_split():
    arrays = (*Lengths.arrays, ArraySpec("mask", "int64", ("batch", "length")))
    two = Batches(GraphSpec(arrays, arrays), {"text": Lengths()})
    with pytest.raises(InputError, match="'mask' must be a list or an array"):
        two.of({"ids": np.ones((5, 3), int), "mask": None}, 2)


def test_without_a_limit_everything_is_one_batch():
    assert len(list(batches().of({"text": [1] * 500}, None))) == 1


def test_lists_tuples_and_arrays_are_lists_of_rows():
    for values in ([1, 2], (1, 2), np.array([1, 2])):
        assert batches().rows({"text": values}) == 2


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"txt": [1]}, r"unknown input 'txt' \(did you mean 'text'\?\); this model takes 'text'"),
        ({"pixels": [1]}, "unknown input 'pixels'; this model"),
        ({"text": [1], "more": [1]}, "unknown input 'more'"),
        ({}, "input 'text' is missing"),
        ({"text": []}, "at least one row"),
        ({"text": np.zeros((0, 3))}, "at least one row"),
        ({"text": None}, "found a NoneType"),
        ({"text": 3}, "found a int"),
        ({"text": np.array(3)}, "found a ndarray"),
        ({"text": {"a"}}, r"found a set; write list\(...\) around it"),
        (3, r"expected \{'text': \[...\]\}, found a int"),
        (None, r"expected \{'text': \[...\]\}, found a NoneType"),
    ],
)
def test_says_what_was_expected(inputs: Any, words: str):
    with pytest.raises(InputError, match=words):
        list(batches().of(inputs, None))


def test_inputs_of_different_lengths_are_refused():
    arrays = (*Lengths.arrays, ArraySpec("other", "int64", ("batch", "length")))
    two = Batches(GraphSpec(arrays, arrays), {"text": Lengths(), "more": Lengths("other")})
    with pytest.raises(InputError, match=r"same number of rows.*'text': 2.*'more': 1"):
        two.rows({"text": [1, 1], "more": [1]})
    with pytest.raises(InputError, match="input 'more' is missing"):
        two.rows({"text": [1]})
    assert sorted(merged(two.encode({"text": [1], "more": [2]}))) == ["ids", "other"]


@pytest.mark.parametrize("size", [0, -1])
def test_batch_size_must_be_positive(size: int):
    with pytest.raises(InputError, match="batch_size must be at least 1"):
        list(batches().of({"text": [1]}, size))


@pytest.mark.parametrize("size", [None, 1, 2, 4])
def test_a_bad_row_has_its_number_among_all_rows_whatever_the_batches(size: int | None):
    with pytest.raises(InputError, match="^input 'text', row 5: negative$") as caught:
        list(batches().of({"text": [1, 1, 1, 1, 1, -1]}, size))
    assert (caught.value.name, caught.value.row, caught.value.reason) == ("text", 5, "negative")


def test_a_fixed_batch_dimension_is_its_own_limit():
    arrays = (ArraySpec("ids", "int64", (2, "length")),)
    fixed = Batches(GraphSpec(arrays, arrays), {"text": Lengths()})
    made = list(fixed.of({"text": [1, 2, 3]}, None))
    assert [len(one.arrays["ids"]) for one in made] == [2, 1]


def test_texts_of_one_model_are_each_as_long_as_they_are():
    one = Encoded({"a_ids": np.ones((2, 3), int)}, words=[[], []])
    two = Encoded({"b_ids": np.ones((2, 5), int)}, words=[[], []])
    found = merged({"a": one, "b": two})
    assert {name: array.shape for name, array in found.items()} == {
        "a_ids": (2, 3),
        "b_ids": (2, 5),
    }
