"""Optimum's runtime opens the graphs of a bundle, in an environment of its own.

It needs an older ``transformers`` than kd2edge trains with, so the two never stand side by side.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from isolation.environments import ROOT, Environment, fresh
from kd2edge.export.student import onnx_from_student
from kd2edge.export.targets import TARGETS, Source
from kd2edge.files import npz_arrays, npz_bytes
from kd2edge.inputs.spec import InputSpec
from kd2edge.nets import ModelSpec, build_net
from kd2edge.quantize import QUANTIZERS
from kd2edge.tasks.spec import TaskName, TaskSpec

TASKS = (
    TaskSpec(TaskName("intent"), "classification", tuple("abcd"), "accuracy"),
    TaskSpec(TaskName("tag"), "token_classification", ("O", "B-x"), "accuracy", input="text"),
)
MODEL = {
    "model_type": "electra",
    "embedding_size": 16,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 40,
}
#: Answers of each graph in a folder, as ``<graph>/<output>``.
CODE = """
import sys
from pathlib import Path
import numpy as np
from onnxruntime import InferenceSession
from optimum.onnxruntime import ORTModelForCustomTasks
from transformers import PretrainedConfig

bundle, given, found = map(Path, sys.argv[1:])
arrays = dict(np.load(given))
answers = {}
for graph in sorted((bundle / "onnx").glob("*.onnx")):
    session = InferenceSession(graph, providers=["CPUExecutionProvider"])
    model = ORTModelForCustomTasks(config=PretrainedConfig(), session=session)
    for name, values in model(**arrays).items():
        answers[f"{graph.name}/{name}"] = values
np.savez(found, **answers)
"""


@pytest.fixture(scope="module")
def optimum(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Optimum and what it pins; the large rest is that of the running environment."""
    environment = fresh(tmp_path_factory.mktemp("optimum"))
    pins = (ROOT / "tests" / "isolation" / "optimum.txt").read_text(encoding="utf-8").splitlines()
    environment.install("--no-deps", *(line for line in pins if not line.startswith("#")))
    environment.borrow()
    return environment


@pytest.mark.slow
def test_optimum_opens_the_graphs_of_a_bundle(optimum: Environment, tmp_path: Path) -> None:
    text = InputSpec("text", "tokens", ("words",), {"max_length": 32, "casing": False})
    net = build_net(
        ModelSpec("transformers", MODEL, pooling="mean"), [text], TASKS, vocabulary=50, seed=1
    ).eval()
    inputs, outputs = net.array_specs(), net.output_specs()
    random = np.random.default_rng(0)
    ids = random.integers(0, 50, (3, 9))
    mask = (np.arange(9) < [[9], [4], [1]]).astype(np.int64)
    arrays = {"input_ids": ids, "attention_mask": mask}
    assert {spec.name for spec in inputs} == set(arrays)

    graph = onnx_from_student(net, inputs, outputs, sample=arrays, opset=20)
    source = Source(graph, inputs, outputs, {}, lambda: [arrays], QUANTIZERS)
    target = TARGETS["onnx"]
    for precision in target.precisions:
        for variant in target.variants(precision):
            for path, content in target.make(source, variant).files.items():
                (tmp_path / path).parent.mkdir(exist_ok=True)
                (tmp_path / path).write_bytes(content)
    (tmp_path / "given.npz").write_bytes(npz_bytes(arrays))
    optimum.python(CODE, *(str(tmp_path / name) for name in (".", "given.npz", "found.npz")))

    with torch.inference_mode():
        expected = net({name: torch.from_numpy(array) for name, array in arrays.items()})
    found = npz_arrays((tmp_path / "found.npz").read_bytes())
    graphs = {"onnx-fp32.onnx": 1e-5, "onnx-int8-qdq.onnx": 0.1, "onnx-int8-dynamic.onnx": 0.1}
    assert set(found) == {f"{one}/{task.name}" for one in graphs for task in TASKS}
    for one, most in graphs.items():
        for task in TASKS:
            values = found[f"{one}/{task.name}"]
            off = np.abs(values - expected[task.name].numpy())
            counts = off[mask == 1] if off.ndim == 3 else off  # behind a row's end anything may be
            assert counts.max() <= most, one
