from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from kd2edge.errors import DataError, InputError, Kd2edgeError, UsageError
from kd2edge.quantize import calibration_batches, tensor_ranges
from kd2edge.quantize.calibrate import rows_of

NAMES = ("x", "h", "topic")


@pytest.mark.parametrize(
    "batches",
    [[], iter(()), [{}], [{"ids": np.ones((1, 2), np.int64)}, {"ids": np.ones((0, 2), np.int64)}]],
)
def test_nothing_to_calibrate_on_is_refused(batches):
    with pytest.raises(DataError, match="calibration"):
        calibration_batches(batches)


def test_generator_is_read_once_and_kept():
    batches = calibration_batches({"ids": np.full((2, 3), n)} for n in range(3))
    assert [batch["ids"][0, 0] for batch in batches] == [0, 1, 2]


def test_rows_keep_their_order_and_get_a_batch_of_one():
    batches = [{"a": np.arange(6).reshape(2, 3)}, {"a": np.arange(6, 8).reshape(1, 2)}]
    assert [row["a"].tolist() for row in rows_of(batches)] == [[[0, 1, 2]], [[3, 4, 5]], [[6, 7]]]


def test_ranges_are_the_extremes_over_batches_of_all_lengths(text, text_batches, run):
    model = ModelProto.FromString(text)
    ranges = tensor_ranges(model, text_batches, NAMES)
    topics = np.concatenate([run(text, batch)["topic"] for batch in text_batches])
    assert set(ranges) == set(NAMES)
    assert ranges["topic"] == pytest.approx((topics.min(), topics.max()), rel=1e-5)


@pytest.mark.parametrize("method", ["minmax", "percentile"])
def test_same_sample_same_ranges(text, text_batches, method):
    model = ModelProto.FromString(text)
    first, second = (tensor_ranges(model, text_batches, NAMES, method) for _ in range(2))
    assert first == second
    assert text == model.SerializeToString()  # the model is left alone


def test_order_of_batches_does_not_matter(text, text_batches):
    model = ModelProto.FromString(text)
    assert tensor_ranges(model, text_batches, NAMES) == tensor_ranges(
        model, text_batches[::-1], NAMES
    )


def doubling() -> ModelProto:
    node = helper.make_node("Add", ["a", "a"], ["y"])
    a, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "ay")
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(
        helper.make_graph([node], "g", [a], [y]), opset_imports=opsets, ir_version=10
    )


def test_percentile_cuts_off_a_lone_outlier():
    values = np.random.default_rng(0).normal(size=400_000).astype(np.float32)
    values[7] = 1000.0
    batches = [{"a": values}]
    low, high = tensor_ranges(doubling(), batches, ["y"], "percentile")["y"]
    assert tensor_ranges(doubling(), batches, ["y"])["y"][1] == 2000.0
    assert 8.0 <= high <= 11.0  # 4.4 standard deviations, and at most one bin more
    assert low == pytest.approx(2 * values.min(), abs=0.6)


def test_constant_tensor_keeps_its_value_inside_the_range():
    for method in ("minmax", "percentile"):
        low, high = tensor_ranges(doubling(), [{"a": np.full(3, 2.0, np.float32)}], ["y"], method)[
            "y"
        ]
        assert low <= 4.0 <= high


def test_nan_names_the_tensor():
    with pytest.raises(Kd2edgeError, match="NaN or infinite .*'y'"):
        tensor_ranges(doubling(), [{"a": np.array([1.0, np.nan], np.float32)}], ["y"])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_one_batch_that_is_not_finite_is_enough_wherever_it_stands(bad, at):
    batches = [{"a": np.ones(2, np.float32)} for _ in range(3)]
    batches[at]["a"][0] = bad
    with pytest.raises(Kd2edgeError, match="NaN or infinite"):
        tensor_ranges(doubling(), batches, ["y"])


def test_wrong_arrays_are_the_callers_fault(text):
    model = ModelProto.FromString(text)
    for wrong in ({"ids": np.ones((2, 3), np.float32)}, {"other": np.ones((2, 3), np.int64)}):
        with pytest.raises(InputError, match="does not take the calibration batch"):
            tensor_ranges(model, [wrong], NAMES)


def test_unknown_method_is_refused(text, text_batches):
    with pytest.raises(UsageError, match="minmax, percentile"):
        tensor_ranges(ModelProto.FromString(text), text_batches, NAMES, "entropy")
