from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from kd2edge.errors import UsageError
from kd2edge.export.static_layers import layers_from_student
from kd2edge.export.targets import TARGETS, Made, Source
from kd2edge.export.targets.target import Variant
from kd2edge.files import npz_arrays
from kd2edge.runtime.session import Session
from nets.tiny import make_arrays, make_net

NUMPY = TARGETS["numpy"]
PRECISIONS = ("fp32", "int8")


def source() -> Source:
    """Without a graph: it is made of the layers."""
    net = make_net("static")
    layers = layers_from_student(net)
    return Source(b"", net.array_specs(), net.output_specs(), {}, layers=lambda: layers)


@cache
def made(precision: str) -> Made:
    return NUMPY.make(source(), Variant("numpy", precision))


def weights(precision: str) -> dict[str, np.ndarray]:
    return npz_arrays(made(precision).files[f"numpy/numpy-{precision}.npz"])


@pytest.mark.parametrize(("precision", "share"), [("fp32", 1e-5), ("int8", 0.02)])
def test_a_session_gives_what_torch_gives(precision: str, share: float) -> None:
    one, tensors = made(precision), make_arrays("static")
    companions = {name: one.files[name] for name in one.files if name.endswith(".npz")}
    graph, spec = one.files[one.entry], {"backend": "numpy", "companions": companions}
    with Session.from_bytes(graph, **spec) as session, torch.no_grad():
        found = session.run({name: tensor.numpy() for name, tensor in tensors.items()})
        expected = make_net("static")(tensors)
    assert list(found) == list(expected)
    for name, logits in expected.items():
        off = np.abs(found[name] - logits.numpy()).max()
        assert off <= share * logits.abs().max()
        assert (off > 1e-5) == (precision == "int8")  # it is rounded


def test_int8_rounds_to_half_a_step_of_each_row_and_of_each_output() -> None:
    exact, small = weights("fp32"), weights("int8")
    rounded = {name for name in exact if small[name].dtype == np.int8}
    assert rounded == {name for name, array in exact.items() if array.ndim == 2}
    assert {"encoder.0.words", "encoder.0.layer.0.matrix", "head.0.matrix"} <= rounded
    for name in rounded:
        scales = small[f"{name}.scales"]
        # tables [piece, width] have a scale a row, matrices [input, output] one an output
        steps = scales if name.endswith("matrix") else scales[:, None]
        assert small[name].shape == exact[name].shape
        assert (np.abs(small[name] * steps - exact[name]) <= 0.5001 * steps).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_making_twice_gives_the_same_bytes(precision: str) -> None:
    assert NUMPY.make(source(), Variant("numpy", precision)) == made(precision)


def test_only_int8_has_something_to_say_of_its_weights() -> None:
    assert made("fp32").settings == {}
    assert made("int8").settings == {"weights": "int8 by row of a table, by column of a matrix"}
    assert set(made("int8").tools) == {"numpy"}


def test_more_than_could_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import kd2edge.export.targets.numpy as module

    monkeypatch.setattr(module, "LIMIT", 1000)
    with pytest.raises(UsageError, match="at most 1,000 are read: export int8"):
        NUMPY.make(source(), Variant("numpy", "fp32"))


def test_matrices_beyond_what_the_runtime_makes_floats_of_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import kd2edge.export.targets.numpy as module

    arrays = {"head.0.matrix": np.ones((8, 64), np.float32)}
    layers = replace(source().layers(), arrays=arrays)  # 768 bytes as int8 with its scales
    monkeypatch.setattr(module, "LIMIT", 2047)
    with pytest.raises(UsageError, match=r"matrices have 2,048 bytes in float32, .* 2,047 are"):
        NUMPY.make(replace(source(), layers=lambda: layers), Variant("numpy", "int8"))
    monkeypatch.setattr(module, "LIMIT", 2048)
    NUMPY.make(replace(source(), layers=lambda: layers), Variant("numpy", "int8"))


def test_without_layers_there_are_none() -> None:
    bare = Source(b"", (), (), {})
    with pytest.raises(UsageError, match="no layers"):
        NUMPY.make(bare, Variant("numpy", "fp32"))
