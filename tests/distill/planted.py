"""Nets that break at a step, or at a row, each time that they are trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distill.tiny import DISTILL, IMAGES, TRAIN, image_rows
from kd2edge.data import EncodedSplit
from kd2edge.distill import TrainingJob, TrainSettings
from kd2edge.nets import Net
from kd2edge.rows.join import JoinedRows

#: 7 steps an epoch, 3 epochs; a checkpoint after steps 5, 10, 15 and 20.
SETTINGS = replace(TRAIN, checkpoint_every=5, distill=replace(DISTILL, alpha=0.0), keep="last")


def job(directory: Path, build: Any, settings: TrainSettings = SETTINGS) -> TrainingJob:
    rows = image_rows(56, 0)
    return TrainingJob(
        name="student",
        build=build,
        origin="student",
        tasks=IMAGES.tasks,
        train=split(directory, rows),
        validation=split(directory, image_rows(12, 0, seed=3)),
        settings=settings,
        stem=directory / "net",
        checkpoints=directory / "checkpoints",
        rows=rows,
    )


def split(directory: Path, rows: JoinedRows) -> EncodedSplit:
    return IMAGES.split(directory, rows)


def steps_of(net: Net) -> int:
    """Steps that a net was trained for, this one included: its batch norms count, and are saved."""
    return int(
        next(one for name, one in net.named_buffers() if name.endswith("num_batches_tracked"))
    )


def gradient_breaks_at(step: int) -> Net:
    """The gradient of a head's first parameter is infinite in one step; all losses are finite."""
    net = IMAGES.net()

    def broken(gradient: Tensor) -> Tensor:
        return gradient + float("inf") if steps_of(net) == step else gradient

    next(iter(net.heads.parameters())).register_hook(broken)
    return net


def loss_breaks_at(step: int, task: str = "shape", only: torch.dtype | None = None) -> Net:
    """A head's output is NaN in one step (in one number format)."""
    net = IMAGES.net()

    def broken(module: nn.Module, given: Any, output: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        del module, given
        found = output[task]
        if steps_of(net) != step or not net.training or (only and found.dtype != only):
            return output
        return {**output, task: found * float("nan")}

    net.register_forward_hook(broken)
    return net


def row_breaks(image: Tensor, task: str = "shape") -> Net:
    """A head's output is NaN for one picture ``[channel, height, width]``."""
    net = IMAGES.net()

    def broken(module: nn.Module, given: Any, output: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        del module
        (images,) = given[0].values()
        at = (images == image).flatten(1).all(1)  # [batch]
        return {**output, task: torch.where(at[:, None], torch.nan, output[task])}

    net.register_forward_hook(broken)
    return net


def failed(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "checkpoints/failed/failed.json").read_text(encoding="utf-8"))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()
    }
