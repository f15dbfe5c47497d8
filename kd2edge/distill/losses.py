"""Losses as pure functions: a value an item (a row or a word), and the mean over those that count.

Soft losses carry the factor T^2: the gradient of softened logits shrinks like 1 / T^2, and the
factor keeps it comparable with that of the hard loss at every T (Hinton, Vinyals and Dean 2015).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from kd2edge.tasks.spec import MISSING

#: One for all items, or ``[item, 1]``.
Temperature = float | Tensor


def kl(student: Tensor, teacher: Tensor, temperature: Temperature) -> Tensor:
    """T^2 times KL(teacher || student) of the softened softmax: ``[item, class]`` -> ``[item]``."""
    target = F.log_softmax(teacher / temperature, dim=-1)
    output = F.log_softmax(student / temperature, dim=-1)
    divergence = F.kl_div(output, target, reduction="none", log_target=True)  # [item, class]
    return divergence.sum(-1) * _squared(temperature)


def binary_kl(student: Tensor, teacher: Tensor, temperature: Temperature) -> Tensor:
    """T^2 times KL of the softened yes and no: logits of yes ``[item, label]`` -> ``[item]``.

    The same as :func:`kl` of the two logits (0, yes), summed over labels.
    """
    target = teacher / temperature
    probability = target.sigmoid()
    # Cross entropy less entropy, both by the same fused call: exactly 0 where the two agree.
    crossed = F.binary_cross_entropy_with_logits(
        student / temperature, probability, reduction="none"
    )
    entropy = F.binary_cross_entropy_with_logits(target, probability, reduction="none")
    return (crossed - entropy).sum(-1) * _squared(temperature)


def cross_entropy(student: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross entropy of ``[item, class]`` with class indices ``[item]``; 0 where ``MISSING``."""
    return F.cross_entropy(
        student, labels, ignore_index=MISSING, reduction="none", label_smoothing=smoothing
    )


def binary_cross_entropy(student: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross entropy of logits of yes ``[item, 1]`` with 0, 1 ``[item]``; finite if ``MISSING``."""
    target = (labels == 1).to(student.dtype) * (1 - smoothing) + smoothing / 2
    return F.binary_cross_entropy_with_logits(student.squeeze(-1), target, reduction="none")


def cosine(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the cosine of two vectors ``[item, width]`` -> ``[item]``."""
    return 1 - F.cosine_similarity(student, teacher, dim=-1)


def mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of two vectors ``[item, width]`` -> ``[item]``."""
    return (student - teacher).square().mean(-1)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of finite ``values`` ``[item]`` under ``weights`` ``[item]``; 0 when nothing counts."""
    return values.dot(weights / weights.sum().clamp(min=1e-12))


def _squared(temperature: Temperature) -> float | Tensor:
    squared = temperature**2
    return squared.squeeze(-1) if isinstance(squared, Tensor) else squared
