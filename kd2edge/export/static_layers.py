"""A student of static embeddings becomes the plan and the arrays that NumPy alone can run."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kd2edge.errors import UsageError
from kd2edge.export.targets.target import Layers
from kd2edge.inputs.spec import InputSpec
from kd2edge.nets.backbones.dense import Dense
from kd2edge.nets.backbones.pieces import PiecesAdapter
from kd2edge.nets.backbones.static import LEAST, Static
from kd2edge.nets.fusion.concat import Concat
from kd2edge.nets.fusion.gated import Gated
from kd2edge.nets.fusion.single import Single
from kd2edge.nets.heads.pooled import PooledHead
from kd2edge.nets.heads.token_classification import TokenClassificationHead
from kd2edge.nets.net import Branch, Net, encoder_specs, module_key
from kd2edge.runtime.static_plan import EncoderPlan, HeadPlan, StaticPlan
from kd2edge.tasks.outputs import outputs_of

_Arrays = dict[str, npt.NDArray[Any]]


@torch.no_grad()
def layers_from_student(net: Net) -> Layers:
    """The layers of ``net`` in evaluation mode; the net itself is left as it is.

    A batch norm is folded into the matrix before it (in float64), what a piece weighs is the
    logistic function of what was learned.

    Raises:
        UsageError: a net that reads an input by anything but static embeddings, or a part of it
            that NumPy's runtime does not know.
    """
    models = encoder_specs(net.model, net.inputs)
    arrays: _Arrays = {}
    encoders = tuple(
        _encoder(net.branches[spec.name], spec, models[spec.name].pooling, f"encoder.{at}.", arrays)
        for at, spec in enumerate(net.inputs)
    )
    kind, hidden = _fusion(net.fusion, arrays)
    heads: list[HeadPlan] = []
    for task in net.tasks:
        head = net.heads[module_key(task.name)]
        if not isinstance(head, PooledHead | TokenClassificationHead):
            raise UsageError(
                f"target numpy: no head of kind {task.kind} (task {task.name}); export the student"
                " to another target"
            )
        outputs = tuple(outputs_of(task))
        _linear(head.linear, f"head.{len(heads)}.", arrays)
        reads = head.input if isinstance(head, TokenClassificationHead) else ""
        heads.append(HeadPlan(outputs[0], reads))
        if isinstance(head, PooledHead) and head.scope is not None:
            place = f"head.{len(heads)}."
            arrays[place + "matrix"] = _array(head.scope.matrix)
            arrays[place + "middle"] = _array(head.scope.middle)
            heads.append(HeadPlan(outputs[1], "", "nearest"))
    return Layers(StaticPlan(encoders, kind, hidden, tuple(heads)), arrays)


def _encoder(
    branch: Branch, spec: InputSpec, pooling: str, place: str, arrays: _Arrays
) -> EncoderPlan:
    backbone, adapter = branch.backbone, branch.adapter
    if not isinstance(backbone, Static) or not isinstance(adapter, PiecesAdapter):
        raise UsageError(
            "target numpy runs students of family static alone, and input"
            f" {spec.name} of this one is read by another: export it to another target"
        )
    arrays[place + "words"] = _array(backbone.word_embeddings.weight)
    if backbone.word_weights is not None:
        arrays[place + "weights"] = _array(torch.sigmoid(backbone.word_weights.weight)[:, 0])
    if adapter.casing is not None:
        arrays[place + "casing"] = _array(adapter.casing.weight)
    norms = tuple(
        _dense(layer, f"{place}layer.{at}.", arrays)
        for at, layer in enumerate(backbone.layers)
        if isinstance(layer, Dense)
    )
    return EncoderPlan(
        input=spec.name,
        prefix=spec.prefix,
        pooling=pooling,
        weighted=backbone.word_weights is not None,
        least=LEAST if backbone.word_weights is not None else 1.0,
        casing=adapter.casing is not None,
        optional=spec.may_be_absent,
        norms=norms,
    )


def _dense(layer: Dense, place: str, arrays: _Arrays) -> float | None:
    """Put a layer's arrays down; the epsilon of its layer norm, None where it has none."""
    norm = layer.norm
    if isinstance(norm, nn.BatchNorm1d):
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None  # statistics are kept: it is how the net answers
        assert variance is not None
        scale = norm.weight.double() / (variance.double() + norm.eps).sqrt()
        matrix = layer.linear.weight.double() * scale[:, None]
        arrays[place + "matrix"] = _array(matrix.T)
        arrays[place + "bias"] = _array(norm.bias.double() - mean.double() * scale)
        return None
    _linear(layer.linear, place, arrays)
    if not isinstance(norm, nn.LayerNorm):
        return None
    arrays[place + "scale"], arrays[place + "shift"] = _array(norm.weight), _array(norm.bias)
    return norm.eps


def _fusion(fusion: nn.Module, arrays: _Arrays) -> tuple[str, bool]:
    """Put a fusion's arrays down; its kind, and whether it has a layer behind."""
    if isinstance(fusion, Single):
        return "single", False
    if isinstance(fusion, Concat):
        if fusion.hidden is not None:
            _linear(fusion.hidden, "fusion.hidden.", arrays)
        return "concat", fusion.hidden is not None
    if isinstance(fusion, Gated):
        for role, modules in (("part", fusion.parts), ("score", fusion.scores)):
            for at, module in enumerate(modules):
                if isinstance(module, nn.Linear):
                    _linear(module, f"fusion.{role}.{at}.", arrays)
        return "gated", False
    raise UsageError(f"target numpy: no fusion {type(fusion).__name__}; export to another target")


def _linear(linear: nn.Linear, place: str, arrays: _Arrays) -> None:
    arrays[place + "matrix"] = _array(linear.weight.T)
    arrays[place + "bias"] = _array(linear.bias)


def _array(tensor: Tensor) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().cpu().float().numpy())
