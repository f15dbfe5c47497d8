"""A small CNN of our own that exports and quantizes well: convolution, batch norm, ReLU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, final

from torch import Tensor, nn

from kd2edge.errors import UsageError
from kd2edge.inputs.image import image_shape
from kd2edge.nets.backbones.backbone import Built, Request
from kd2edge.nets.backbones.configuration import checked
from kd2edge.nets.backbones.image import READOUT_KEYS, ImageAdapter, readout_of

_ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6}  # both fold into an int8 convolution
_WANTED = {bool: "true or false", int: "a whole number", str: "a text"}
_KEYS = frozenset({"activation", "channels", "depthwise", "kernel", "strides"})

_Value = TypeVar("_Value", bool, int, str)


@dataclass(frozen=True, slots=True)
class CnnConfig:
    """Shape of the CNN.

    Args:
        channels: output channels of each stage.
        strides: stride of each stage; by default 2 everywhere.
        depthwise: after the first stage a depthwise and a 1 x 1 convolution instead of a full one
            (Howard et al. 2017): fewer parameters, but slower per operation on CPUs.
        kernel: side of the kernels, odd.
        activation: ``relu`` or ``relu6``.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    depthwise: bool = False
    kernel: int = 3
    activation: str = "relu"


@final
class Cnn(nn.Module):
    """Stages of convolution, batch norm and activation, at ``stages.0``, ``stages.1`` ..."""

    def __init__(self, config: CnnConfig, inputs: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for index, (channels, stride) in enumerate(
            zip(config.channels, config.strides, strict=True)
        ):
            split = config.depthwise and index > 0
            make = _separable if split else _full
            self.stages.append(make(inputs, channels, stride, config))
            inputs = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pixels: Tensor) -> Tensor:
        """Feature map ``[batch, channel, height, width]`` of normalised pixels."""
        for stage in self.stages:
            pixels = stage(pixels)
        return pixels


def _full(inputs: int, outputs: int, stride: int, config: CnnConfig) -> nn.Sequential:
    return nn.Sequential(
        *_convolution(inputs, outputs, config.kernel, stride, 1, config.activation)
    )


def _separable(inputs: int, outputs: int, stride: int, config: CnnConfig) -> nn.Sequential:
    return nn.Sequential(
        *_convolution(inputs, inputs, config.kernel, stride, inputs, config.activation),
        *_convolution(inputs, outputs, 1, 1, 1, config.activation),
    )


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int, groups: int, activation: str
) -> list[nn.Module]:
    convolution = nn.Conv2d(
        inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    return [convolution, nn.BatchNorm2d(outputs), _ACTIVATIONS[activation]()]


def build(request: Request) -> Built:
    """A fresh CNN for an image input.

    Raises:
        UsageError: an unknown key, a value out of range, an image that does not fit, or a folder of
            pretrained weights.
    """
    if request.source_dir is not None:
        raise UsageError(
            "family cnn: there are no pretrained weights for it; take family transformers"
        )
    given = checked(request.model.config, _KEYS | READOUT_KEYS, "family cnn")
    config = _config(given)
    shape = image_shape(request.input)
    backbone = Cnn(config, shape[0])
    readout = readout_of(given, backbone, shape)
    adapter = ImageAdapter(request.input, readout)
    return Built(backbone, adapter, _as_json(config) | readout.as_json())


def _config(given: Mapping[str, Any]) -> CnnConfig:
    channels = _counts(given, "channels", ())
    if not channels:
        raise UsageError("family cnn: config needs channels, e.g. channels: [16, 32, 64]")
    config = CnnConfig(
        channels=channels,
        strides=_counts(given, "strides", (2,) * len(channels)),
        depthwise=_one(given, "depthwise", False),
        kernel=_one(given, "kernel", 3),
        activation=_one(given, "activation", "relu"),
    )
    if len(config.strides) != len(channels):
        raise UsageError(
            f"family cnn: expected {len(channels)} strides, one a stage,"
            f" found {len(config.strides)}"
        )
    if config.kernel < 1 or config.kernel % 2 == 0:
        raise UsageError(f"family cnn: kernel must be odd, found {config.kernel}")
    if config.activation not in _ACTIVATIONS:
        raise UsageError(
            f"family cnn: activation must be one of {sorted(_ACTIVATIONS)},"
            f" found {config.activation!r}"
        )
    return config


def _one(given: Mapping[str, Any], key: str, default: _Value) -> _Value:
    """A value of exactly the default's type: in YAML 1.2 ``no`` is a text, which is true."""
    value = given.get(key, default)
    if type(value) is not type(default):
        wanted = _WANTED[type(default)]
        raise UsageError(f"family cnn: {key} must be {wanted}, found {value!r}")
    return value


def _counts(given: Mapping[str, Any], key: str, default: tuple[int, ...]) -> tuple[int, ...]:
    values: Sequence[Any] = given.get(key, default)
    if not isinstance(values, (list, tuple)) or not all(
        type(value) is int and value >= 1 for value in values
    ):
        raise UsageError(
            f"family cnn: {key} must be a list of whole numbers of at least 1, found {values!r}"
        )
    return tuple(values)


def _as_json(config: CnnConfig) -> dict[str, Any]:
    return {
        "activation": config.activation,
        "channels": list(config.channels),
        "depthwise": config.depthwise,
        "kernel": config.kernel,
        "strides": list(config.strides),
    }
