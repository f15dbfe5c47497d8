"""Two sets of logits for the same items, in the numbers that level 2 states."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kd2edge.runtime.golden import relative_rms
from kd2edge.tasks.spec import TaskSpec
from kd2edge.validate.validation import NumberResult

__all__ = ["compare_logits"]

Floats = npt.NDArray[np.float64]


def compare_logits(
    way: str, spec: TaskSpec, wanted: Floats, found: Floats, rows: int
) -> NumberResult:
    """Compare logits ``[item, C]``; words that both leave out (NaN: cut off) are passed over."""
    if wanted.shape != found.shape:
        return NumberResult(way, rows, float("inf"), 0.0, float("inf"), 0.0, float("inf"))
    kept = ~np.isnan(wanted).all(axis=-1)
    wanted, found = wanted[kept], found[kept]
    if not len(wanted):
        return NumberResult(way, rows, 0.0, 1.0, 0.0, 1.0)
    if not np.isfinite(found).all():
        return NumberResult(way, rows, float("inf"), 0.0, float("inf"), 0.0, float("inf"))
    return NumberResult(
        way=way,
        rows=rows,
        max_abs=float(np.abs(wanted - found).max()),
        cosine=float(_cosine(wanted, found).min()),
        kl=float(_divergence(spec, wanted, found).mean()),
        top1=float(np.mean(_decided(wanted) == _decided(found))),
        rms=relative_rms(wanted, found),
    )


def _cosine(a: Floats, b: Floats) -> Floats:
    sizes = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    # Two zero vectors point the same way, for this purpose.
    return np.where(
        sizes > 0, (a * b).sum(axis=-1) / np.maximum(sizes, 1e-300), 1.0 * (a == b).all(-1)
    )


def _decided(logits: Floats) -> npt.NDArray[np.int64]:
    return (logits[:, 0] > 0).astype(np.int64) if logits.shape[-1] == 1 else logits.argmax(axis=-1)


def _divergence(spec: TaskSpec, wanted: Floats, found: Floats) -> Floats:
    """KL(wanted || found) an item, in nats; one logit stands for two classes."""
    if spec.kind == "binary":
        wanted, found = (
            np.concatenate([np.zeros_like(part), part], -1) for part in (wanted, found)
        )
    p, q = _log_softmax(wanted), _log_softmax(found)
    return np.maximum((np.exp(p) * (p - q)).sum(axis=-1), 0.0)


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
