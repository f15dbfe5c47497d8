"""kd2edge on sentences: raw text to the answers of every task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ours import about, size
from serve import serve, setting
from texts import Texts

from kd2edge.runtime import load

GIVEN = setting()
TEXTS = Texts(Path(GIVEN["rows"]))
MODEL = load(GIVEN["bundle"], artefact=GIVEN["artefact"], threads=1)
COLUMN = next(iter(MODEL.inputs))
_PASS = 256


def scores(split: str, out: str) -> None:
    """Logits ``[row, C]`` a task, and what else its head gives."""
    texts = TEXTS.of(split)
    parts = [MODEL.logits({COLUMN: texts[at : at + _PASS]}) for at in range(0, len(texts), _PASS)]
    names = [one for one in parts[0] if one.partition(".")[0] in TEXTS.tasks]
    np.savez(out, **{name: np.concatenate([part[name] for part in parts]) for name in names})


def answer(first: int, count: int, batch: int) -> int:
    texts = TEXTS.of("test")
    for at in range(first, first + count, batch):
        MODEL.predict({COLUMN: texts[at : min(at + batch, first + count)]}, tasks=TEXTS.tasks)
    return count


serve(
    {
        "scores": scores,
        "answer": answer,
        "size": lambda: size(GIVEN["bundle"], MODEL),
        "about": lambda: about(MODEL),
    },
    ("kd2edge", "numpy", "onnxruntime", "tokenizers"),
)
