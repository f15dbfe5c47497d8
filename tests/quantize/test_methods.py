from __future__ import annotations

import logging
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, checker, helper, numpy_helper

from kd2edge.errors import DataError, UsageError
from kd2edge.quantize import QUANTIZERS, int8_dynamic, int8_static
from kd2edge.quantize.methods import _with_shapes

#: For CPUs, and for TensorRT.
PROFILES = {
    "cpu": partial(int8_static, symmetric=False, reduce_range=True),
    "tensorrt": partial(int8_static, symmetric=True, reduce_range=False),
}


def initializers(graph: bytes):
    held = ModelProto.FromString(graph).graph.initializer
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in held}


def operators(graph: bytes) -> Counter[str]:
    return Counter(node.op_type for node in ModelProto.FromString(graph).graph.node)


def node(graph: bytes, name: str):
    return next(each for each in ModelProto.FromString(graph).graph.node if each.name == name)


def agreement(run, before: bytes, after: bytes, arrays) -> float:
    """Share of rows with the same top-1 class, on the first output."""
    first, second = (next(iter(run(graph, arrays).values())) for graph in (before, after))
    assert len(set(first.argmax(-1).tolist())) >= 5  # the answers differ from row to row
    return float((first.argmax(-1) == second.argmax(-1)).mean())


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("name", ["text", "image"])
def test_static_decides_like_float(profile, name, request, run, fresh_rows):
    graph, batches = request.getfixturevalue(name), request.getfixturevalue(f"{name}_batches")
    made = PROFILES[profile](graph, batches)
    assert agreement(run, graph, made, fresh_rows[name]) >= 0.97


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("name", ["text", "image"])
def test_the_graph_is_valid(profile, name, request):
    graph, batches = request.getfixturevalue(name), request.getfixturevalue(f"{name}_batches")
    made = ModelProto.FromString(PROFILES[profile](graph, batches))
    checker.check_model(made, full_check=True)  # also: every node behind those it reads from


@pytest.mark.parametrize("name", ["text", "image"])
def test_fused_kernels_of_this_cpu_give_what_the_file_says(
    name, request, run, run_fast, fresh_rows
):
    """7-bit weights: no sum saturates, with or without VNNI."""
    graph, batches = request.getfixturevalue(name), request.getfixturevalue(f"{name}_batches")
    made = PROFILES["cpu"](graph, batches)
    exact, fast = (next(iter(one(made, fresh_rows[name]).values())) for one in (run, run_fast))
    assert np.abs(exact - fast).max() <= 0.02 * np.abs(exact).max()


@pytest.mark.parametrize("name", ["text", "image"])
def test_dynamic_decides_like_float(name, request, run, fresh_rows):
    graph = request.getfixturevalue(name)
    assert agreement(run, graph, int8_dynamic(graph), fresh_rows[name]) >= 0.98


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_length_runs(profile, text, text_batches, run):
    made = PROFILES[profile](text, text_batches)
    for rows, length in ((1, 1), (2, 40)):
        found = run(made, {"ids": np.ones((rows, length), np.int64)})
        assert found["topic"].shape == (rows, 20)
        assert found["keep"].shape == (rows, length, 1)


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("name", ["text", "image"])
def test_weights_are_symmetric_int8_with_a_scale_a_channel(profile, name, request):
    graph, batches = request.getfixturevalue(name), request.getfixturevalue(f"{name}_batches")
    made = initializers(PROFILES[profile](graph, batches))
    channels = {"up": (1, 64), "down": (1, 32), "head": (0, 20)}
    channels = channels if name == "text" else {"first": (0, 8), "second": (0, 16)}
    largest = 64 if profile == "cpu" else 127
    for weight, (axis, count) in channels.items():
        quantized = made[f"{weight}_quantized"]
        assert quantized.dtype == np.int8
        assert weight not in made
        assert made[f"{weight}_scale"].shape == (count,)
        assert not made[f"{weight}_zero_point"].any()
        others = tuple(set(range(quantized.ndim)) - {axis})
        assert np.abs(quantized.astype(int)).max(axis=others).tolist() == [largest] * count


