from __future__ import annotations

import sys

import onnx
import pytest
from onnx import TensorProto, helper

import bundles
from kd2edge.bundle.store import open_bundle
from kd2edge.errors import IntegrityError
from kd2edge.validate.graph import graph_checks


@pytest.fixture
def folder(tmp_path):
    return bundles.image_bundle(tmp_path / "image")


def statuses(folder, name="onnx-int8-odd") -> dict[str, str]:
    bundle = open_bundle(folder)
    return {
        check.name: check.status for check in graph_checks(bundle, bundle.manifest.artefacts[name])
    }


def changed(change) -> bytes:
    model = onnx.load_from_string(bundles.image_graph())
    change(model)
    return model.SerializeToString(deterministic=True)


def test_a_good_graph_passes_every_check(folder):
    assert statuses(folder, "onnx-fp32") == dict.fromkeys(
        ("checksums", "no external data", "onnx checker", "opset", "inputs", "outputs"), "ok"
    )


def test_another_format_is_left_to_its_runtime(tmp_path):
    folder = bundles.image_bundle(tmp_path / "image", openvino=True)
    assert statuses(folder, "openvino-fp32") == {"checksums": "ok"}


def test_bytes_that_are_no_model_are_refused(folder, tools):
    assert (
        statuses(tools.with_artefact(folder, "onnx-int8-odd", b"\xff" * 40))["onnx graph"]
        == "failed"
    )


def test_external_data_is_found_also_inside_a_branch(folder, tools):
    def outside(tensor):
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../secret")

    def in_initializer(model):
        outside(model.graph.initializer[0])

    def in_branch(model):
        tensor = onnx.numpy_helper.from_array(bundles.weights(2), "t")
        outside(tensor)
        constant = helper.make_node("Constant", [], ["c"], value=tensor)
        branch = helper.make_graph([constant], "branch", [], [])
        model.graph.node.append(
            helper.make_node("If", ["unit"], ["x"], then_branch=branch, else_branch=branch)
        )

    for change in (in_initializer, in_branch):
        found = statuses(tools.with_artefact(folder, "onnx-int8-odd", changed(change)))
        assert found["no external data"] == "failed"
        assert "onnx checker" not in found  # which would have followed it


def test_a_newer_opset_is_refused(folder, tools):
    def change(model):
        model.opset_import[0].version = 99

    assert (
        statuses(tools.with_artefact(folder, "onnx-int8-odd", changed(change)))["opset"] == "failed"
    )


def test_an_invalid_graph_is_refused(folder, tools):
    def change(model):
        model.graph.node[2].input[1] = "nowhere"

    found = statuses(tools.with_artefact(folder, "onnx-int8-odd", changed(change)))
    assert found["onnx checker"] == "failed"


@pytest.mark.parametrize("kind", ["name", "type", "fixed batch"])
def test_a_signature_that_is_not_the_manifest_s_is_refused(folder, tools, kind):
    def change(model):
        value = model.graph.output[0]
        if kind == "name":
            value.name = "other"
        elif kind == "type":
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
        else:
            value.type.tensor_type.shape.dim[0].dim_value = 1

    found = statuses(tools.with_artefact(folder, "onnx-int8-odd", changed(change)))
    assert found["outputs"] == "failed"
    assert found["inputs"] == "ok"


def test_without_onnx_the_check_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    bundle = open_bundle(folder)
    checks = graph_checks(bundle, bundle.manifest.artefacts["onnx-fp32"])
    assert checks[-1].status == "not_run"
    assert "kd2edge[validate]" in checks[-1].detail


def test_a_changed_byte_is_no_matter_of_taste(folder):
    file = folder / "onnx/fp32.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    with pytest.raises(IntegrityError):
        statuses(folder, "onnx-fp32")
