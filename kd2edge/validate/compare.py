"""Two sets of logits for the same items, in the numbers that level 2 states."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kd2edge.runtime.golden import relative_rms
from kd2edge.tasks.spec import Activation, Output
from kd2edge.validate.validation import NumberResult

__all__ = ["compare_logits"]

Floats = npt.NDArray[np.float64]
#: Share of the labels' spread by which values may differ and still be much the same: whether they
#: are in one way to batch and not in another is what level 2 asks of int8.
_CLOSE = 0.1

Bools = npt.NDArray[np.bool_]


def compare_logits(
    way: str, output: Output, wanted: Floats, found: Floats, rows: int
) -> NumberResult:
    """Compare logits ``[item, C]``; words that both leave out (NaN: cut off) are passed over.

    Args:
        way: how the artefact was asked, for the result.
        output: what the array is.
        wanted: ``[item, C]`` what PyTorch gave.
        found: ``[item, C]`` what the artefact gives.
        rows: that the items belong to.
    """
    if wanted.shape != found.shape:
        return NumberResult(way, rows, float("inf"), 0.0, float("inf"), 0.0, float("inf"))
    kept = ~np.isnan(wanted).all(axis=-1)
    wanted, found = wanted[kept], found[kept]
    if not len(wanted):
        return NumberResult(way, rows, 0.0, 1.0, 0.0, 1.0)
    if not np.isfinite(found).all():
        return NumberResult(way, rows, float("inf"), 0.0, float("inf"), 0.0, float("inf"))
    activation = output.activation
    return NumberResult(
        way=way,
        rows=rows,
        max_abs=float(np.abs(wanted - found).max()),
        cosine=float(_cosine(wanted, found).min()),
        kl=float(_divergence(activation, wanted, found).mean()),
        top1=float(np.mean(_same_decisions(activation, wanted, found))),
        rms=relative_rms(wanted, found),
    )


def _cosine(a: Floats, b: Floats) -> Floats:
    sizes = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    # Two zero vectors point the same way, for this purpose.
    return np.where(
        sizes > 0, (a * b).sum(axis=-1) / np.maximum(sizes, 1e-300), 1.0 * (a == b).all(-1)
    )


def _same_decisions(activation: Activation, wanted: Floats, found: Floats) -> Bools:
    """Which items are decided alike: at equal chances; values, which are standardised, about so."""
    if activation == "softmax":
        return wanted.argmax(axis=-1) == found.argmax(axis=-1)
    if activation == "sigmoid":
        return ((wanted > 0) == (found > 0)).all(axis=-1)
    apart: Floats = np.abs(found - wanted).max(axis=-1)
    return apart <= _CLOSE


def _divergence(activation: Activation, wanted: Floats, found: Floats) -> Floats:
    """KL(wanted || found) an item, in nats, summed over labels that stand one by one."""
    if activation == "none":
        return np.zeros(len(wanted))
    if activation == "sigmoid":  # one logit stands for two classes
        wanted, found = (np.stack([np.zeros_like(part), part], axis=-1) for part in (wanted, found))
    p, q = _log_softmax(wanted), _log_softmax(found)
    each = np.maximum((np.exp(p) * (p - q)).sum(axis=-1), 0.0)
    return each.sum(axis=-1) if each.ndim > 1 else each


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
