"""What the tests of joins share: teachers' logits, and their mean by NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kd2edge.tasks.spec import Activation, Output
from kd2edge.teacher.joins import Ensemble, Join

Floats = npt.NDArray[np.float64]

SOFTMAX, SIGMOID, VALUES = (
    Output(4, "softmax"),
    Output(3, "sigmoid"),
    Output(2, "none"),
)
OUTPUTS = (SOFTMAX, SIGMOID, VALUES)


def said(output: Output, seed: int, items: int = 6, spread: float = 3.0) -> Tensor:
    """Logits ``[item, channel]`` of a teacher of that seed."""
    generator = torch.Generator().manual_seed(seed)
    return spread * torch.randn(items, output.channels, generator=generator)


def chances(logits: Any, activation: Activation) -> Floats:
    """What logits become, written out."""
    values = np.asarray(logits, np.float64)
    if activation == "softmax":
        raised = np.exp(values - values.max(-1, keepdims=True))
        return raised / raised.sum(-1, keepdims=True)
    return 1 / (1 + np.exp(-values)) if activation == "sigmoid" else values


def together(
    join: Join,
    several: Sequence[Tensor],
    output: Output,
    temperature: float | Tensor = 1.0,
    *,
    lacks: Sequence[float] = (),
    names: str = "abcdef",
    ragged: bool = False,
) -> Tensor:
    """What teachers say together at a temperature."""
    answers = dict(zip(names, several, strict=False))
    ensemble = Ensemble(join, dict(zip(names, lacks, strict=False)))
    return ensemble.asked(answers, output, ragged=ragged).at(temperature)
