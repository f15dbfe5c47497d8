"""Start a student's layers from some of the teacher's, as they are.

Sanh et al. 2019, "DistilBERT" (arXiv:1910.01108, section 3); which ones to take: Sajjad et al.
2023, see :mod:`kd2edge.nets.chosen_layers`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from kd2edge.errors import UsageError
from kd2edge.nets.chosen_layers import chosen_layers
from kd2edge.nets.net import Net
from kd2edge.student.mapped import Mapped

#: Where a backbone keeps its list of layers.
_LISTS = ("encoder.layer", "transformer.layer")


@torch.no_grad()
def copy_layers(student: Net, teacher: Net, layers: Sequence[int] | str) -> Mapped:
    """Copy layer ``layers[i]`` of the teacher into layer ``i`` of the student, in place.

    Args:
        student: the net to start.
        teacher: the net to start from; it is not changed.
        layers: of the teacher, counted from 0, or a word of :func:`chosen_layers`, by which every
            layer of the student gets one.

    Raises:
        UsageError: nets without such layers, too many or unknown layers, or widths that differ.
    """
    (path, _), ours, theirs, taken = matched_layers(student, teacher, layers)
    for index, source in enumerate(taken):
        _require_same_shapes(ours[index], theirs[source], index, source)
    for index, source in enumerate(taken):
        ours[index].load_state_dict(theirs[source].state_dict())
    parts = tuple(f"{path}.{index}" for index in range(len(taken)))
    said = ", ".join(map(str, taken))
    return Mapped(parts, 1.0, source=f"layer{'s' * (len(taken) != 1)} {said}")


def matched_layers(
    student: Net, teacher: Net, layers: Sequence[int] | str
) -> tuple[tuple[str, str], nn.ModuleList, nn.ModuleList, list[int]]:
    """Both nets' layers: where each keeps them, the lists, and which of the teacher's are taken.

    Raises:
        UsageError: nets without such layers, too many or unknown layers.
    """
    path, ours = _layers(student, "student")
    place, theirs = _layers(teacher, "teacher")
    if isinstance(layers, str):
        layers = chosen_layers(layers, len(ours), len(theirs))
    if len(layers) > len(ours):
        raise UsageError(
            f"init layers {list(layers)}: the student has {len(ours)} layers,"
            f" fewer than the {len(layers)} named"
        )
    unknown = [index for index in layers if not 0 <= index < len(theirs)]
    if unknown:
        raise UsageError(
            f"init layers {list(layers)}: the teacher has layers 0 to {len(theirs) - 1},"
            f" not {unknown}"
        )
    return (path, place), ours, theirs, list(layers)


def _layers(net: Net, who: str) -> tuple[str, nn.ModuleList]:
    found = {
        (name, path): layers
        for name, branch in net.branches.items()
        for path, layers in branch.backbone.named_modules()
        if path in _LISTS and isinstance(layers, nn.ModuleList)
    }
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise UsageError(f"init layers: the {who} has layers for several inputs: {names}")
    for (_, path), layers in found.items():
        return path, layers
    raise UsageError(f"init layers: the {who} has no list of layers at {' or '.join(_LISTS)}")


def _require_same_shapes(ours: nn.Module, theirs: nn.Module, index: int, source: int) -> None:
    have = {name: tuple(value.shape) for name, value in ours.state_dict().items()}
    give = {name: tuple(value.shape) for name, value in theirs.state_dict().items()}
    wrong = sorted(name for name in have.keys() | give.keys() if have.get(name) != give.get(name))
    if wrong:
        raise UsageError(
            f"init layers: the teacher's layer {source} does not fit the student's layer {index}:"
            f" {wrong[0]} is {give.get(wrong[0])} there and {have.get(wrong[0])} here;"
            " layers are copied between equal widths only, leave layers out of init"
        )
