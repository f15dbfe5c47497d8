"""A student becomes an ONNX graph or a torch program: arrays in, one output a task.

Neither says anything of this machine.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kd2edge.errors import Kd2edgeError, UsageError
from kd2edge.export.model_io import array_spec, bytes_from_model
from kd2edge.export.passes.strip_metadata import StripMetadata
from kd2edge.inputs.spec import ArraySpec

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto
    from torch.export import ExportedProgram


def onnx_from_student(
    net: nn.Module,
    inputs: Sequence[ArraySpec],
    outputs: Sequence[ArraySpec],
    *,
    sample: Mapping[str, npt.NDArray[Any]],
    opset: int,
) -> bytes:
    """Export ``net`` in evaluation mode as a float32 ONNX graph; the net itself is left as it is.

    The same net gives the same bytes, also in another process.

    Args:
        net: its ``forward`` takes ``{array name: tensor}`` and gives ``{task: logits}``.
        inputs: the arrays that it takes; dimensions with a name stay dynamic.
        outputs: the tasks' logits, in the order of the graph's outputs.
        sample: arrays of the input names, on which the net is traced.  A dynamic dimension of size
            1 is doubled, because the exporter would take it for a constant.
        opset: version of the ONNX operators.

    Raises:
        UsageError: a sample that does not fit ``inputs``.
        Kd2edgeError: a net that torch cannot export, or a graph whose dimensions are not those
            asked for.
    """
    arrays = _traceable(inputs, sample)
    wrapped = _Positional(copy.deepcopy(net).cpu().eval(), inputs, outputs)
    model = _exported(wrapped, arrays, inputs, outputs, opset)
    _assert_interface(model, inputs, outputs)
    return bytes_from_model(StripMetadata()(model).model)


def program_from_student(
    net: nn.Module,
    inputs: Sequence[ArraySpec],
    outputs: Sequence[ArraySpec],
    *,
    sample: Mapping[str, npt.NDArray[Any]],
    ranges: Mapping[str, tuple[int, int]],
) -> ExportedProgram:
    """Export ``net`` in evaluation mode for what compiles torch programs itself.

    Args:
        net: its ``forward`` takes ``{array name: tensor}`` and gives ``{task: logits}``.
        inputs: the program's arguments, in order; dimensions with a name stay dynamic.
        outputs: the tasks' logits, in the order of its results.
        sample: arrays of the input names, on which the net is traced.
        ranges: dimension name -> (smallest, largest) size; what compiles a program plans its memory
            for the largest.

    Raises:
        UsageError: a sample that does not fit ``inputs``.
        Kd2edgeError: a net that torch cannot export, or not for all of these sizes.
    """
    arrays = _traceable(inputs, sample)
    wrapped = _Positional(copy.deepcopy(net).cpu().eval(), inputs, outputs)
    try:
        with _quiet(), torch.no_grad():
            return torch.export.export(
                wrapped, arrays, dynamic_shapes={"arrays": _dynamic(inputs, ranges)}, strict=False
            )
    except (RuntimeError, ValueError) as error:
        raise Kd2edgeError(f"torch cannot export the net: {error}") from error


def _dynamic(
    inputs: Sequence[ArraySpec], ranges: Mapping[str, tuple[int, int]]
) -> tuple[dict[int, Any], ...]:
    """The dynamic dimensions of each input: axis -> dimension; equal names are equal sizes."""
    dimensions = {  # torch wants names of Python
        name: torch.export.Dim(name.replace(".", "_"), min=smallest, max=largest)
        for name, (smallest, largest) in ranges.items()
    }
    return tuple(
        {axis: dimensions[name] for axis, name in enumerate(spec.shape) if isinstance(name, str)}
        for spec in inputs
    )


@final
class _Positional(nn.Module):
    """The net with arrays as positional arguments and logits as a tuple, which get the names."""

    def __init__(
        self, net: nn.Module, inputs: Sequence[ArraySpec], outputs: Sequence[ArraySpec]
    ) -> None:
        super().__init__()
        # Weights keep this name in theirs: without it a buffer ``mean`` would collide with the
        # result of a mean.
        self.net = net
        self._inputs = [array.name for array in inputs]
        self._outputs = [array.name for array in outputs]

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        logits = self.net(dict(zip(self._inputs, arrays, strict=True)))
        return tuple(logits[name] for name in self._outputs)


def _traceable(
    inputs: Sequence[ArraySpec], sample: Mapping[str, npt.NDArray[Any]]
) -> tuple[Tensor, ...]:
    """The sample as tensors in the order of ``inputs``, every dynamic dimension at least 2."""
    tensors: list[Tensor] = []
    for spec in inputs:
        array = sample.get(spec.name)
        if array is None or array.dtype.name != spec.dtype or array.ndim != len(spec.shape):
            found = "nothing" if array is None else f"{array.dtype.name} {list(array.shape)}"
            raise UsageError(
                f"the sample to trace needs {spec.name} {spec.dtype} {list(spec.shape)},"
                f" found {found}"
            )
        for axis, dimension in enumerate(spec.shape):
            if isinstance(dimension, str) and array.shape[axis] == 1:
                array = np.repeat(array, 2, axis=axis)
        tensors.append(torch.from_numpy(np.ascontiguousarray(array)))
    return tuple(tensors)


def _exported(
    wrapped: nn.Module,
    arrays: tuple[Tensor, ...],
    inputs: Sequence[ArraySpec],
    outputs: Sequence[ArraySpec],
    opset: int,
) -> ModelProto:
    dynamic = tuple(
        {axis: name for axis, name in enumerate(spec.shape) if isinstance(name, str)}
        for spec in inputs
    )
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                wrapped,
                arrays,
                input_names=[spec.name for spec in inputs],
                output_names=[spec.name for spec in outputs],
                dynamic_shapes={"arrays": dynamic},
                opset_version=opset,
                dynamo=True,
                optimize=True,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise Kd2edgeError(f"torch cannot export the net: {error.__cause__ or error}") from error
    assert program is not None  # only the old exporter gives None
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's warnings and log lines off the user's screen.

    It warns of operators of packages that are not installed and of deprecations of its own.
    """
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)


