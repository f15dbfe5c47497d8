"""How little a teacher knows of an item: its entropy, as a share of the largest that there is.

One measure for the join and for the schedules that weigh by it, so that 0 and 1 mean the same to
both, whatever a cache keeps.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kd2edge.tasks.spec import Output


def doubt(logits: Tensor, output: Output) -> Tensor:
    """From 0, one answer alone can be, to 1, all are as likely: ``[...]``.

    Of a softmax over C classes the entropy over log C.  Where the last logit is of all the others
    together (see ``teacher.top_k``), their chance is taken for spread evenly over them: the most
    that the entropy can be, and what it is of a teacher that knows nothing of them.  Of a sigmoid
    the mean over labels of each one's yes and no.

    Args:
        logits: ``[..., channel]``, at temperature 1.
        output: what the array is.  Of more channels than the logits have, the last is of the rest.
    """
    if output.activation == "sigmoid":
        yes_and_no = torch.stack([logits.sigmoid(), (-logits).sigmoid()])
        return (torch.special.entr(yes_and_no).sum(0).mean(-1) / math.log(2)).clamp(0, 1)
    if output.channels == 1:
        return torch.zeros_like(logits[..., 0])
    chances = logits.softmax(-1)
    together = output.channels - logits.shape[-1] + 1
    entropy = torch.special.entr(chances).sum(-1) + chances[..., -1] * math.log(together)
    return (entropy / math.log(output.channels)).clamp(0, 1)
