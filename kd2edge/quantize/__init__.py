"""Float32 graphs to int8: calibration and methods.  Needs no torch."""

from __future__ import annotations

from kd2edge.quantize.calibrate import METHODS, calibration_batches, tensor_ranges
from kd2edge.quantize.kinds import QUANTIZERS
from kd2edge.quantize.methods import int8_dynamic, int8_static
from kd2edge.quantize.nncf import int8_openvino

__all__ = [
    "METHODS",
    "QUANTIZERS",
    "calibration_batches",
    "int8_dynamic",
    "int8_openvino",
    "int8_static",
    "tensor_ranges",
]
