"""Tiny nets of every family, exported once a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from kd2edge.export.student import onnx_from_student
from kd2edge.inputs.spec import ArraySpec, InputSpec
from kd2edge.nets.net import Net, build_net
from kd2edge.nets.spec import ModelSpec
from kd2edge.recipe.schema.ship import Export
from kd2edge.tasks.spec import TaskName, TaskSpec
from random_arrays import random_arrays

torch.set_num_threads(1)

Arrays = dict[str, npt.NDArray[Any]]

_TEXT_TASKS = (
    TaskSpec(TaskName("intent"), "classification", tuple("abcdefg"), "accuracy"),
    TaskSpec(TaskName("flag"), "binary", ("no", "yes"), "accuracy"),
    TaskSpec(
        TaskName("ner"), "token_classification", ("O", "B-x", "I-x"), "accuracy", input="text"
    ),
)
_IMAGE_TASKS = (
    TaskSpec(TaskName("left"), "classification", tuple("0123456789"), "accuracy"),
    TaskSpec(TaskName("larger"), "binary", ("no", "yes"), "accuracy"),
)
_SMALL_TEXT = {"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 40}

#: Name -> (family, configuration, vocabulary or 0 for images).
NETS: dict[str, tuple[str, dict[str, Any], int]] = {
    "bert": (
        "transformers",
        {"model_type": "bert", "hidden_size": 32, "intermediate_size": 64, **_SMALL_TEXT},
        211,
    ),
    "electra": (
        "transformers",
        {
            "model_type": "electra",
            "embedding_size": 16,
            "hidden_size": 32,
            "intermediate_size": 64,
            **_SMALL_TEXT,
        },
        509,
    ),
    "static": (
        "static",
        {"embedding": 32, "weighted": True, "hidden": [24], "norm": "batch", "dropout": 0.1},
        509,
    ),
    "conv": (
        "conv",
        {
            "embedding": 16,
            "width": 32,
            "layers": 2,
            "kernel": 3,
            "activation": "maxout",
            "pieces": 3,
            "depthwise": False,
            "norm": "layer",
            "dropout": 0.1,
        },
        811,
    ),
    "cnn": ("cnn", {"channels": [8, 16, 16], "depthwise": True, "pool": [2, 2]}, 0),
    "resnet": (
        "transformers",
        {
            "model_type": "resnet",
            "embedding_size": 8,
            "hidden_sizes": [8, 16],
            "depths": [1, 1],
            "layer_type": "basic",
        },
        0,
    ),
    # The student of the text recipes in full width: for sizes.
    "electra192": (
        "transformers",
        {
            "model_type": "electra",
            "embedding_size": 64,
            "hidden_size": 192,
            "num_hidden_layers": 3,
            "num_attention_heads": 6,
            "intermediate_size": 768,
            "max_position_embeddings": 40,
        },
        12393,
    ),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A net with what it became."""

    name: str
    net: Net
    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    onnx: bytes

    def arrays(self, batch: int, length: int, seed: int = 0) -> Arrays:
        """Random rows of the net's inputs; ``length`` counts for text only."""
        sizes = {"batch": batch, "text.length": length}
        return random_arrays(self.inputs, sizes, vocabulary=NETS[self.name][2], seed=seed)

    def torch(self, arrays: Arrays) -> Arrays:
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        with torch.no_grad():
            return {name: value.numpy() for name, value in self.net.eval()(tensors).items()}

    @property
    def is_text(self) -> bool:
        return self.inputs[0].name != "pixel_values"


def build(name: str) -> Net:
    """The net ``name`` with weights far from their start, so that biases and norms count."""
    family, config, vocabulary = NETS[name]
    kind, options = ("tokens", {"max_length": 32, "casing": True})
    if not vocabulary:
        kind, options = "image", {"size": [20, 24], "channels": 1, "mean": [0.4], "std": [0.3]}
    inputs = [InputSpec("text" if vocabulary else "image", kind, ("column",), options)]
    tasks = _TEXT_TASKS if vocabulary else _IMAGE_TASKS
    net = build_net(
        ModelSpec(family, config, pooling="mean"),
        inputs,
        tasks,
        vocabulary=vocabulary or None,
        seed=7,
    )
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for tensor in (*net.parameters(), *net.buffers()):
            if tensor.dtype.is_floating_point and tensor.ndim == 1:
                tensor += 0.1 * torch.rand(tensor.shape, generator=generator)  # positive variances
        for head in net.heads.parameters():
            head *= 8.0  # logits that differ clearly
    return net


@cache
def _case(name: str) -> Case:
    net = build(name)
    inputs, outputs = net.array_specs(), net.output_specs()
    sample = random_arrays(inputs, {"batch": 2, "text.length": 9})
    return Case(
        name,
        net,
        inputs,
        outputs,
        onnx_from_student(net, inputs, outputs, sample=sample, opset=Export().opset),
    )


@pytest.fixture(scope="session")
def case() -> Callable[[str], Case]:
    """A net and its export by name."""
    return _case


@pytest.fixture(scope="session")
def run() -> Callable[[bytes, Arrays], Arrays]:
    """Run ONNX bytes on one thread."""
    import onnxruntime

    def infer(graph: bytes, arrays: Arrays) -> Arrays:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, map(np.asarray, session.run(names, arrays)), strict=True))

    return infer