@pytest.mark.parametrize("name", ["text", "image"])
def test_tensorrt_profile_has_no_zero_points_and_no_int8_bias(name, request):
    graph, batches = request.getfixturevalue(name), request.getfixturevalue(f"{name}_batches")
    made = PROFILES["tensorrt"](graph, batches)
    zeros = [array for key, array in initializers(made).items() if key.endswith("_zero_point")]
    assert zeros
    assert all(array.dtype == np.int8 and not array.any() for array in zeros)
    assert not [key for key, array in initializers(made).items() if array.dtype == np.int32]


def test_relus_behind_convolutions_are_absorbed_for_cpus_only(image, image_batches):
    assert operators(PROFILES["cpu"](image, image_batches))["Relu"] == 0
    assert operators(PROFILES["tensorrt"](image, image_batches))["Relu"] == 2


def test_narrow_heads_stay_float(text, text_batches):
    for made in (PROFILES["cpu"](text, text_batches), int8_dynamic(text)):
        assert "score" in initializers(made)
        assert initializers(made)["score"].dtype == np.float32
        assert "score" in node(made, "score_product").input


def test_excluded_nodes_stay_float(text, text_batches):
    for made in (
        int8_static(text, text_batches, exclude=["up_product"]),
        int8_dynamic(text, exclude=["up_product"]),
    ):
        assert node(made, "up_product").op_type == "MatMul"
        assert initializers(made)["up"].dtype == np.float32
        assert "down" not in initializers(made)


def test_cosines_to_prototypes_are_computed_in_float(near, text_batches):
    for made in (*(make(near, text_batches) for make in PROFILES.values()), int8_dynamic(near)):
        assert initializers(made)["net.heads.topic.scope.matrix"].dtype == np.float32
        assert "net.heads.topic.scope.matrix" in node(made, "down_product").input
        assert "up" not in initializers(made)


def test_an_int8_product_has_the_name_of_the_float_one_that_it_stands_for(text):
    nodes = ModelProto.FromString(text).graph.node
    products = {one.name for one in nodes if one.op_type in {"MatMul", "Gemm"}}
    made = ModelProto.FromString(int8_dynamic(text)).graph
    found = [one.name for one in made.node if one.op_type == "MatMulInteger"]
    assert found
    assert len(set(found)) == len(found)
    assert set(found) <= products
    known = {one.name for one in ModelProto.FromString(text).graph.node}
    assert {one.name for one in made.node} <= {*known, ""}  # what was added has none


def test_a_shape_that_is_stated_for_a_constant_as_well_does_no_harm(image):
    """ONNX Runtime before 1.32 turns a Gemm's weight round and then trips over what was stated."""
    model = ModelProto.FromString(image)
    for tensor in model.graph.initializer:
        model.graph.value_info.append(
            helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        )
    stated = _with_shapes(model.SerializeToString()).graph
    held = {tensor.name for tensor in stated.initializer}
    assert not held & {info.name for info in stated.value_info}
    assert int8_dynamic(model.SerializeToString()) == int8_dynamic(image)


@pytest.mark.parametrize(
    "make", [partial(int8_static, calibration=[{"ids": np.ones((1, 1), np.int64)}]), int8_dynamic]
)
def test_unknown_excluded_node_is_refused(make, text):
    with pytest.raises(UsageError, match="no_such_node"):
        make(text, exclude=["no_such_node"])


def test_dynamic_keeps_convolutions_and_takes_what_is_left(image):
    made = int8_dynamic(image)
    assert operators(made)["Conv"] == 2
    assert operators(made)["MatMulInteger"] == 1


def test_static_without_rows_is_refused(text):
    with pytest.raises(DataError, match="at least one row"):
        int8_static(text, [])


@pytest.mark.parametrize("name", ["text", "image"])
def test_same_input_same_bytes(name, request):
    graph, batches = request.getfixturevalue(name), request.getfixturevalue(f"{name}_batches")
    for make in (*(partial(one, calibration=batches) for one in PROFILES.values()), int8_dynamic):
        assert make(graph) == make(graph)


def test_bytes_shrink(text, text_batches):
    for made in (PROFILES["cpu"](text, text_batches), int8_dynamic(text)):
        before, after = (sum(a.nbytes for a in initializers(g).values()) for g in (text, made))
        table = 300 * 32 * 4  # embeddings are for the pass int8_embedding
        assert (after - table) / (before - table) < 0.45


