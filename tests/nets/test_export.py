"""Nets are exportable: the real export stands elsewhere, nothing here is in its way."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnxruntime as ort
import pytest
import torch

from nets.tiny import MODELS, make_arrays, make_net

# torch warns of its own use of LeafSpec, in the name of typing_extensions.
pytestmark = pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")


@cache
def _onnx(model: str) -> bytes:
    net, arrays = make_net(model), make_arrays(model)
    dynamic = {
        spec.name: {
            axis: torch.export.Dim.DYNAMIC
            for axis, dim in enumerate(spec.shape)
            if isinstance(dim, str)
        }
        for spec in net.array_specs()
    }
    with torch.no_grad():
        program = torch.onnx.export(
            net,
            kwargs={"arrays": arrays},
            dynamo=True,
            dynamic_shapes={"arrays": dynamic},
            input_names=[spec.name for spec in net.array_specs()],
            output_names=[spec.name for spec in net.output_specs()],
            verbose=False,
        )
    assert program is not None
    return program.model_proto.SerializeToString()


@pytest.mark.parametrize("model", sorted(MODELS.keys() - {"bert-cls"}))
def test_the_graph_gives_what_the_net_gives_at_other_sizes(model: str) -> None:
    session = ort.InferenceSession(_onnx(model), providers=["CPUExecutionProvider"])
    for batch, length in ((1, 2), (5, 11)):
        arrays = make_arrays(model, batch, length)
        with torch.no_grad():
            expected = make_net(model)(arrays)
        found = session.run(list(expected), {k: v.numpy() for k, v in arrays.items()})
        for value, name in zip(found, expected, strict=True):
            np.testing.assert_allclose(value, expected[name].numpy(), atol=1e-5, rtol=0)


def test_normalisation_folds_to_constants_and_types_need_no_gather() -> None:
    import onnx

    cnn = onnx.load_from_string(_onnx("cnn-depthwise")).graph
    # Folded into the convolutions, and into the hidden layer in front of the heads.
    assert "BatchNormalization" not in [node.op_type for node in cnn.node]
    bert = onnx.load_from_string(_onnx("bert")).graph
    assert "GatherElements" not in [node.op_type for node in bert.node]
