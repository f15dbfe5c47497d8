"""Attention of ``transformers``' encoders, as the device at hand computes it fast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

#: By this name a configuration asks for :func:`attention`.
NAME = "kd2edge"
#: Scores of all heads of a batch that may be kept for the way back: 64 MB a layer in bf16.
_MOST_SCORES = 1 << 25


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    *,
    scaling: float,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[Tensor, None]:
    """What each position takes from all others: Vaswani et al. 2017, equation 1.

    Torch's fused attention, but on a CPU in bf16: there its way back is slow (of torch 2.13; over
    18 positions it takes nine times as long as in fp32, and 58 % of a small student's step), and
    plain products are faster at every length.  They keep all scores: many go the fused way.

    Args:
        module: the layer.
        query: ``[batch, head, position, width]``.
        key: likewise.
        value: likewise.
        attention_mask: ``[batch, 1, 1 or position, position]``, added to the scores.
        scaling: of the scores.
        dropout: of the weights.
        options: further ones, for the fused way.

    Returns:
        ``[batch, position, head, width]``, and no weights.
    """
    is_plain = query.dtype == torch.bfloat16 and query.device.type == "cpu"
    if not is_plain or query.shape[:3].numel() * key.shape[2] > _MOST_SCORES:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
    scores = torch.matmul(query, key.transpose(2, 3)) * scaling + attention_mask.to(query.dtype)
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
