"""What all image backbones share: normalisation inside the graph, and averaging to a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd2edge.errors import UsageError
from kd2edge.inputs.spec import InputSpec
from kd2edge.nets import arrays as names
from kd2edge.nets.backbones.backbone import Adapter, Hidden

Grid = tuple[int, int]


@final
class ImageAdapter(Adapter):
    """uint8 pixels in, one vector a row out: normalise, run, average to a grid, flatten.

    A grid of 1 x 1 forgets where something was seen; 1 x 2 keeps left and right apart.
    """

    scale: Tensor  # [1, channel, 1, 1]
    shift: Tensor  # [1, channel, 1, 1]

    def __init__(self, spec: InputSpec, *, channels: int, grid: Grid) -> None:
        super().__init__()
        self.width = channels * grid[0] * grid[1]
        self._name = names.prefix(spec) + "pixel_values"
        self._grid = grid
        scale, shift = _affine(spec)
        # Not persistent: the input's spec is the only place that states them.
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)

    def forward(self, backbone: nn.Module, arrays: Mapping[str, Tensor]) -> Hidden:
        pixels = arrays[self._name].to(self.scale.dtype) * self.scale + self.shift
        output = backbone(pixels)
        features = output if isinstance(output, Tensor) else output.last_hidden_state
        return Hidden(averaged(features, self._grid).flatten(1), None)

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


def grid_of(config: Mapping[str, Any], features: Sequence[int]) -> Grid:
    """The grid that ``config["pool"]`` asks for, once a feature map [height, width] can be cut so.

    Raises:
        UsageError: no pair of whole numbers, or more cells than there are positions.
    """
    pool = config.get("pool", (1, 1))
    if (
        not isinstance(pool, (list, tuple))
        or len(pool) != 2
        or not all(isinstance(n, int) for n in pool)
    ):
        raise UsageError(f"model config: pool must be [rows, columns], found {pool!r}")
    if not all(1 <= cells <= size for cells, size in zip(pool, features, strict=True)):
        raise UsageError(
            f"model config: pool {list(pool)} does not fit the feature map {list(features)} of this"
            " input; take fewer cells or fewer strides"
        )
    return pool[0], pool[1]


@torch.no_grad()
def feature_shape(backbone: nn.Module, shape: Sequence[int]) -> tuple[int, int, int]:
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


def _affine(spec: InputSpec) -> tuple[Tensor, Tensor]:
    """``pixel * scale + shift`` = ``(pixel / 255 - mean) / std``, mean and std in units of 0..1."""
    channels, _, _ = names.image_shape(spec)
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
