"""An input kind that learns from the rows, from two files' worth of code to a bundle's answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from commands import kd2edge
from kd2edge.errors import InputError
from kd2edge.inputs import kinds
from kd2edge.inputs.encoder import Encoder
from kd2edge.inputs.kind import InputKind
from kd2edge.inputs.spec import ArraySpec, Encoded, InputSpec
from kd2edge.nets.backbones import kinds as backbones
from kd2edge.nets.backbones.backbone import Adapter, Built, Request
from kd2edge.nets.features import Features
from kd2edge.runtime import load
from products import text_rows, write_jsonl, write_tokenizer


class Numbers(InputKind):
    """One number a row, scaled by the mean of the training rows."""

    # The schema knows no third kind: this one borrows the keys of a picture.
    name = "image"
    fits = True
    example = 1.5

    def fit(self, spec: InputSpec, values: Iterable[Any]) -> Mapping[str, bytes]:
        return {"means": json.dumps(float(np.mean([*values]))).encode()}

    def arrays(self, spec: InputSpec) -> tuple[ArraySpec, ...]:
        return (ArraySpec(f"{spec.prefix}{spec.name}_number", "float32", ("batch", 1)),)

    def encoder(self, spec: InputSpec, files: Mapping[str, bytes]) -> Encoder:
        return NumbersEncoder(spec, self.arrays(spec), float(json.loads(files["means"])))

    def raw(self, spec: InputSpec, row: Mapping[str, Any], root: str) -> float:
        return float(row[spec.columns[0]])

    def nothing(self, spec: InputSpec) -> float:
        return 0.0


class NumbersEncoder(Encoder):
    def __init__(self, spec: InputSpec, arrays: tuple[ArraySpec, ...], mean: float) -> None:
        self.arrays, self.mean, self._spec = arrays, mean, spec

    def encode(self, values: Sequence[Any]) -> Encoded:
        for row, value in enumerate(values):
            if not isinstance(value, float | int) or value != value:  # noqa: PLR0124
                raise InputError("expected a number", name=self._spec.name, row=row)
        array = np.array(values, np.float32)[:, None] / np.float32(self.mean)
        return Encoded({self.arrays[0].name: array})

    def length(self, encoded: Encoded) -> npt.NDArray[np.int64]:
        return np.ones(len(encoded.arrays[self.arrays[0].name]), np.int64)

    def truncated(self, value: Any) -> bool:
        return False

    def edge_values(self) -> Mapping[str, Any]:
        return {"zero": 0.0, "large": 1e6}


class NumbersAdapter(Adapter):
    width = 4

    def __init__(self, array: str) -> None:
        super().__init__()
        self._array = array

    def forward(self, backbone: nn.Module, arrays: Mapping[str, Tensor]) -> Features:
        return Features(torch.relu(backbone(arrays[self._array])))

    def embeddings(self, backbone: nn.Module) -> Mapping[str, nn.Embedding]:
        return {}


def numbers_net(request: Request) -> Built:
    array = Numbers().arrays(request.input)[0].name
    return Built(nn.Linear(1, 4), NumbersAdapter(array), {"channels": [4]})


_RECIPE = """\
version: 1
name: fitted
data:
  sources:
    - {name: rows, kind: jsonl, train: train.jsonl, validation: test.jsonl, test: test.jsonl}
inputs:
  body: {kind: text, tokenizer: {path: tokenizer.json}, max_length: 12, absent: true}
  price: {kind: image, size: [1, 1], absent: 0.2}
tasks:
  intent: {kind: classification, metric: macro_f1}
student:
  model:
    encoders:
      body:
        family: transformers
        config: {model_type: electra, embedding_size: 8, hidden_size: 16, num_hidden_layers: 1,
          num_attention_heads: 2, intermediate_size: 24, max_position_embeddings: 16}
      price: {family: cnn, config: {channels: [4]}}
    fusion: {kind: concat, hidden: 8}
distill: {alpha: 0}
baseline: false
train: {epochs: 1, lr: 5.0e-3, batch_size: 16, threads: 1, device: cpu, precision: fp32}
export: {targets: [onnx], precisions: [fp32, int8], calibration: {rows: 16}}
"""


@pytest.fixture
def third_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {**kinds.INPUT_KINDS, "image": Numbers()}
    monkeypatch.setattr(kinds, "INPUT_KINDS", MappingProxyType(table))
    nets = {**backbones.BACKBONES, ("cnn", "image"): numbers_net}
    monkeypatch.setattr(backbones, "BACKBONES", MappingProxyType(nets))


@pytest.mark.usefixtures("third_kind")
def test_what_a_kind_learns_goes_with_the_bundle(tmp_path: Path) -> None:
    rows = [
        {"body": row["text"], "price": 2.0 + at % 5, "intent": row["intent"]}
        for at, row in enumerate(text_rows())
    ]
    write_jsonl(tmp_path / "train.jsonl", rows[0::2])
    write_jsonl(tmp_path / "test.jsonl", rows[1::2])
    write_tokenizer(tmp_path / "tokenizer.json", [row["body"] for row in rows])
    (tmp_path / "recipe.yaml").write_text(_RECIPE)
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    result = kd2edge("distill", tmp_path / "recipe.yaml", "--run-dir", run)
    assert result.code == 0, result.err
    mean = float(np.mean([row["price"] for row in rows[0::2]]))
    assert json.loads((run / "inputs" / "price.means").read_bytes()) == pytest.approx(mean)
    result = kd2edge("export", run, "--out", bundle)
    assert result.code == 0, result.err
    assert (bundle / "inputs" / "price.means").is_file()
    judged = kd2edge("validate", bundle, "--run", run, "--threads", "1", "--json")
    assert judged.json["artefacts"]["onnx-fp32"]["verdict"] != "failed", judged.out[:3000]
    with load(bundle, artefact="onnx-fp32") as model:
        array = model.encode({"price": [2 * mean], "body": ["hello"]})["price"].arrays
        assert array["price_number"].tolist() == [[2.0]]
        assert len(model.predict({"price": [1.0, 2.0]})["intent"]) == 2
