"""The fixed table of what can start a student from another net, and the door to all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kd2edge.errors import UsageError
from kd2edge.nets.net import Net
from kd2edge.student.conv_channels import conv_channels
from kd2edge.student.embeddings import svd_embeddings
from kd2edge.student.hidden_channels import hidden_channels
from kd2edge.student.layers import copy_layers
from kd2edge.student.mapped import Mapped
from kd2edge.student.outputs import output_embeddings
from kd2edge.student.whole import whole_net

#: Name -> ``(student, teacher, **options) -> Mapped``.
MAPPINGS: MappingProxyType[str, Callable[..., Mapped]] = MappingProxyType(
    {
        "conv_channels": conv_channels,
        "copy_layers": copy_layers,
        "hidden_channels": hidden_channels,
        "output_embeddings": output_embeddings,
        "svd_embeddings": svd_embeddings,
        "whole_net": whole_net,
    }
)


def init_from(
    student: Net, teacher: Net, mappings: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapped]:
    """Apply mappings in their order, each with its own options, and say what each did.

    Raises:
        UsageError: an unknown mapping, or one that does not fit the two nets.
    """
    unknown = [name for name in mappings if name not in MAPPINGS]
    if unknown:
        raise UsageError(f"init: unknown mapping {unknown[0]!r}; known are {sorted(MAPPINGS)}")
    return {name: MAPPINGS[name](student, teacher, **options) for name, options in mappings.items()}
