"""Hadamard matrices: orthogonal, every entry of the same size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def hadamard(order: int) -> Matrix:
    """A Hadamard matrix ``[order, order]`` divided by the root of its order: orthogonal.

    Sylvester's doubling of a matrix of Paley's first kind, whose order is a prime plus one: more
    than half of the multiples of 4 up to 1,000, and all usual widths of layers.

    Raises:
        ValueError: no such matrix of this order.
    """
    core = order
    while core > 2:
        if core % 4 == 0 and _is_prime(core - 1):
            break
        if core % 2:
            raise ValueError(
                f"no Hadamard matrix of order {order} is known here: it would be a prime plus one,"
                " times a power of two"
            )
        core //= 2
    matrix = _paley(core - 1) if core > 2 else np.ones((1, 1))
    while len(matrix) < order:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix / np.sqrt(order)


def _paley(prime: int) -> Matrix:
    """Order ``prime + 1``, for a prime that leaves 3 when divided by 4 (Paley 1933)."""
    character = -np.ones(prime)
    character[np.arange(1, prime) ** 2 % prime] = 1  # squares
    character[0] = 0
    at = np.arange(prime)
    skew = np.zeros((prime + 1, prime + 1))
    skew[0, 1:], skew[1:, 0] = 1, -1
    skew[1:, 1:] = character[(at[:, None] - at) % prime]
    return skew + np.eye(prime + 1)


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % one for one in range(2, int(number**0.5) + 1))
