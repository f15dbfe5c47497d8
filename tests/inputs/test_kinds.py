from __future__ import annotations

import json

import pytest

from kd2edge.errors import UsageError
from kd2edge.inputs import INPUT_KINDS, InputSpec, input_kind


def test_the_table_is_keyed_by_name() -> None:
    assert list(INPUT_KINDS) == ["image", "tabular", "text", "tokens"]
    assert all(kind.name == name for name, kind in INPUT_KINDS.items())


def test_an_unknown_kind_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        UsageError, match=r"image, tabular, text, tokens, found 'token'; did you mean 'tokens'"
    ):
        input_kind("token")


@pytest.mark.parametrize("name", INPUT_KINDS)
def test_arrays_are_known_without_an_encoder(name: str, tokenizer_json: bytes) -> None:
    kind = input_kind(name)
    for prefix in ("", "left_"):
        options = {"size": [2, 3], "casing": True, "prefix": prefix, "numeric": ["x"]}
        spec = InputSpec("x", name, ("x",), options)
        files = {"tokenizer": tokenizer_json, **kind.fit(spec, [{"x": 1.0}])}
        stated = kind.arrays(spec)
        assert kind.open(spec, files).arrays == stated
        assert all(one.name.startswith(prefix) for one in stated)
        open_ones = {dim for one in stated for dim in one.shape[1:] if isinstance(dim, str)}
        assert kind.ranges(spec).keys() == open_ones


@pytest.mark.parametrize("name", INPUT_KINDS)
def test_the_example_of_a_kind_is_one_of_its_values(name: str) -> None:
    if input_kind(name).files:
        return
    spec = InputSpec("x", name, ("x",), {"numeric": ["x"]})
    value = json.loads(json.dumps(input_kind(name).sample(spec)))
    row = value if isinstance(value, dict) else {"x": value}
    assert input_kind(name).value(spec, row, "") == value


def test_a_value_that_is_refused_is_named_by_its_column() -> None:
    for name, column in (("review", "said"), ("said", "said")):
        spec = InputSpec(name, "text", (column,), {})
        with pytest.raises(ValueError, match="expected text, found a int") as caught:
            input_kind("text").value(spec, {"said": 5}, "")
        assert str(caught.value).startswith("column 'said': ") is (name != column)
