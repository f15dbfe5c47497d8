"""The forward pass written out for one row, and what of weights is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kd2edge.errors import IntegrityError
from kd2edge.inputs.absent import presence_array
from kd2edge.inputs.spec import InputSpec
from kd2edge.runtime.static_net import StaticNet
from kd2edge.runtime.static_plan import EncoderPlan, HeadPlan, StaticPlan

WORDS = np.array([[1.0, -2.0], [3.0, 5.0], [-4.0, 1.0]], np.float32)
MATRIX = np.array([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0]], np.float32)


def plan(**changes: Any) -> StaticPlan:
    encoder = EncoderPlan(
        "text", "", "mean", weighted=True, least=1e-4, casing=False, optional=False, norms=()
    )
    heads = (HeadPlan("task", ""),)
    return StaticPlan((replace(encoder, **changes),), "single", hidden=False, heads=heads)


def arrays(**more: Any) -> dict[str, np.ndarray]:
    return {
        "encoder.0.words": WORDS,
        "encoder.0.weights": np.array([0.5, 1.0, 0.25], np.float32),
        "head.0.matrix": MATRIX,
        "head.0.bias": np.array([0.1, 0.2, 0.3], np.float32),
    } | {name.replace("_", "."): array for name, array in more.items()}


def run(net: StaticNet, ids: list[int], mask: list[int]) -> np.ndarray:
    return net.run({"input_ids": np.array([ids]), "attention_mask": np.array([mask])})["task"][0]


def test_a_row_is_the_weighted_mean_times_the_matrix() -> None:
    mean = (0.5 * WORDS[0] + 0.25 * WORDS[2]) / 0.75
    expected = mean @ MATRIX + [0.1, 0.2, 0.3]
    found = run(StaticNet(plan(), arrays(), "net"), [0, 2, 1], [1, 1, 0])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_cosine_is_the_largest_from_the_middle() -> None:
    near = replace(plan(), heads=(HeadPlan("task", "", "nearest"),))
    own = {name: one for name, one in arrays().items() if name != "head.0.bias"}
    own |= {"head.0.middle": np.array([0.5, 0.5], np.float32)}
    apart = WORDS[1] - [0.5, 0.5]
    wanted = max(float(apart @ MATRIX[:, at]) for at in range(3)) / np.linalg.norm(apart)
    found = run(StaticNet(near, own, "net"), [1], [1])
    np.testing.assert_allclose(found, [wanted], rtol=1e-6)
    middle = WORDS[1].copy()  # no direction from there
    found = run(StaticNet(near, own | {"head.0.middle": middle}, "net"), [1], [1])
    assert found.tolist() == [0.0]


def test_the_maximum_is_of_what_is_shown() -> None:
    own = arrays()
    del own["encoder.0.weights"]
    net = StaticNet(plan(pooling="max", weighted=False), own, "net")
    expected = np.array([1.0, 1.0]) @ MATRIX + [0.1, 0.2, 0.3]
    np.testing.assert_allclose(run(net, [0, 1, 2], [1, 0, 1]), expected, rtol=1e-6)
    np.testing.assert_allclose(run(net, [1], [0]), [0.1, 0.2, 0.3], rtol=1e-6)


CASING = np.array([[0.5, 0.0], [-1.0, 2.0]], np.float32)


def run_cased(casing_ids: list[int]) -> np.ndarray:
    net = StaticNet(plan(casing=True), arrays(encoder_0_casing=CASING), "net")
    own = {"input_ids": np.array([[0, 2]]), "attention_mask": np.array([[1, 1]])}
    return net.run(own | {"casing_ids": np.array([casing_ids])})["task"][0]


def test_how_words_are_written_is_added_to_them() -> None:
    mean = (0.5 * (WORDS[0] + CASING[1]) + 0.25 * (WORDS[2] + CASING[0])) / 0.75
    np.testing.assert_allclose(run_cased([1, 0]), mean @ MATRIX + [0.1, 0.2, 0.3], rtol=1e-6)


@pytest.mark.parametrize("casing", [CASING[:, :1], np.zeros((2, 3), np.float32)])
def test_a_table_of_casing_is_as_wide_as_the_words(casing: np.ndarray) -> None:
    with pytest.raises(IntegrityError, match=r"net: .*0\.casing': expected 2 numbers a row"):
        StaticNet(plan(casing=True), arrays(encoder_0_casing=casing), "net")


@pytest.mark.parametrize(("wrong", "message"), [(-1, "casing_ids has the id -1"), (2, "2 is out")])
def test_a_casing_that_the_table_has_not_is_refused(wrong: int, message: str) -> None:
    with pytest.raises(IndexError, match=message):
        run_cased([0, wrong])


def test_an_input_that_may_be_absent_is_told_by_the_array_that_its_encoder_makes() -> None:
    """An encoder gives ``presence_array``; the net has to read the same one."""
    spec = InputSpec("text", "text", ("text",), {"absent": True})
    net = StaticNet(plan(optional=True), arrays(), "net")
    assert net.spec.inputs[-1] == presence_array(spec)


def test_int8_is_its_numbers_times_the_scales_of_rows_and_of_columns() -> None:
    rows, columns = np.array([0.5, 2.0, 1.0]), np.array([0.25, 0.5, 1.0])
    small, scales = (WORDS / rows[:, None]).astype(np.int8), rows.astype(np.float32)
    exact = {
        "encoder.0.words": (small * rows[:, None]).astype(np.float32),
        "head.0.matrix": np.array([[1, 2, 3], [-4, 5, 6]], np.float32) * columns.astype(np.float32),
    }
    rounded = {
        "encoder.0.words": small,
        "encoder.0.words.scales": scales,
        "head.0.matrix": np.array([[1, 2, 3], [-4, 5, 6]], np.int8),
        "head.0.matrix.scales": columns.astype(np.float32),
    }
    found = run(StaticNet(plan(), arrays() | rounded, "net"), [0, 1, 2], [1, 1, 1])
    expected = run(StaticNet(plan(), arrays() | exact, "net"), [0, 1, 2], [1, 1, 1])
    np.testing.assert_array_equal(found, expected)


def test_matrices_of_int8_are_refused_by_their_size_in_float32(monkeypatch: Any) -> None:
    rounded = {
        "head.0.matrix": MATRIX.astype(np.int8),
        "head.0.matrix.scales": np.ones(3, np.float32),
    }
    monkeypatch.setattr("kd2edge.runtime.static_net.LIMIT", MATRIX.nbytes)
    StaticNet(plan(), arrays() | rounded, "net")
    monkeypatch.setattr("kd2edge.runtime.static_net.LIMIT", MATRIX.nbytes - 1)
    with pytest.raises(IntegrityError, match=r"'head.0.matrix': .* become 24 bytes of float32"):
        StaticNet(plan(), arrays() | rounded, "net")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"head.0.bias": None}, "no array 'head.0.bias'"),
        ({"head.1.bias": WORDS}, "'head.1.bias' is not of these layers"),
        ({"head.0.bias": np.zeros(2, np.float32)}, "'head.0.bias': expected 3 numbers, found 2"),
        ({"encoder.0.weights": np.zeros(2, np.float32)}, "expected 3 numbers, found 2"),
        ({"head.0.matrix": MATRIX.astype(np.float64)}, r"float32 or int8 with 2 .* float64 \[2, 3"),
        ({"head.0.matrix": MATRIX[0]}, r"with 2 dimensions, found float32 \[3\]"),
        ({"head.0.matrix": np.zeros((0, 3), np.float32)}, r"found float32 \[0, 3\]"),
        ({"head.0.matrix": MATRIX.astype(np.int8)}, "no array 'head.0.matrix.scales'"),
        ({"head.0.matrix": np.zeros((5, 3), np.float32)}, "do not fit each other"),
        ({"head.0.matrix": MATRIX * np.float32("nan")}, "'head.0.matrix': NaN or an infinity"),
        ({"head.0.bias": np.full(3, -np.inf, np.float32)}, "'head.0.bias': NaN or an infinity"),
    ],
)
def test_weights_that_are_not_the_plans_are_refused(changed: dict[str, Any], message: str) -> None:
    own = {name: array for name, array in (arrays() | changed).items() if array is not None}
    with pytest.raises(IntegrityError, match=f"net: .*{message}"):
        StaticNet(plan(), own, "net")
