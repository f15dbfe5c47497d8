"""A graph of DistilBERT's size with random weights: how long it takes does not depend on them."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Settings of the configuration that are not those of ``distilbert-base-uncased``.
Changes = Mapping[str, Any]


def graph(labels: int, changes: Changes) -> bytes:
    """An ONNX graph ``input_ids, attention_mask [batch, length] -> logits [batch, labels]``."""
    import torch
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    torch.manual_seed(0)
    config = DistilBertConfig(num_labels=labels, attn_implementation="eager", **changes)
    net = DistilBertForSequenceClassification(config).eval()
    rows = torch.ones((2, 8), dtype=torch.int64)
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=512)}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net,
            kwargs={"input_ids": rows, "attention_mask": rows},
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes={"input_ids": sizes, "attention_mask": sizes},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    text = io.BytesIO()
    program.save(text)
    return text.getvalue()


def cached(folder: Path, labels: int, changes: Changes) -> Path:
    """The dynamic int8 of :func:`graph` as ONNX Runtime's quantizer makes it by default."""
    from peers import quantized_by_default

    changed = "".join(f"-{key}-{value}" for key, value in sorted(changes.items()))
    path = folder / f"distilbert-{labels}{changed}-int8.onnx"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(quantized_by_default(graph(labels, changes)))
    return path
