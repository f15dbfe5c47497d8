"""The nets of a recipe as plain ``transformers``: the same layers, from the same weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

Batch = dict[str, Tensor]


@final
class Classifier(nn.Module):
    """An encoder, the mean of its positions, dropout and a linear layer: logits ``[batch, C]``.

    Both nets get all arrays of a batch and read their own: the teacher's vocabulary is another.
    """

    def __init__(
        self, config: dict[str, Any], labels: int, dropout: float, *, is_teacher: bool
    ) -> None:
        super().__init__()
        self._is_teacher = is_teacher
        more = {"add_pooling_layer": False} if config["model_type"] == "bert" else {}
        self.backbone = AutoModel.from_config(AutoConfig.for_model(**config), **more)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(config["hidden_size"], labels)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        teacher_input_ids: Tensor,
        teacher_attention_mask: Tensor,
    ) -> Tensor:
        if self._is_teacher:
            input_ids, attention_mask = teacher_input_ids, teacher_attention_mask
        sequence = self.backbone(input_ids=input_ids, attention_mask=attention_mask)[0]
        weights = attention_mask[:, :, None].to(sequence.dtype)
        return self.linear(self.dropout((sequence * weights).sum(1) / weights.sum(1)))


@final
class Labelled(nn.Module):
    """Loss with the labels and logits, as models of ``transformers`` give them."""

    def __init__(self, net: Classifier) -> None:
        super().__init__()
        self.net = net

    def forward(self, labels: Tensor, **arrays: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.net(**arrays)
        return nn.functional.cross_entropy(logits, labels), logits


def read_net(folder: Path, name: str) -> Classifier:
    """``NAME.json`` and ``NAME.safetensors`` as :mod:`kd2edge_steps` writes them."""
    found = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    net = Classifier(
        found["config"], found["labels"], found["dropout"], is_teacher=name == "teacher"
    )
    net.load_state_dict(load_file(folder / f"{name}.safetensors"))
    return net


def read_batches(folder: Path) -> list[Batch]:
    """What the nets read ``[batch, length]`` and ``labels [batch]`` of every step."""
    with np.load(folder / "batches.npz", allow_pickle=False) as arrays:
        count = 1 + max(int(name.partition("/")[0]) for name in arrays.files)
        found: list[Batch] = [{} for _ in range(count)]
        for path in arrays.files:
            at, _, name = path.partition("/")
            found[int(at)][name] = torch.from_numpy(arrays[path]).long()
        return found


def read_given(folder: Path) -> dict[str, Tensor]:
    """``student, teacher [batch, C]`` and ``labels [batch]`` that all sides take the loss of."""
    with np.load(folder / "given.npz", allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def apart(folder: Path, student: nn.Module, teacher: nn.Module, batch: Batch) -> dict[str, float]:
    """How far the nets' logits are from those that were given, without dropout.

    Of the teacher's, which are told but for a constant a row, those of the differences from a
    row's largest.
    """
    given, inputs = read_given(folder), {k: v for k, v in batch.items() if k != "labels"}
    found: dict[str, float] = {}
    for name, net in (("student", student), ("teacher", teacher)):
        was = net.training
        with torch.no_grad():
            logits = net.eval()(**inputs)
        net.train(was)
        shifted = [one - one.max(1, keepdim=True).values for one in (logits, given[name])]
        pair = shifted if name == "teacher" else [logits, given[name]]
        found[name] = float((pair[0] - pair[1]).abs().max())
    return found
