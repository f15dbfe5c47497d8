"""Many classes in few numbers: the likeliest ones, and a ghost class with the mass of all others.

Top-k logits whose softmax is taken over those k alone teach that nothing else can be: the student
is drawn to be surer than its teacher ever was.  With the mass of the others as one more class the
k + 1 chances are the teacher's own, *at the temperature that they are asked for at*: the ghost's
logit is another at each (see ``teacher.tail``).  The divergence from a student whose other classes
are put together likewise, at the same temperature, is then never more than that of all classes (the
data processing inequality), and 0 where the two agree.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kd2edge.tasks.spec import Output
from kd2edge.teacher.tail import TEMPERATURES, curve_of, logit_at

#: More classes than these are worth it.
MANY = 256


class Top(NamedTuple):
    """The likeliest classes of each item.

    Args:
        logits: ``[item, k]``.
        classes: ``[item, k]`` which ones they are, likeliest first.
        tail: ``[item, temperature]`` all others together (see ``teacher.tail``).
    """

    logits: Tensor
    classes: Tensor
    tail: Tensor

    def at(self, temperature: float | Tensor) -> Tensor:
        """The same in the form that losses read: ``[item, k + 1]``, the ghost last.

        Args:
            temperature: that the logits are divided by; one number, or ``[item, 1]``.
        """
        return torch.cat([self.logits, logit_at(self.tail, temperature)], dim=-1)


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
    """Bytes of an item in each column of a cache.

    Float16 logits; and, if not all classes are kept, which they are, and float16 numbers of others.
    """
    k = kept_of(output, top_k)
    if k is None:
        return (2 * output.channels,)
    return 2 * k, k * np.dtype(index_dtype(output.channels)).itemsize, 2 * len(TEMPERATURES)


def top_of(logits: Tensor, k: int) -> Top:
    """The likeliest ``k`` classes of every item, less its largest logit.

    So what is stored lies where float16 is finest, and a tail far below the rest keeps its size;
    a softmax does not see what was taken off.

    Args:
        logits: ``[..., class]`` of more than ``k`` classes; NaN for an item that nobody saw.
        k: how many.
    """
    found = logits.topk(k, dim=-1)
    most = found.values[..., :1]
    others = (logits - most).scatter(-1, found.indices, -torch.inf)
    return Top(found.values - most, found.indices, curve_of(others))


def merged(logits: Tensor, classes: Tensor, temperature: float | Tensor) -> Tensor:
    """Logits of some classes and of all others together ``[item, k + 1]``.

    Args:
        logits: ``[item, class]``.
        classes: ``[item, k]``, each once in an item, and not all there are.
        temperature: that the logits are divided by; one number, or ``[item, 1]``.
    """
    # Divided first: a learned temperature has no gradient at what is -inf.
    others = (logits / temperature).scatter(-1, classes, -torch.inf).logsumexp(-1, keepdim=True)
    return torch.cat([logits.gather(-1, classes), others * temperature], dim=-1)


def placed(labels: Tensor, classes: Tensor) -> Tensor:
    """Where labels ``[item]`` stand among the k + 1; what is no class (``MISSING``) stays.

    Args:
        labels: class indices ``[item]``.
        classes: ``[item, k]``.
    """
    same = classes == labels.unsqueeze(-1)  # [item, k]
    among = torch.where(same.any(-1), same.int().argmax(-1), classes.shape[-1])
    return torch.where(labels < 0, labels, among)


def with_labels(
    logits: Tensor, classes: Tensor, labels: Tensor, temperature: float | Tensor, channels: int
) -> tuple[Tensor, Tensor]:
    """The same of classes among which each item's label is.

    A label in the ghost takes the place of the least likely class that was kept, which goes into
    the ghost.  What a teacher thinks of it is taken for an even part of the ghost, so off by less
    than the chance of the class that gives way: both are below that.

    Args:
        logits: ``[item, k + 1]``, the ghost last.
        classes: ``[item, k]``, likeliest first.
        labels: class indices ``[item]``; below 0: none, and nothing changes.
        temperature: at which the ghost was asked for; one number, or ``[item, 1]``.
        channels: how many classes there are.

    Returns:
        Logits ``[item, k + 1]`` and classes ``[item, k]``.
    """
    label = labels.unsqueeze(-1)  # [item, 1]
    hidden = (label >= 0) & (classes != label).all(-1, keepdim=True)
    last, ghost = logits[:, -2:-1], logits[:, -1:]
    others = channels - classes.shape[-1]
    even = ghost / temperature - math.log(others)
    left = torch.logaddexp(last / temperature, even + math.log(others - 1))
    own = torch.where(hidden, even * temperature, last)
    rest = torch.where(hidden, left * temperature, ghost)
    return (
        torch.cat([logits[:, :-2], own, rest], dim=-1),
        torch.cat([classes[:, :-1], torch.where(hidden, label, classes[:, -1:])], dim=-1),
    )
