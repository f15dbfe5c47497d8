"""kd2edge on words: raw words to the answers of every task."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from ours import about, size
from serve import serve, setting
from words import Words

from kd2edge.runtime import load

GIVEN = setting()
WORDS = Words(Path(GIVEN["rows"]))
MODEL = load(GIVEN["bundle"], artefact=GIVEN["artefact"], threads=1)
COLUMN = next(iter(MODEL.inputs))
_PASS = 64


def said(split: str, out: str) -> None:
    """Task -> a label for every word of every sentence; null where it decided nothing."""
    sentences, found = WORDS.of(split), {task: [] for task in GIVEN["tasks"]}
    for at in range(0, len(sentences), _PASS):
        raw = {COLUMN: sentences[at : at + _PASS]}
        encoded = MODEL.encode(raw)
        for task, decoded in MODEL.decode(MODEL.logits(raw), encoded, tasks=found).items():
            names, labels = MODEL.tasks[task].labels, decoded.labels
            for row in range(labels.rows):
                found[task].append([names[one] if one >= 0 else None for one in labels.row(row)])
    Path(out).write_text(json.dumps(found), encoding="utf-8")


def answer(first: int, count: int, batch: int) -> int:
    """How many words were answered."""
    sentences = WORDS.of("test")[first : first + count]
    for at in range(0, count, batch):
        MODEL.predict({COLUMN: sentences[at : at + batch]}, tasks=GIVEN["tasks"])
    return int(np.sum([len(one) for one in sentences]))


serve(
    {
        "said": said,
        "answer": answer,
        "size": lambda: size(GIVEN["bundle"], MODEL),
        "about": lambda: about(MODEL),
    },
    ("kd2edge", "numpy", "onnxruntime", "tokenizers"),
)
