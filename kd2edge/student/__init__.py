"""Start a student from its teacher's tables and layers, or as another student was."""

from __future__ import annotations

from kd2edge.student.conv_channels import conv_channels
from kd2edge.student.embeddings import svd_embeddings, worded
from kd2edge.student.hidden_channels import hidden_channels
from kd2edge.student.kinds import MAPPINGS, init_from
from kd2edge.student.layers import copy_layers
from kd2edge.student.mapped import Mapped
from kd2edge.student.outputs import output_embeddings, piece_outputs
from kd2edge.student.start import Start, StartedPart, start_of
from kd2edge.student.whole import whole_net

__all__ = [
    "MAPPINGS",
    "Mapped",
    "Start",
    "StartedPart",
    "conv_channels",
    "copy_layers",
    "hidden_channels",
    "init_from",
    "output_embeddings",
    "piece_outputs",
    "start_of",
    "svd_embeddings",
    "whole_net",
    "worded",
]
