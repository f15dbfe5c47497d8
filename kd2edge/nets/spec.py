"""What a net is made of, as recipes, checkpoints and run directories state it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a net is made of below its heads: a backbone, or for several inputs one each.

    Args:
        family: ``transformers``, ``cnn``, ``conv``, ``mlp``, ``static``, or ``joint``: encoders by
            input and a fusion.
        config: JSON values of the backbone: ``model_type`` and the fields of that model's own
            configuration for ``transformers``; channels, strides ... for ``cnn``.  Image backbones
            also take ``pool: [rows, columns]``, the grid that the feature map is averaged to, and
            ``hidden``, the units of a hidden layer in front of the heads (none by default).
        pooling: how a sequence becomes one vector: ``mean`` over real tokens or ``cls``, the first;
            of families of our own ``mean``, ``max`` or ``both``; "" where there is none.
        dropout: dropout in front of every head, in [0, 1); 0: none.
        pretrained: True when the weights come from a folder at build time; ``config`` then only
            overrides that folder's own configuration.
        encoders: input -> what reads it, for the family ``joint``.
        fusion: how the vectors of these become one: ``kind`` and its options.
    """

    family: str
    config: Mapping[str, Any] = field(default_factory=dict)
    pooling: str = ""
    dropout: float = 0.0
    pretrained: bool = False
    encoders: Mapping[str, ModelSpec] = field(default_factory=dict[str, "ModelSpec"])
    fusion: Mapping[str, Any] = field(default_factory=dict[str, Any])
