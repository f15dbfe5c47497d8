"""A multi-layer perceptron of our own for tables: embedded cells side by side, layers of units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, final

import torch
from torch import Tensor, nn

from kd2edge.errors import UsageError
from kd2edge.inputs.spec import InputSpec
from kd2edge.inputs.tabular import columns_of
from kd2edge.nets.backbones.backbone import Adapter, Built, Request
from kd2edge.nets.backbones.configuration import checked
from kd2edge.nets.backbones.dense import NORMS, Dense
from kd2edge.nets.backbones.numbers import EMBEDDINGS, Periodic, Piecewise
from kd2edge.nets.features import Features

#: Bias of the first layer's norm where all that comes in is 0 at first.
_AWAKE = 0.1


@dataclass(frozen=True, slots=True)
class MlpConfig:
    """Shape of the net.

    Args:
        hidden: units of each layer.
        norm: behind each linear layer: ``batch``, ``layer``, ``none``.
        residual: layers of as many units add to what they are given.
        dropout: behind each layer.
        embedding: width of a category; 0: 1.6 times the root of how many a column has on average,
            from 2 to 32.
        numbers: how they are embedded: ``plain``, ``periodic``, ``quantile``.
        bins: of ``quantile``; frequencies of ``periodic``.
        width: values that ``periodic`` gives for a number.
        sigma: deviation of the frequencies of ``periodic`` at first.
        categories: ids that the embedding table has rows for; by default as many as were fitted.
    """

    hidden: tuple[int, ...]
    norm: str = "batch"
    residual: bool = False
    dropout: float = 0.0
    embedding: int = 0
    numbers: str = "plain"
    bins: int = 16
    width: int = 8
    sigma: float = 0.1
    categories: int = 0


@final
class Mlp(nn.Module):
    """Layers at ``layers.0``, ``layers.1`` ...: ``[batch, inputs]`` to ``[batch, hidden[-1]]``."""

    def __init__(self, config: MlpConfig, inputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for units in config.hidden:
            self.layers.append(Dense(inputs, units, config.norm))
            inputs = units
        self.dropout = nn.Dropout(config.dropout)
        self._residual = config.residual

    def forward(self, rows: Tensor) -> Tensor:
        for layer in self.layers:
            found = self.dropout(layer(rows))
            rows = rows + found if self._residual and found.shape == rows.shape else found
        return rows


@final
class TabularAdapter(Adapter):
    """Numbers, flags of missing ones and categories side by side, through the layers."""

    def __init__(self, spec: InputSpec, config: MlpConfig) -> None:
        super().__init__()
        numeric, categorical = columns_of(spec)
        self.width = config.hidden[-1]
        self._prefix, self._flags = spec.prefix, len(numeric)
        self.numbers = _embedding_of(spec, config, len(numeric))
        self.categories = nn.Embedding(config.categories, config.embedding) if categorical else None
        if self.categories is not None:
            # A category that training never shows says nothing, instead of anything.
            nn.init.zeros_(self.categories.weight)
        values = 1 if self.numbers is None else self.numbers.width
        self.inputs = len(numeric) * (1 + values) + len(categorical) * config.embedding

    def forward(self, backbone: nn.Module, arrays: Mapping[str, Tensor]) -> Features:
        parts: list[Tensor] = []
        if self._flags:
            numbers = arrays[self._prefix + "numbers"]
            parts.append(arrays[self._prefix + "missing"])
            parts.append(numbers if self.numbers is None else self.numbers(numbers))
        if self.categories is not None:
            parts.append(self.categories(arrays[self._prefix + "categories"]).flatten(1))
        return Features(backbone(torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]))

    def embeddings(self, backbone: nn.Module) -> Mapping[str, nn.Embedding]:
        del backbone
        return {} if self.categories is None else {"category": self.categories}

    @torch.no_grad()
    def quiet(self, backbone: Mlp) -> None:
        """Let flags of missing numbers say nothing at first, and for ever where none is missing.

        Of a table of categories alone every row says nothing then, a batch norm makes 0 of it, and
        no ReLU that is given 0 ever learns: there its bias begins above 0.
        """
        first = backbone.layers[0]
        assert isinstance(first, Dense)
        first.linear.weight[:, : self._flags] = 0.0
        if not self._flags and isinstance(first.norm, nn.BatchNorm1d):
            nn.init.constant_(first.norm.bias, _AWAKE)


def build(request: Request) -> Built:
    """A fresh net for a table.

    Raises:
        UsageError: an unknown key, a value out of range, or a folder of pretrained weights.
    """
    if request.source_dir is not None:
        raise UsageError("family mlp: there are no pretrained weights for it")
    known = frozenset(one.name for one in fields(MlpConfig))
    config = _config(checked(request.model.config, known, "family mlp"), request)
    adapter = TabularAdapter(request.input, config)
    backbone = Mlp(config, adapter.inputs)
    adapter.quiet(backbone)
    return Built(backbone, adapter, {**asdict(config), "hidden": list(config.hidden)})


def _config(given: Mapping[str, Any], request: Request) -> MlpConfig:
    hidden = given.get("hidden")
    if not isinstance(hidden, (list, tuple)) or not hidden or not all(map(_is_count, hidden)):
        raise UsageError(
            "family mlp: hidden must be a list of units of each layer, e.g. [256, 128],"
            f" found {hidden!r}"
        )
    values = {"categories": request.vocabulary or 0, **given, "hidden": tuple(hidden)}
    for name in ("bins", "width"):
        _require(_is_count(values.get(name, 1)), name, "a whole number from 1", values)
    for name in ("embedding", "categories"):
        found = values.get(name, 0)
        _require(found == 0 or _is_count(found), name, "a whole number from 0", values)
    _require(type(values.get("residual", False)) is bool, "residual", "true or false", values)
    _require(values.get("norm", "none") in NORMS, "norm", f"one of {', '.join(NORMS)}", values)
    kinds = f"one of {', '.join(EMBEDDINGS)}"
    _require(values.get("numbers", "plain") in EMBEDDINGS, "numbers", kinds, values)
    _require(_is_in(values.get("dropout", 0.0), 0, 1), "dropout", "a number in [0, 1)", values)
    _require(_is_in(values.get("sigma", 0.1), 1e-6, 1e3), "sigma", "1e-6 to 1e3", values)
    if values["categories"] < (request.vocabulary or 0):
        raise UsageError(
            f"family mlp: input {request.input.name} has {request.vocabulary} ids of categories,"
            f" the embedding table {values['categories']} rows; leave `categories` out"
        )
    width = values.get("embedding") or _rule(values["categories"], request.input)
    return MlpConfig(**{**values, "embedding": width})


def _rule(ids: int, spec: InputSpec) -> int:
    columns = max(len(columns_of(spec)[1]), 1)
    return int(min(max(round(1.6 * (ids / columns) ** 0.5), 2), 32))


def _embedding_of(spec: InputSpec, config: MlpConfig, columns: int) -> Periodic | Piecewise | None:
    if config.numbers == "plain" or not columns:
        return None
    if config.numbers == "periodic":
        return Periodic(columns, config.width, config.bins, config.sigma)
    if spec.options.get("scaling") != "quantile":
        raise UsageError(
            f"family mlp: numbers: quantile needs scaling: quantile for the input {spec.name}"
        )
    return Piecewise(config.bins)


def _require(ok: bool, name: str, wanted: str, values: Mapping[str, Any]) -> None:  # noqa: FBT001
    if not ok:
        raise UsageError(f"family mlp: {name} must be {wanted}, found {values.get(name)!r}")


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_in(value: Any, low: float, high: float) -> bool:
    return type(value) in {int, float} and low <= value < high
