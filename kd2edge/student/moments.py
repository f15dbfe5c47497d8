"""What passes through a teacher's modules on some rows: means and covariances over its pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from kd2edge.errors import UsageError
from kd2edge.nets.net import Net, first_tensor
from kd2edge.nets.watched import watched
from kd2edge.student.embeddings import worded

__all__ = ["Arrays", "Moments", "moments_of", "walk"]

#: Arrays of a batch by name, as a net takes them.
Arrays = Mapping[str, Tensor]

#: Called with a module's path, what it was given and what it gave, ``[piece, width]`` each.
_See = Callable[[str, Tensor, Tensor], None]


@dataclass(frozen=True, slots=True)
class Moments:
    """Of vectors that fall into blocks of channels of one size.

    Args:
        mean: ``[width]``.
        covariance: ``[block, size, size]`` inside each block; of blocks of 1 the variances.
    """

    mean: Tensor
    covariance: Tensor


@final
class _Sums:
    """Sums of vectors, and of products inside each block, in fp64."""

    def __init__(self, size: int) -> None:
        self._size, self._count = size, 0
        self._sum = self._products = torch.zeros(())

    def add(self, vectors: Tensor) -> None:
        """Count ``[piece, width]``."""
        blocks = vectors.unflatten(1, (-1, self._size))  # [piece, block, size]
        self._count += len(vectors)
        self._sum = self._sum + vectors.sum(0)
        # Blocks of 1 are thousands of tiny matrices to einsum, and one sum to us.
        alone = self._size == 1
        self._products = self._products + (
            blocks.square().sum(0)[:, :, None]
            if alone
            else torch.einsum("pbi,pbj->bij", blocks, blocks)
        )

    def moments(self) -> Moments:
        """What they come to.

        Raises:
            UsageError: nothing was counted.
        """
        if not self._count:
            raise UsageError(
                "init channels: none of the training rows that the teacher is shown has a visible"
                " piece of the text; let another start do (`embeddings: output` or `svd`)"
            )
        mean = self._sum / self._count
        blocks = mean.unflatten(0, (-1, self._size))
        outer = torch.einsum("bi,bj->bij", blocks, blocks)
        return Moments(mean, self._products / self._count - outer)


def moments_of(
    net: Net, given: Mapping[str, int], gave: Iterable[str], batches: Iterable[Arrays]
) -> dict[str, Moments]:
    """Moments of what some modules are given, in blocks, and of what others give, by path.

    Args:
        net: a transformer of text on the CPU.
        given: path -> size of the blocks of what the module there is given.
        gave: paths of those of which what they give counts, channel by channel.
        batches: rows as the net reads them, with a visible piece at least.
    """
    sums = {path: _Sums(size) for path, size in given.items()}
    sums |= {path: _Sums(1) for path in gave}
    walk(
        net,
        sums,
        batches,
        lambda path, taken, made: sums[path].add(taken if path in given else made),
    )
    return {path: one.moments() for path, one in sums.items()}


@torch.no_grad()
def walk(net: Net, paths: Iterable[str], batches: Iterable[Arrays], see: _See) -> None:
    """Show the visible pieces of some rows as they pass modules of the backbone, in fp64.

    Args:
        net: a transformer of text on the CPU; it is put into evaluation mode.
        paths: of the modules.
        batches: rows as the net reads them.
        see: what looks.
    """
    name, branch = worded(net, "teacher")
    (prefix,) = (spec.prefix for spec in net.inputs if spec.name == name)
    modules = {path: branch.backbone.get_submodule(path) for path in paths}
    net.eval()
    for arrays in batches:
        visible = arrays[f"{prefix}attention_mask"].bool()

        def keep(path: str, taken: Any, made: Any, visible: Tensor = visible) -> None:
            output = first_tensor(made)
            assert output is not None
            see(path, taken[0][visible].double(), output[visible].double())

        with watched(modules, keep):
            branch.adapter(branch.backbone, arrays)
