"""A net of DistilBERT's size in ONNX Runtime: raw text to labels of all tasks, for time alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from serve import serve, setting
from texts import Texts
from tokenizers import Tokenizer

GIVEN = setting()
TEXTS = Texts(Path(GIVEN["rows"]))
TOKENIZER = Tokenizer.from_file(GIVEN["tokenizer"])
TOKENIZER.enable_padding()
TOKENIZER.enable_truncation(GIVEN["longest"])


def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(GIVEN["graph"], options, ["CPUExecutionProvider"])


SESSION = _session()
#: Where the scores of each task end.
ENDS = np.cumsum([len(labels) for labels in TEXTS.labels.values()])


def answer(first: int, count: int, batch: int) -> int:
    texts = TEXTS.of("test")
    for at in range(first, first + count, batch):
        pieces = TOKENIZER.encode_batch(texts[at : min(at + batch, first + count)])
        arrays = {
            "input_ids": np.array([one.ids for one in pieces]),
            "attention_mask": np.array([one.attention_mask for one in pieces]),
        }
        (logits,) = SESSION.run(None, arrays)
        for labels, scores in zip(
            TEXTS.labels.values(), np.split(logits, ENDS[:-1], axis=1), strict=True
        ):
            _ = [labels[best] for best in scores.argmax(axis=1)]
    return count


def size() -> int:
    return sum(Path(GIVEN[name]).stat().st_size for name in ("graph", "tokenizer"))


serve({"answer": answer, "size": size}, ("onnxruntime", "tokenizers"))
