"""The table of quantization methods: what a target asks for by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kd2edge.quantize.methods import int8_dynamic, int8_static
from kd2edge.quantize.nncf import int8_openvino

#: ``static`` and ``dynamic`` take and give ONNX bytes, ``openvino`` an ``openvino.Model``.
QUANTIZERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"static": int8_static, "dynamic": int8_dynamic, "openvino": int8_openvino}
)
