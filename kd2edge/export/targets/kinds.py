"""The table of targets: a new one is a file here, one in ``runtime/backends`` and two lines."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kd2edge.errors import UsageError
from kd2edge.export.targets.numpy import NumPyTarget
from kd2edge.export.targets.onnx import OnnxTarget
from kd2edge.export.targets.openvino import OpenVinoTarget
from kd2edge.export.targets.target import Target
from kd2edge.export.targets.tensorrt import TensorRTTarget

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for target in (OnnxTarget(), OpenVinoTarget(), NumPyTarget(), TensorRTTarget())
    }
)


def target(name: str) -> Target:
    """The target called ``name``.

    Raises:
        UsageError: no such target.
    """
    if name not in TARGETS:
        raise UsageError(f"no target {name!r}; there are {', '.join(sorted(TARGETS))}")
    return TARGETS[name]
