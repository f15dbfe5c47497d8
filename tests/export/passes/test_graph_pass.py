from __future__ import annotations

from typing import final

import pytest

from kd2edge.errors import Kd2edgeError
from kd2edge.export.model_io import bytes_from_model, model_from_bytes
from kd2edge.export.passes import PASSES, GraphPass, passed


@final
class Scripted(GraphPass):
    """Does to a graph what the test says."""

    name = "scripted"

    def __init__(self, change, before="", after=""):
        self._change, self._before, self._after = change, before, after

    def before(self, model):
        return self._before

    def change(self, model):
        return self._change(model)

    def after(self, model):
        return self._after


def rename_output(model):
    model.graph.output[0].name = "other"
    return 1


def break_edge(model):
    model.graph.node[0].input[0] = "from nowhere"
    return 1


def name_graph(model):
    model.graph.name = "renamed"
    return 1


@pytest.fixture
def model(case):
    return model_from_bytes(case("cnn").onnx)


@pytest.mark.parametrize(
    ("scripted", "message"),
    [
        (Scripted(rename_output), "broke the graph's interface"),
        (Scripted(break_edge), "made an invalid graph"),
        (Scripted(name_graph, before="no reason"), "cannot run: no reason"),
        (Scripted(name_graph, after="half done"), "did not do its work: half done"),
    ],
)
def test_broken_contract_is_named(scripted, message, model):
    with pytest.raises(Kd2edgeError, match=f"graph pass scripted {message}"):
        scripted(model)


def test_argument_is_never_changed(model):
    before = bytes_from_model(model)
    result = Scripted(name_graph)(model)
    assert result.model.graph.name == "renamed"
    assert bytes_from_model(model) == before


def test_nothing_to_do_gives_the_argument_back(model):
    result = Scripted(lambda _: 0)(model)
    assert result.model is model
    assert result.changes == 0


@pytest.mark.parametrize("name", sorted(PASSES))
@pytest.mark.parametrize("net", ["bert", "cnn"])
def test_every_pass_is_pure_and_settled_after_one_run(name, net, case):
    one = model_from_bytes(case(net).onnx)
    before = bytes_from_model(one)
    first = PASSES[name](one)
    assert bytes_from_model(one) == before
    assert PASSES[name](first.model).changes == 0
    assert passed(before, name) == passed(before, name) == bytes_from_model(first.model)
