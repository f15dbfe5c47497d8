"""Text encoders of ``transformers``: BERT, ELECTRA, DistilBERT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from kd2edge.errors import UsageError
from kd2edge.inputs.words import CASING_KINDS
from kd2edge.nets.backbones import configuration
from kd2edge.nets.backbones.backbone import Adapter, Built, Request
from kd2edge.nets.backbones.pooling import weighted_mean
from kd2edge.nets.features import Features

#: Added to the attention scores of padding.  exp(-1e4) is exactly 0 in fp32, the value still fits
#: fp16 graphs, and a row of padding alone gives finite numbers (-inf or a boolean mask gives NaN).
_HIDDEN_SCORE = -1.0e4

_POOLINGS = ("cls", "mean")


@final
class TextAdapter(Adapter):
    """Word (and casing) embeddings in, positions and their pooled vector out.

    Args:
        request: what the net asks of its backbone.
        embedding: width of the word embeddings.
        width: of the positions that come out.
        typed: whether the backbone takes a type for every position.
    """

    def __init__(self, request: Request, *, embedding: int, width: int, typed: bool) -> None:
        super().__init__()
        self.width = self.positions = width
        self._input = request.input.name
        self._prefix = request.input.prefix
        self._pooling = request.model.pooling
        self._typed = typed
        self.casing = (
            nn.Embedding(CASING_KINDS, embedding) if request.input.options.get("casing") else None
        )
        if self.casing is not None:
            nn.init.zeros_(self.casing.weight)  # pretrained embeddings stay what they were at first

    def forward(self, backbone: nn.Module, arrays: Mapping[str, Tensor]) -> Features:
        mask = arrays[self._prefix + "attention_mask"]
        embedded = _words(backbone)(arrays[self._prefix + "input_ids"])
        if self.casing is not None:
            embedded = embedded + self.casing(arrays[self._prefix + "casing_ids"])
        visible = mask.to(embedded.dtype)  # [batch, length]
        bias = (1.0 - visible)[:, None, None, :] * _HIDDEN_SCORE  # [batch, 1, 1, length]
        # One type for all positions as [1, 1]: it broadcasts, and exporters fold it to a constant.
        types = {"token_type_ids": torch.zeros_like(mask[:1, :1])} if self._typed else {}
        output = backbone(inputs_embeds=embedded, attention_mask=bias, **types)
        sequence = output.last_hidden_state
        return Features(self._pooled(sequence, visible), {self._input: sequence})

    def _pooled(self, sequence: Tensor, visible: Tensor) -> Tensor:
        if self._pooling == "cls":
            return sequence[:, 0]
        return weighted_mean(sequence, visible)

    def embeddings(self, backbone: nn.Module) -> Mapping[str, nn.Embedding]:
        start = backbone.get_submodule("embeddings")
        tables = {
            "word": _words(backbone),
            "position": getattr(start, "position_embeddings", None),
            "type": getattr(start, "token_type_embeddings", None),
            "casing": self.casing,
        }
        return {role: table for role, table in tables.items() if isinstance(table, nn.Embedding)}


def _words(backbone: nn.Module) -> nn.Embedding:
    return cast("nn.Embedding", backbone.get_submodule("embeddings.word_embeddings"))


def build(request: Request) -> Built:
    """A fresh encoder from a configuration, or a pretrained one from a folder.

    Raises:
        UsageError: an unknown model type, key or pooling, or a vocabulary or length that the
            tables lack.
        IntegrityError: a folder whose weights do not fill the encoder.
    """
    if request.model.pooling not in _POOLINGS:
        raise UsageError(f"pooling: expected one of {_POOLINGS}, found {request.model.pooling!r}")
    given = dict(request.model.config)
    stored = configuration.read_config(request.source_dir) if request.source_dir else {}
    model_type = str(given.get("model_type", stored.get("model_type", "")))
    config_class, model_class, options = _classes(model_type)
    known = configuration.known_keys(config_class)
    fields = {key: value for key, value in stored.items() if key in known}
    fields |= configuration.checked(given, known, model_type)
    # A saved net states its own: a pretrained table may have more rows than the tokenizer pieces.
    if request.vocabulary is not None and not request.source_dir and "vocab_size" not in given:
        fields["vocab_size"] = request.vocabulary
    config = configuration.config_from(config_class, fields)
    _check_sizes(config, request)
    backbone = configuration.model_from(model_class, config, options, request.source_dir)
    # With a padding index the piece that stands there would never learn; the mask hides padding.
    words = _words(backbone)
    words.padding_idx = None
    adapter = TextAdapter(
        request,
        embedding=words.embedding_dim,
        width=config.hidden_size,
        typed=hasattr(backbone.get_submodule("embeddings"), "token_type_embeddings"),
    )
    return Built(backbone, adapter, configuration.architecture(config))


def _classes(model_type: str) -> tuple[Any, Any, dict[str, Any]]:
    from transformers import (  # seconds of import, only when such a net is built
        BertConfig,
        BertModel,
        DistilBertConfig,
        DistilBertModel,
        ElectraConfig,
        ElectraModel,
    )

    table: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "bert": (BertConfig, BertModel, {"add_pooling_layer": False}),
        "distilbert": (DistilBertConfig, DistilBertModel, {}),
        "electra": (ElectraConfig, ElectraModel, {}),
    }
    if model_type not in table:
        raise UsageError(
            f"model_type: expected one of {sorted(table)} for a text input, found {model_type!r}"
        )
    return table[model_type]


def _check_sizes(config: Any, request: Request) -> None:
    if request.vocabulary is not None and request.vocabulary > config.vocab_size:
        raise UsageError(
            f"the tokenizer of input {request.input.name} knows {request.vocabulary} pieces, but"
            f" the embedding table has {config.vocab_size} rows;"
            " take the tokenizer that came with the weights, or leave vocab_size out"
        )
    longest = request.input.options.get("max_length")
    if longest is not None and longest > config.max_position_embeddings:
        raise UsageError(
            f"input {request.input.name}: max_length {longest} is more than the"
            f" {config.max_position_embeddings} positions of the {config.model_type}"
        )
