from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")

from kd2edge.errors import BackendError, IntegrityError, Kd2edgeError, SchemaTooNewError, UsageError
from kd2edge.export.targets.tensorrt_builder import (
    BuildSettings,
    Network,
    profiles_of,
)
from kd2edge.inputs.spec import ArraySpec

RANGES = {"batch": (1, 16), "text.length": (1, 32)}


@pytest.fixture
def cnn(case):
    one = case("cnn")
    return one.onnx, BuildSettings(one.inputs, one.outputs, profiles_of(one.inputs, RANGES))


def test_settings_round_trip(cnn):
    _, settings = cnn
    assert BuildSettings.from_json(settings.to_json()) == settings
    assert settings.to_json() == BuildSettings.from_json(settings.to_json()).to_json()


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"schema": 1}', b"\xff"])
def test_other_json_is_refused(data):
    with pytest.raises(IntegrityError, match="not the build settings"):
        BuildSettings.from_json(data)


def test_newer_schema_is_refused(cnn):
    data = cnn[1].to_json().replace(b'"schema": 1', b'"schema": 2')
    with pytest.raises(SchemaTooNewError, match="update kd2edge"):
        BuildSettings.from_json(data)


def test_profile_spans_the_range_and_lies_inside_it():
    array = ArraySpec("ids", "int64", ("batch", "length", 3))
    fixed = ArraySpec("fixed", "float32", (2, 3))
    for high in (1, 2, 7, 1000):
        profiles = profiles_of([array, fixed], {"batch": (1, high), "length": (2, 2)})
        assert set(profiles) == {"ids"}
        low, best, top = profiles["ids"]
        assert (low, top) == ((1, 2, 3), (high, 2, 3))
        assert low <= best <= top


def test_dynamic_dimension_needs_a_range():
    with pytest.raises(UsageError, match=r"\['length'\]"):
        profiles_of([ArraySpec("ids", "int64", ("batch", "length"))], {"batch": (1, 2)})


def test_network_has_the_layers_of_the_graph(cnn):
    layers = Network(*cnn).layers()
    assert layers["CONVOLUTION"] == 5  # one full stage, two of two convolutions
    assert layers["MATRIX_MULTIPLY"] == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda s: replace(s, inputs=(replace(s.inputs[0], dtype="float32"),)),
        lambda s: replace(s, inputs=(replace(s.inputs[0], name="other"),)),
        lambda s: replace(s, outputs=s.outputs[::-1]),
        lambda s: replace(s, outputs=(replace(s.outputs[0], shape=("batch", 11)), s.outputs[1])),
    ],
    ids=["type", "name", "order", "size"],
)
def test_other_interface_than_stated_is_noticed(change, cnn):
    graph, settings = cnn
    with pytest.raises(IntegrityError, match="the network's"):
        Network(graph, change(settings))


def test_profile_that_does_not_fit_is_refused(cnn):
    graph, settings = cnn
    shapes = settings.profiles["pixel_values"]
    backwards = replace(settings, profiles={"pixel_values": shapes[::-1]})
    with pytest.raises(Kd2edgeError, match="tensorrt_rtx"):
        Network(graph, backwards).build()


def test_missing_profile_fails_with_tensorrts_reason(cnn):
    graph, settings = cnn
    with pytest.raises(BackendError, match="cannot build an engine"):
        Network(graph, replace(settings, profiles={})).build()


def test_compute_capabilities_are_chosen_by_number(cnn):
    built = Network(*cnn).build(("8.9", "12.0"))
    assert built.compute_capabilities == ("8.9", "12.0")
    assert len(built.engine) > 10_000
    with pytest.raises(UsageError, match=r"'1\.0'"):
        Network(*cnn).build(("1.0",))


def test_bytes_that_are_no_graph_fail_with_a_reason(cnn):
    with pytest.raises(Kd2edgeError, match="cannot parse"):
        Network(b"no graph", cnn[1])


def test_nothing_is_printed(cnn, capfd):
    Network(*cnn).build()
    with pytest.raises(Kd2edgeError):
        Network(b"no graph", cnn[1])
    assert capfd.readouterr() == ("", "")
