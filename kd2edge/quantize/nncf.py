"""OpenVINO models to int8 by NNCF's post-training quantization."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

from kd2edge.engines import install_line
from kd2edge.errors import BackendError
from kd2edge.quantize.calibrate import Arrays, calibration_batches, rows_of
from kd2edge.runtime.telemetry import quietly_imported
from kd2edge.tasks.reject import MATRIX

#: Products with a smaller side stay float, as in the ONNX methods: the heads of tasks, mostly.
_NARROWEST = 16

INSTALL = install_line("train", "openvino")


def int8_openvino(
    model: Any,
    calibration: Iterable[Arrays],
    *,
    transformer: bool = False,
    exclude: Sequence[str] = (),
) -> Any:
    """An int8 copy of the OpenVINO model ``model`` (``openvino.Model``).

    Activations have a zero point where they are not symmetric (the mixed preset); weights are
    int8 with one scale a channel and keep to half of their range, because the products of full
    8-bit ones overflow 16 bits on CPUs without VNNI: this file is the same model on all of them.
    Products of two activations (attention) and narrow ones stay float.

    Ranges of activations span what any row reached.  NNCF's own choice is the mean of what each
    row reached, which cuts off the few rows that reach far: of a table these are often the ones
    that a rare label is about (census: 1.3 points of AUC).  Attention's outliers, which every row
    has, are left to it.

    Args:
        model: a float32 model.
        calibration: batches of its inputs; taken row by row, so lengths may differ.
        transformer: keep what attention needs in float, smooth outliers.
        exclude: friendly names of operations to keep in float.

    Raises:
        BackendError: NNCF is not installed.
        DataError: an empty calibration sample.
    """
    nncf = _nncf()
    rows = rows_of(calibration_batches(calibration))
    with _quiet():
        return nncf.quantize(
            model,
            nncf.Dataset(rows),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(rows),
            model_type=nncf.ModelType.TRANSFORMER if transformer else None,
            ignored_scope=nncf.IgnoredScope(names=sorted({*exclude, *_unfit(model)})),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE,
                activations_range_estimator_params=None if transformer else _widest(),
            ),
        )


def _widest() -> Any:
    """From the least to the largest number that any row gives."""
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    return RangeEstimatorParametersSet.MINMAX


def _unfit(model: Any) -> list[str]:
    """Matrix products that lose more in int8 than they gain."""
    return [
        operation.get_friendly_name()
        for operation in model.get_ordered_ops()
        if operation.get_type_name() == "MatMul" and not _pays(operation)
    ]


def _pays(product: Any) -> bool:
    weight = product.input_value(1)
    is_constant = weight.get_node().get_type_name() == "Constant"
    if not is_constant or weight.get_node().get_friendly_name().endswith(MATRIX):
        return False  # a threshold on a cosine shows every rounding
    return min(weight.get_shape()) >= _NARROWEST


def _nncf() -> Any:
    try:
        return quietly_imported("nncf")
    except ImportError as error:
        raise BackendError(
            f"int8 for OpenVINO needs NNCF, which cannot be imported ({error}); run: {INSTALL}"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """NNCF draws progress bars on stdout, which belongs to ``--json``, and logs what it chose."""
    logger = logging.getLogger("nncf")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(before)
