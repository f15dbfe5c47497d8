"""Tiny nets of every family, and arrays for them."""

from __future__ import annotations

import torch
from torch import Tensor

from kd2edge.inputs.spec import InputSpec
from kd2edge.nets import ModelSpec, Net, build_net
from kd2edge.tasks.spec import TaskName, TaskSpec

VOCABULARY = 40

IMAGE = InputSpec(
    "image", "image", ("image",), {"size": [12, 20], "channels": 1, "mean": 0.2, "std": 0.4}
)
TEXT = InputSpec("text", "text", ("text",), {"max_length": 16, "casing": True})

LEFT = TaskSpec(TaskName("left"), "classification", ("a", "b", "c"), "accuracy")
LARGER = TaskSpec(TaskName("larger"), "binary", ("no", "yes"), "accuracy")
NER = TaskSpec(
    TaskName("ner"), "token_classification", ("O", "B-X", "I-X"), "entity_f1", input="text"
)

_TEXT_SIZE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 16,
}
MODELS = {
    "bert": ModelSpec("transformers", {"model_type": "bert", **_TEXT_SIZE}, pooling="mean"),
    "electra": ModelSpec(
        "transformers", {"model_type": "electra", "embedding_size": 8, **_TEXT_SIZE}, pooling="mean"
    ),
    "distilbert": ModelSpec(
        "transformers",
        {
            "model_type": "distilbert",
            "dim": 16,
            "n_layers": 2,
            "n_heads": 2,
            "hidden_dim": 24,
            "max_position_embeddings": 16,
        },
        pooling="mean",
    ),
    "bert-cls": ModelSpec("transformers", {"model_type": "bert", **_TEXT_SIZE}, pooling="cls"),
    "resnet": ModelSpec(
        "transformers",
        {
            "model_type": "resnet",
            "embedding_size": 4,
            "hidden_sizes": [4, 8],
            "depths": [1, 1],
            "layer_type": "basic",
            "pool": [1, 2],
        },
        pooling="mean",
    ),
    "cnn": ModelSpec("cnn", {"channels": [4, 8], "pool": [1, 2]}),
    "cnn-depthwise": ModelSpec("cnn", {"channels": [4, 8, 8], "depthwise": True, "hidden": 6}),
}
_STATIC = {"embedding": 8, "weighted": True, "hidden": [6], "norm": "batch", "dropout": 0.0}
_CONV = {
    "embedding": 8,
    "width": 12,
    "layers": 2,
    "kernel": 3,
    "activation": "maxout",
    "pieces": 3,
    "depthwise": False,
    "norm": "layer",
    "dropout": 0.1,
}
MODELS |= {
    "static": ModelSpec("static", _STATIC, pooling="mean"),
    "static-both": ModelSpec("static", {**_STATIC, "hidden": []}, pooling="both"),
    "conv": ModelSpec("conv", _CONV, pooling="mean"),
    "conv-depthwise": ModelSpec(
        "conv",
        {**_CONV, "width": None, "kernel": 5, "activation": "relu", "depthwise": True},
        pooling="both",
    ),
}
TEXT_MODELS = (
    *("bert", "electra", "distilbert", "bert-cls"),
    *("static", "static-both", "conv", "conv-depthwise"),
)


def is_text(model: str) -> bool:
    return model in TEXT_MODELS


def make_net(model: str, seed: int = 1) -> Net:
    """A net in evaluation mode: text models with a row-level and a token task, others with two."""
    if is_text(model):
        return build_net(
            MODELS[model], [TEXT], [LEFT, LARGER, NER], vocabulary=VOCABULARY, seed=seed
        ).eval()
    return build_net(MODELS[model], [IMAGE], [LEFT, LARGER], seed=seed).eval()


def make_arrays(model: str, batch: int = 3, length: int = 7) -> dict[str, Tensor]:
    """Random arrays; in text, every row but the first is shorter than ``length``."""
    generator = torch.Generator().manual_seed(5)
    if not is_text(model):
        shape = (batch, 1, 12, 20)
        pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        return {"pixel_values": pixels}
    lengths = torch.tensor([max(1, length - 2 * row) for row in range(batch)])
    mask = (torch.arange(length)[None] < lengths[:, None]).long()
    return {
        "input_ids": torch.randint(1, VOCABULARY, (batch, length), generator=generator) * mask,
        "attention_mask": mask,
        "casing_ids": torch.randint(1, 7, (batch, length), generator=generator) * mask,
    }
