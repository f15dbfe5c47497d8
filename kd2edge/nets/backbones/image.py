"""What all image backbones share: normalisation inside the graph, and averaging to a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd2edge.errors import UsageError
from kd2edge.inputs.image import image_shape
from kd2edge.inputs.spec import InputSpec
from kd2edge.nets.backbones.backbone import Adapter
from kd2edge.nets.backbones.dense import Dense
from kd2edge.nets.features import Features, MapSize

Grid = tuple[int, int]

#: Keys of a configuration that say how a feature map becomes a vector.
READOUT_KEYS = frozenset({"hidden", "pool"})


@dataclass(frozen=True, slots=True)
class Readout:
    """How a feature map becomes a vector.

    Args:
        map: the feature map before that.
        grid: rows and columns that the map is averaged to.
        hidden: units of a hidden layer in front of the heads; 0 for none.
    """

    map: MapSize
    grid: Grid
    hidden: int

    @property
    def features(self) -> int:
        """Size of the averaged and flattened map."""
        return self.map[0] * self.grid[0] * self.grid[1]

    def as_json(self) -> dict[str, Any]:
        """The keys of a configuration that say the same."""
        return {"hidden": self.hidden, "pool": list(self.grid)}


@final
class ImageAdapter(Adapter):
    """uint8 pixels in, one vector a row out: normalise, run, average to a grid, flatten.

    A grid of 1 x 1 forgets where something was seen; 1 x 2 keeps left and right apart.  A hidden
    layer lets a head weigh what stands in several cells against each other, e.g. whether the left
    digit is the larger one.
    """

    scale: Tensor  # [1, channel, 1, 1]
    shift: Tensor  # [1, channel, 1, 1]

    def __init__(self, spec: InputSpec, readout: Readout) -> None:
        super().__init__()
        self.width = readout.hidden or readout.features
        self.maps = (readout.map,)
        self.hidden = Dense(readout.features, readout.hidden) if readout.hidden else None
        self._input = spec.name
        self._name = spec.prefix + "pixel_values"
        self.grid = readout.grid
        scale, shift = affine(spec)
        # Not persistent: the input's spec is the only place that states them.
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)

    def forward(self, backbone: nn.Module, arrays: Mapping[str, Tensor]) -> Features:
        pixels = arrays[self._name].to(self.scale.dtype) * self.scale + self.shift
        output = backbone(pixels)
        features = output if isinstance(output, Tensor) else output.last_hidden_state
        pooled = averaged(features, self.grid).flatten(1)
        pooled = pooled if self.hidden is None else self.hidden(pooled)
        return Features(pooled, maps={self._input: (features,)})

    def embeddings(self, backbone: nn.Module) -> Mapping[str, nn.Embedding]:
        return {}


def averaged(features: Tensor, grid: Grid) -> Tensor:
    """Average ``[batch, channel, height, width]`` to ``[batch, channel, *grid]``.

    Cells overlap where the sizes do not divide: one AveragePool of fixed size, which every runtime
    and quantizer knows (torch's adaptive pooling exports as a cascade of slices there).
    """
    if grid == (1, 1):
        return features.mean((2, 3), keepdim=True)
    sizes = features.shape[2:]
    strides = [size // cells for size, cells in zip(sizes, grid, strict=True)]
    kernel = [
        size - step * (cells - 1) for size, step, cells in zip(sizes, strides, grid, strict=True)
    ]
    return F.avg_pool2d(features, kernel, strides)


def readout_of(config: Mapping[str, Any], backbone: nn.Module, shape: Sequence[int]) -> Readout:
    """What ``config`` says of the way from the feature map of an image ``shape`` to a vector.

    Raises:
        UsageError: an image that does not pass the backbone, or a grid or size that does not fit.
    """
    size = _feature_shape(backbone, shape)
    grid = _grid(config.get("pool", (1, 1)), size[1:])
    hidden = config.get("hidden", 0)
    if not isinstance(hidden, int) or hidden < 0:
        raise UsageError(f"model config: hidden must be a whole number of units, found {hidden!r}")
    return Readout(size, grid, hidden)


def _grid(pool: Any, size: Sequence[int]) -> Grid:
    if (
        not isinstance(pool, (list, tuple))
        or len(pool) != 2
        or not all(isinstance(cells, int) for cells in pool)
    ):
        raise UsageError(f"model config: pool must be [rows, columns], found {pool!r}")
    if not all(1 <= cells <= side for cells, side in zip(pool, size, strict=True)):
        raise UsageError(
            f"model config: pool {list(pool)} does not fit the feature map {list(size)} of this"
            " input; take fewer cells or smaller strides"
        )
    return pool[0], pool[1]


@torch.no_grad()
def _feature_shape(backbone: nn.Module, shape: Sequence[int]) -> MapSize:
    """Channels, height and width of the feature map of an image ``[channel, height, width]``.

    Raises:
        UsageError: an image that the backbone's strides shrink to nothing.
    """
    was_training = backbone.training
    try:
        output = backbone.eval()(torch.zeros(1, *shape))
    except RuntimeError as error:
        raise UsageError(
            f"model config: an image {list(shape)} does not pass the net: {error}"
        ) from error
    finally:
        backbone.train(was_training)
    features = output if isinstance(output, Tensor) else output.last_hidden_state
    channels, height, width = features.shape[1:]
    return channels, height, width


def affine(spec: InputSpec) -> tuple[Tensor, Tensor]:
    """``pixel * scale + shift`` = ``(pixel / 255 - mean) / std``, mean and std in units of 0..1.

    Returns:
        Scale and shift, ``[1, channel, 1, 1]`` each.
    """
    channels, _, _ = image_shape(spec)
    mean = _per_channel(spec, "mean", 0.0, channels)
    std = _per_channel(spec, "std", 1.0, channels)
    if not bool((std > 0).all()):
        raise UsageError(f"input {spec.name}: std must be above 0, found {spec.options['std']!r}")
    scale, shift = 1.0 / (255.0 * std), -mean / std
    return scale.float().view(1, -1, 1, 1), shift.float().view(1, -1, 1, 1)


def _per_channel(spec: InputSpec, key: str, default: float, channels: int) -> Tensor:
    value = spec.options.get(key, default)
    values = list(value) if isinstance(value, (list, tuple)) else [value] * channels
    if len(values) != channels:
        raise UsageError(
            f"input {spec.name}: {key} needs {channels} values, one a channel, found {len(values)}"
        )
    return torch.tensor(values, dtype=torch.float64)
