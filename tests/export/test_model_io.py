from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from kd2edge.errors import IntegrityError
from kd2edge.export.model_io import array_spec, bytes_from_model, model_from_bytes


def tiny():
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", None, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", None, 2])
    weight = numpy_helper.from_array(np.ones((3, 2), np.float32), "w")
    return helper.make_model(helper.make_graph([node], "g", [x], [y], [weight]))


def test_round_trip_gives_the_same_bytes():
    data = bytes_from_model(tiny())
    assert bytes_from_model(model_from_bytes(data)) == data


def test_dimensions_without_name_and_size_are_question_marks():
    assert array_spec(tiny().graph.input[0]).shape == ("batch", "?", 3)


@pytest.mark.parametrize("data", [b"", b"not a graph at all", b"\x08\x0a"])
def test_other_bytes_are_refused(data):
    with pytest.raises(IntegrityError, match="no ONNX model"):
        model_from_bytes(data)


def test_weights_in_another_file_are_refused():
    model = tiny()
    weight = model.graph.initializer[0]
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../etc/passwd")
    with pytest.raises(IntegrityError, match="another file"):
        model_from_bytes(model.SerializeToString())