def test_nothing_is_logged_or_printed(text, text_batches, caplog, capfd):
    with caplog.at_level(logging.WARNING):
        PROFILES["cpu"](text, text_batches)
        int8_dynamic(text)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_equal_constants_of_several_nodes_are_kept_apart(image, image_batches, run):
    """The exporter stores equal biases once; each convolution needs its own int32 form."""
    model = ModelProto.FromString(image)
    shared = numpy_helper.from_array(np.full(8, 0.25, np.float32), "shared")
    second = numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == "second"))
    for tensor in model.graph.initializer:
        if tensor.name == "second":
            tensor.CopyFrom(numpy_helper.from_array(second[:8], "second"))
        if tensor.name == "head":
            tensor.CopyFrom(numpy_helper.from_array(np.ones((10, 32), np.float32), "head"))
        if tensor.name == "flat":
            tensor.CopyFrom(numpy_helper.from_array(np.array([0, 32]), "flat"))
    model.graph.initializer.append(shared)
    for each in model.graph.node:
        if each.op_type == "Conv":
            each.input[2] = "shared"
    graph = model.SerializeToString()
    for profile in PROFILES.values():
        made = profile(graph, image_batches)
        expected, found = (run(one, image_batches[0])["digit"] for one in (graph, made))
        assert np.abs(expected - found).max() <= 0.05 * np.abs(expected).max()


def test_table_names_every_method():
    assert set(QUANTIZERS) == {"dynamic", "openvino", "static"}


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
sys.modules["transformers"] = None
import kd2edge.export.passes, kd2edge.export.targets
from kd2edge.quantize import int8_dynamic, int8_static
import numpy as np
graph = open(sys.argv[1], "rb").read()
batches = [{"ids": np.arange(10).reshape(2, 5)}]
print(len(int8_static(graph, batches)), len(int8_dynamic(graph)))
import openvino, onnx
from kd2edge.quantize import int8_openvino
made = int8_openvino(openvino.Core().read_model(graph), batches)
print(sum(each.get_type_name() == "FakeQuantize" for each in made.get_ops()))
"""


def test_no_method_needs_torch(text, tmp_path: Path):
    place = tmp_path / "text.onnx"
    place.write_bytes(text)
    command = [sys.executable, "-c", WITHOUT_TORCH, str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    static, dynamic, fakes = map(int, done.stdout.split())
    assert min(static, dynamic, fakes) > 0


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_residual_sums_read_the_float_tensor(profile, text, text_batches):
    made = PROFILES[profile](text, text_batches)
    assert list(node(made, "residual").input) == ["d", "x"]
    assert list(node(made, "up_product").input) != ["x", "up"]


def test_what_reads_a_relu_in_float_reads_what_it_cut_off(run):
    """A map that two heads convolve, and whose mean a third reads."""
    random = np.random.default_rng(0)
    sizes = {"first": (4, 2, 1, 1), "one": (3, 4, 1, 1), "other": (2, 4, 1, 1)}
    weights = [
        numpy_helper.from_array(random.normal(size=size).astype(np.float32), name)
        for name, size in sizes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["raw"], "c0"),
        helper.make_node("Relu", ["raw"], ["map"], "r0"),
        helper.make_node("ReduceMean", ["map"], ["mean"], "m0", axes=[2, 3], keepdims=0),
        helper.make_node("Conv", ["map", "one"], ["a"], "c1"),
        helper.make_node("Conv", ["map", "other"], ["b"], "c2"),
    ]
    places = {"x": 2, "a": 3, "b": 2}
    arrays = {
        name: helper.make_tensor_value_info(name, 1, ["batch", channels, 4, 4])
        for name, channels in places.items()
    }
    mean = helper.make_tensor_value_info("mean", 1, ["batch", 4])
    graph = helper.make_graph(nodes, "g", [arrays["x"]], [mean, arrays["a"], arrays["b"]], weights)
    opset = [helper.make_opsetid("", 17)]
    before = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    rows = {"x": random.normal(size=(16, 2, 4, 4)).astype(np.float32)}
    after = int8_static(before, [rows])
    checker.check_model(ModelProto.FromString(after), full_check=True)
    assert operators(after)["Relu"] == 0  # rounding cuts off what it would
    wanted, found = run(before, rows), run(after, rows)
    for name in wanted:
        apart = np.abs(found[name] - wanted[name]).max()
        assert apart <= 0.05 * np.abs(wanted[name]).max(), name
