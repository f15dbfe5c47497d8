"""Input kinds, NumPy half: raw values to arrays; training and serving call the same functions."""

from __future__ import annotations

from kd2edge.inputs.cut import cut_vocabulary
from kd2edge.inputs.kind import Encoder, InputKind
from kd2edge.inputs.kinds import INPUT_KINDS, input_kind
from kd2edge.inputs.spec import ArraySpec, Dim, Encoded, InputSpec, WordStarts
from kd2edge.inputs.tokenizer_json import vocabulary_size

__all__ = [
    "INPUT_KINDS",
    "ArraySpec",
    "Dim",
    "Encoded",
    "Encoder",
    "InputKind",
    "InputSpec",
    "WordStarts",
    "cut_vocabulary",
    "input_kind",
    "vocabulary_size",
]
