from __future__ import annotations

from onnx import TensorProto, helper

from kd2edge.export.model_io import bytes_from_model
from kd2edge.export.passes.strip_metadata import StripMetadata

SECRET = "/home/somebody/project"


def marked(part):
    part.doc_string = f"made in {SECRET}"
    part.metadata_props.add(key="trace", value=SECRET)
    return part


def branch(name):
    node = marked(helper.make_node("Identity", ["x"], [name], name))
    value = marked(helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]))
    return marked(helper.make_graph([node], name, [], [value]))


def model():
    """Metadata in every place that can carry it, also inside a branch."""
    nodes = [
        marked(
            helper.make_node("If", ["c"], ["y"], then_branch=branch("a"), else_branch=branch("b"))
        ),
        marked(helper.make_node("Add", ["y", "w"], ["z"])),
    ]
    values = {
        name: marked(helper.make_tensor_value_info(name, kind, shape))
        for name, kind, shape in (
            ("c", TensorProto.BOOL, []),
            ("x", TensorProto.FLOAT, [2]),
            ("y", TensorProto.FLOAT, [2]),
            ("z", TensorProto.FLOAT, [2]),
        )
    }
    weight = marked(helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0]))
    inputs, output = [values["c"], values["x"]], [values["z"]]
    graph = helper.make_graph(nodes, "g", inputs, output, [weight], value_info=[values["y"]])
    return marked(
        helper.make_model(marked(graph), producer_name="exporter", producer_version="1.0")
    )


def test_nothing_of_the_machine_is_left():
    before = bytes_from_model(model())
    after = StripMetadata()(model()).model
    assert before.count(SECRET.encode()) > 20
    assert SECRET.encode() not in bytes_from_model(after)
    assert (after.producer_name, after.producer_version) == ("exporter", "1.0")


def test_every_marked_part_is_counted():
    # model, graph, 2 nodes, 4 values, 1 weight; two branches of graph, node and value
    assert StripMetadata()(model()).changes == 9 + 2 * 3