def _assert_interface(
    model: ModelProto, inputs: Sequence[ArraySpec], outputs: Sequence[ArraySpec]
) -> None:
    """Every array must be the one asked for; dynamic dimensions without our name get it."""
    stated = (*inputs, *outputs)
    values = (*model.graph.input, *model.graph.output)
    if [spec.name for spec in stated] != [value.name for value in values]:
        raise Kd2edgeError(
            f"the exporter gave the arrays {[value.name for value in values]},"
            f" expected {[spec.name for spec in stated]}"
        )
    for spec, value in zip(stated, values, strict=True):
        _assert_array(spec, value)
    _name_dimensions(stated, values)


def _assert_array(spec: ArraySpec, value: ValueInfoProto) -> None:
    found = array_spec(value)
    fits = found.dtype == spec.dtype and len(found.shape) == len(spec.shape)
    # A dimension with a name must be dynamic, and one with a size must have that size.
    if not fits or not all(
        isinstance(real, str) if isinstance(wanted, str) else real == wanted
        for wanted, real in zip(spec.shape, found.shape, strict=True)
    ):
        raise Kd2edgeError(
            f"the exported graph has {found.name} {found.dtype} {list(found.shape)}, expected"
            f" {spec.dtype} {list(spec.shape)}; a size where a name was expected means that the"
            " net's forward turns that dimension into a constant"
        )


def _name_dimensions(stated: Sequence[ArraySpec], values: Sequence[ValueInfoProto]) -> None:
    for spec, value in zip(stated, values, strict=True):
        for wanted, dim in zip(spec.shape, value.type.tensor_type.shape.dim, strict=True):
            if isinstance(wanted, str):
                dim.dim_param = wanted
