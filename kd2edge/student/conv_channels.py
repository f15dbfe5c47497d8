"""Start a CNN with fewer channels from those of a teacher's whose kernels are largest.

Li et al. 2017, "Pruning Filters for Efficient ConvNets" (arXiv:1608.08710, sections 3.1 and 3.3):
filters of the smallest sum of absolute weights go, and with each the channel that it made in what
reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from kd2edge.errors import UsageError
from kd2edge.nets.backbones.cnn import Cnn
from kd2edge.nets.backbones.dense import Dense
from kd2edge.nets.backbones.image import ImageAdapter
from kd2edge.nets.net import Branch, Net
from kd2edge.student.largest import largest
from kd2edge.student.mapped import Mapped

#: What makes channels, and the batch norm behind it.
_Block = tuple[nn.Conv2d | nn.Linear, nn.Module]


@torch.no_grad()
def conv_channels(student: Net, teacher: Net) -> Mapped:
    """Start every stage of ``student``, batch norms with their statistics included, in place.

    From input to output: a filter's norm counts the channels alone that are kept in front of it
    (the paper's greedy way).  A depthwise convolution has the channels that it is given.  Where
    both nets have a hidden layer behind the same grid, and the student's is not the larger one, it
    is started likewise; else it stays fresh.

    With equal sizes everything is copied as it is, and channels that are always 0 are no loss.
    What ``explained`` says is the share of absolute weights.

    Args:
        student: the net to start.
        teacher: the net to start from; it is not changed.

    Raises:
        UsageError: nets that are no CNNs, of other stages, or a student with more channels.
    """
    own, given = _cnn(student, "student"), _cnn(teacher, "teacher")
    ours, theirs = list(_blocks(own.backbone)), list(_blocks(given.backbone))
    _require_fits(own.backbone, given.backbone)
    kept = torch.arange(ours[0][0].weight.shape[1])
    found = whole = 0.0
    for mine, its in zip(ours, theirs, strict=True):
        kept = _start(mine, its, kept)
        found += float(mine[0].weight.double().abs().sum())
        whole += float(its[0].weight.double().abs().sum())
    stages = cast("Cnn", own.backbone).stages
    parts = [f"stages.{at}" for at in range(len(stages))]
    if _start_hidden(own.adapter, given.adapter, kept):
        parts.append("adapter.hidden")
    counts = [sum(len(conv.weight) for conv, _ in blocks) for blocks in (ours, theirs)]
    return Mapped(
        tuple(parts),
        found / whole if whole and counts[0] < counts[1] else 1.0,
        by_values=counts[0] < counts[1],
        source=f"{counts[0]} of {counts[1]} channels",
    )


def _cnn(net: Net, who: str) -> Branch:
    found = [branch for branch in net.branches.values() if isinstance(branch.backbone, Cnn)]
    if len(found) != 1:
        raise UsageError(
            f"init convolutions: expected one input that a cnn reads, found {len(found)} in the"
            f" {who}; leave convolutions out of init"
        )
    return found[0]


def _blocks(backbone: nn.Module) -> Iterator[_Block]:
    """Convolutions with the norms behind them, in the order in which they run."""
    modules = [one for one in backbone.modules() if isinstance(one, (nn.Conv2d, nn.BatchNorm2d))]
    for conv, norm in zip(modules[::2], modules[1::2], strict=True):
        assert isinstance(conv, nn.Conv2d)
        yield conv, norm


def _require_fits(ours: nn.Module, theirs: nn.Module) -> None:
    """Stages of one form, none of them with more channels than the teacher's.

    Raises:
        UsageError: they are not.
    """
    forms = [[_form(one) for one in net.modules() if not list(one.children())]
             for net in (ours, theirs)]  # fmt: skip
    if forms[0] != forms[1]:
        found = next(
            (f"{one} and {other}" for one, other in zip(*forms, strict=False) if one != other),
            f"{len(forms[0])} and {len(forms[1])} modules",
        )
        raise UsageError(
            "init convolutions: student and teacher are of different forms"
            f" ({found}); let them agree in all but `channels`"
        )
    pairs = list(zip(_blocks(ours), _blocks(theirs), strict=True))
    counts = [(len(mine.weight), len(its.weight)) for (mine, _), (its, _) in pairs]
    larger = next(((one, other) for one, other in counts if one > other), None)
    if larger is not None:
        raise UsageError(
            f"init convolutions: a stage of the student has {larger[0]} channels, the teacher's"
            f" {larger[1]}: expected {larger[1]} at most"
        )
    first, other = (next(_blocks(net))[0].weight.shape[1] for net in (ours, theirs))
    if first != other:
        raise UsageError(
            f"init convolutions: the student's images have {first} channels, the teacher's {other};"
            " let both read the same"
        )


def _form(module: nn.Module) -> str:
    if not isinstance(module, nn.Conv2d):
        return type(module).__name__
    apart = "depthwise " if module.groups > 1 else ""
    return f"{apart}convolution of {module.kernel_size}, stride {module.stride}"


def _start(ours: _Block, theirs: _Block, given: Tensor) -> Tensor:
    """Start a block that is given some channels; which of the teacher's it gives."""
    weight = theirs[0].weight
    if getattr(theirs[0], "groups", 1) > 1:
        kept, weight = given, weight[given]
    else:
        weight = weight[:, given]
        kept = largest(weight.double().abs().flatten(1).sum(1), len(ours[0].weight))
        weight = weight[kept]
    ours[0].weight.copy_(weight)
    if ours[0].bias is not None and theirs[0].bias is not None:
        ours[0].bias.copy_(theirs[0].bias[kept])
    values = theirs[1].state_dict()
    ours[1].load_state_dict({name: one[kept] if one.ndim else one for name, one in values.items()})
    return kept


def _start_hidden(ours: nn.Module, theirs: nn.Module, kept: Tensor) -> bool:
    """Start the layer that reads the averaged map, channel by channel and cell by cell."""
    assert isinstance(ours, ImageAdapter)
    assert isinstance(theirs, ImageAdapter)
    mine, its = ours.hidden, theirs.hidden
    if not isinstance(mine, Dense) or not isinstance(its, Dense) or ours.grid != theirs.grid:
        return False
    if mine.linear.out_features > its.linear.out_features:
        return False
    cells = ours.grid[0] * ours.grid[1]
    columns = (kept[:, None] * cells + torch.arange(cells)).flatten()
    _start((mine.linear, mine.norm), (its.linear, its.norm), columns)
    return True
