from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from transformers import BertConfig, DistilBertConfig, ElectraConfig, ResNetConfig

from kd2edge.errors import UsageError
from kd2edge.export.samples import dummy_arrays, normalised
from kd2edge.inputs.spec import ArraySpec

TEXT = tuple(
    ArraySpec(name, "int64", ("batch", "length"))
    for name in ("input_ids", "attention_mask", "casing_ids")
)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (BertConfig(hidden_size=48, num_hidden_layers=5), (48, 5)),
        (ElectraConfig(hidden_size=48, num_hidden_layers=5), (48, 5)),
        (DistilBertConfig(dim=48, n_layers=5), (48, 5)),
    ],
)
def test_normalised_names_are_the_same_for_every_model_type(config, expected):
    view = normalised(config)
    assert (view.hidden_size, view.num_layers) == expected


def test_text_arrays_fit_specs_and_vocabulary():
    arrays = dummy_arrays(TEXT, BertConfig(vocab_size=23), sizes={"batch": 50, "length": 7})
    assert list(arrays) == [spec.name for spec in TEXT]
    assert all(array.shape == (50, 7) and array.dtype == np.int64 for array in arrays.values())
    assert 15 < arrays["input_ids"].max() < 23
    assert set(np.unique(arrays["attention_mask"])) <= {0, 1}
    assert arrays["attention_mask"].any(axis=1).all()


def test_prefixed_names_are_known_too():
    prefixed = tuple(ArraySpec(f"title_{spec.name}", spec.dtype, spec.shape) for spec in TEXT)
    arrays = dummy_arrays(prefixed, BertConfig(vocab_size=23))
    assert arrays["title_input_ids"].max() > 2


def test_images_become_bytes_of_the_full_range():
    spec = ArraySpec("pixel_values", "uint8", ("batch", 3, 30, 20))
    # The size of the spec wins over the configuration, which may know none.
    for config in (ResNetConfig(num_channels=3), None):
        image = dummy_arrays((spec,), config)["pixel_values"]
        assert image.shape == (2, 3, 30, 20)
        assert image.dtype == np.uint8
        assert image.max() > 200


def test_same_seed_same_arrays_and_global_generators_are_left_alone():
    random.seed(5)
    torch.manual_seed(5)
    before = random.getstate(), torch.get_rng_state()
    first = dummy_arrays(TEXT, BertConfig(), seed=1)
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    second, other = (
        dummy_arrays(TEXT, BertConfig(), seed=1),
        dummy_arrays(TEXT, BertConfig(), seed=2),
    )
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["input_ids"], other["input_ids"])


def test_unknown_dimension_is_refused():
    with pytest.raises(UsageError, match="'frames'"):
        dummy_arrays((ArraySpec("x", "float32", ("batch", "frames")),), sizes={"batch": 2})


def test_every_dynamic_dimension_has_a_size_of_its_own():
    left, right = (
        tuple(
            ArraySpec(f"{name}_{one.name}", one.dtype, ("batch", f"{name}.length")) for one in TEXT
        )
        for name in ("left", "right")
    )
    arrays = dummy_arrays((*left, *right), BertConfig(vocab_size=23))
    assert {array.shape for name, array in arrays.items() if name.startswith("left")} == {(2, 9)}
    assert {array.shape for name, array in arrays.items() if name.startswith("right")} == {(2, 10)}
