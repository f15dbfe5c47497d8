from __future__ import annotations

import hashlib
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from kd2edge.errors import Kd2edgeError, UsageError
from kd2edge.export.model_io import interface, model_from_bytes
from kd2edge.export.student import onnx_from_student
from kd2edge.inputs.spec import ArraySpec
from kd2edge.recipe.schema.ship import Export

SMALL = ("bert", "electra", "static", "conv", "cnn", "resnet")


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("batch", "length"), [(1, 1), (1, 17), (3, 2), (5, 32)])
def test_graph_equals_torch_at_every_size(name, batch, length, case, run):
    one = case(name)
    arrays = one.arrays(batch, length, seed=batch)
    expected, found = one.torch(arrays), run(one.onnx, arrays)
    assert list(found) == [array.name for array in one.outputs]
    for task, logits in expected.items():
        assert found[task].dtype == np.float32
        assert np.abs(found[task] - logits).max() <= 1e-4


@pytest.mark.parametrize("name", SMALL)
def test_graph_has_the_stated_arrays_with_named_dimensions(name, case):
    one = case(name)
    assert interface(model_from_bytes(one.onnx)) == (one.inputs, one.outputs)


@pytest.mark.parametrize("name", ["electra", "static", "conv"])
def test_padding_alone_gives_what_torch_gives(name, case, run):
    one = case(name)
    arrays = one.arrays(2, 5)
    arrays["attention_mask"][1] = 0
    expected, found = one.torch(arrays), run(one.onnx, arrays)
    for task, logits in expected.items():
        assert np.isfinite(found[task]).all()
        assert np.abs(found[task] - logits).max() <= 1e-4


@pytest.mark.parametrize("name", SMALL)
def test_bytes_name_no_place_of_this_machine(name, case):
    model = case(name).onnx
    places = {str(Path.cwd()), str(Path.home()), sysconfig.get_paths()["purelib"], "site-packages"}
    for place in places | {"stack_trace", "name_scopes", ".py"}:
        assert place.encode() not in model


def test_weights_stand_inside_the_graph(case):
    model = model_from_bytes(case("bert").onnx)
    assert not any(tensor.external_data for tensor in model.graph.initializer)


@pytest.mark.parametrize("name", ["electra", "cnn"])
def test_second_export_gives_the_same_bytes(name, case):
    one = case(name)
    again = onnx_from_student(
        one.net, one.inputs, one.outputs, sample=one.arrays(2, 9), opset=Export().opset
    )
    assert again == one.onnx


def test_another_process_gives_the_same_bytes(case):
    code = (
        "import hashlib, sys; sys.path[:0] = sys.argv[1:]; from conftest import _case;"
        "print(hashlib.sha256(_case('cnn').onnx).hexdigest())"
    )
    here = Path(__file__).parent
    command = [sys.executable, "-c", code, str(here), str(here.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [hashlib.sha256(case("cnn").onnx).hexdigest()]
    assert done.stderr == ""  # the exporter is quiet


def test_export_writes_nothing_and_leaves_the_net_as_it_was(case, capfd):
    one = case("cnn")
    one.net.train()
    before = {key: value.clone() for key, value in one.net.state_dict().items()}
    onnx_from_student(
        one.net, one.inputs, one.outputs, sample=one.arrays(2, 9), opset=Export().opset
    )
    assert one.net.training
    assert all(torch.equal(before[key], value) for key, value in one.net.state_dict().items())
    assert capfd.readouterr() == ("", "")


def test_sample_of_one_row_still_gives_a_dynamic_batch(case, run):
    one = case("cnn")
    graph = onnx_from_student(
        one.net, one.inputs, one.outputs, sample=one.arrays(1, 9), opset=Export().opset
    )
    assert run(graph, one.arrays(4, 9))["left"].shape == (4, 10)


def test_sample_that_does_not_fit_is_refused(case):
    one = case("cnn")
    wrong = {"pixel_values": np.zeros((2, 1, 20, 24), np.float32)}
    with pytest.raises(UsageError, match="pixel_values uint8"):
        onnx_from_student(one.net, one.inputs, one.outputs, sample=wrong, opset=Export().opset)
    with pytest.raises(UsageError, match="found nothing"):
        onnx_from_student(one.net, one.inputs, one.outputs, sample={}, opset=Export().opset)


class FixedBatch(nn.Module):
    """A net whose forward makes a constant of the batch size."""

    def forward(self, arrays):
        rows = int(arrays["x"].shape[0])
        return {"task": arrays["x"].reshape(rows, 3) * torch.ones(2, 3)}


def test_forward_that_fixes_a_dimension_is_noticed():
    arrays = (ArraySpec("x", "float32", ("batch", 3)),)
    outputs = (ArraySpec("task", "float32", ("batch", 3)),)
    sample = {"x": np.ones((2, 3), np.float32)}
    with pytest.raises(Kd2edgeError, match="inferred a static shape of 2"):
        onnx_from_student(FixedBatch(), arrays, outputs, sample=sample, opset=Export().opset)


def test_output_of_another_size_than_stated_is_noticed(case):
    one = case("cnn")
    wrong = (ArraySpec("left", "float32", ("batch", 11)), one.outputs[1])
    with pytest.raises(Kd2edgeError, match=r"left float32 \['batch', 10\], expected"):
        onnx_from_student(one.net, one.inputs, wrong, sample=one.arrays(2, 9), opset=Export().opset)
