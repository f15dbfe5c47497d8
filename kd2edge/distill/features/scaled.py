"""Numbers brought to a size whose squares float32 can hold."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

#: Below this everything is taken for zero: such features are rounding errors of others.
_LEAST = 1e-12
#: Squared length up to which a vector has no direction.
_SHORTEST = 1e-12


def scaled(values: Tensor, dims: Sequence[int]) -> Tensor:
    """Values divided by the largest magnitude over ``dims``, which is held constant.

    For losses that do not depend on that scale, which makes the gradient the exact one: of
    ``f(x) = f(x / s)`` for every ``s`` the derivative is ``f'(x / s) / s``.

    Args:
        values: finite.
        dims: over which one scale is taken.
    """
    return values / values.detach().abs().amax(tuple(dims), keepdim=True).clamp(min=_LEAST)


def directions(vectors: Tensor) -> Tensor:
    """Vectors ``[..., width]``, ``scaled``, divided by their lengths.

    The slope of a direction has no bound near 0, where a float32 holds rounding errors alone: a
    vector up to a millionth long has the direction 0, and no slope.
    """
    squares = vectors.square().sum(-1, keepdim=True)
    return vectors * (squares > _SHORTEST) / squares.clamp(min=_SHORTEST).sqrt()
