"""Many classes in few numbers: the likeliest ones, and a ghost class with the mass of all others.

Top-k logits whose softmax is taken over those k alone teach that nothing else can be: the student
is drawn to be surer than its teacher ever was.  With the mass of the others as one more class the
k + 1 chances are the teacher's own, and the divergence from a student whose other classes are put
together likewise is never more than that of all classes, 0 where the two agree.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kd2edge.tasks.spec import Output

#: More classes than these are worth it.
MANY = 256


class Top(NamedTuple):
    """The likeliest classes of each item.

    Args:
        logits: ``[item, k + 1]``, the ghost last: the logarithm of the sum of all others'
            exponentials.
        classes: ``[item, k]`` which ones they are, likeliest first.
    """

    logits: Tensor
    classes: Tensor


def kept_of(output: Output, top_k: int | None) -> int | None:
    """How many classes of an array are kept; None: all.

    Labels that stand one by one have no mass that could be put together.

    Args:
        output: what the array is.
        top_k: how many the recipe wants of many; None: all.
    """
    if top_k is None or output.activation != "softmax" or output.channels <= MANY:
        return None
    return top_k if output.channels > top_k + 1 else None


def index_dtype(channels: int) -> str:
    """What holds the classes of so many channels."""
    return "int16" if channels <= 2**15 else "int32"


def bytes_of(output: Output, top_k: int | None) -> tuple[int, ...]:
    """Bytes of an item in each column of a cache: float16 logits, and their classes if not all."""
    k = kept_of(output, top_k)
    if k is None:
        return (2 * output.channels,)
    return 2 * (k + 1), k * np.dtype(index_dtype(output.channels)).itemsize


def top_of(logits: Tensor, k: int) -> Top:
    """The likeliest ``k`` classes of every item, less its largest logit.

    So what is stored lies where float16 is finest, and a tail far below the rest keeps its size;
    a softmax does not see what was taken off.

    Args:
        logits: ``[..., class]`` of more than ``k`` classes; NaN for an item that nobody saw.
        k: how many.
    """
    found = logits.topk(k, dim=-1)
    top = merged(logits, found.indices)
    return Top(top - found.values[..., :1], found.indices)


def merged(logits: Tensor, classes: Tensor) -> Tensor:
    """Logits of some classes and of all others together ``[item, k + 1]``.

    Args:
        logits: ``[item, class]``.
        classes: ``[item, k]``, each once in an item, and not all there are.
    """
    others = logits.scatter(-1, classes, -torch.inf).logsumexp(-1, keepdim=True)
    return torch.cat([logits.gather(-1, classes), others], dim=-1)


def placed(labels: Tensor, classes: Tensor) -> Tensor:
    """Where labels ``[item]`` stand among the k + 1; what is no class (``MISSING``) stays.

    Args:
        labels: class indices ``[item]``.
        classes: ``[item, k]``.
    """
    same = classes == labels.unsqueeze(-1)  # [item, k]
    among = torch.where(same.any(-1), same.int().argmax(-1), classes.shape[-1])
    return torch.where(labels < 0, labels, among)
