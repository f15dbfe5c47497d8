from __future__ import annotations

import numpy as np
import pytest

from kd2edge.teacher.hadamard import hadamard

#: Widths of layers of nets in use.
USUAL = [
    64,
    96,
    128,
    192,
    256,
    312,
    320,
    384,
    512,
    640,
    768,
    896,
    960,
    1024,
    1152,
    1280,
    1408,
    1536,
]


@pytest.mark.parametrize("order", [1, 2, 4, 8, 12, 20, 24, 40, 44, 312, 768])
def test_orthogonal_with_entries_of_one_size(order: int) -> None:
    found = hadamard(order)
    np.testing.assert_allclose(found @ found.T, np.eye(order), atol=1e-12)
    np.testing.assert_allclose(np.abs(found), order**-0.5)


@pytest.mark.parametrize("order", USUAL)
def test_usual_widths_have_one(order: int) -> None:
    assert hadamard(order).shape == (order, order)


@pytest.mark.parametrize("order", [3, 6, 10, 28, 36, 50])
def test_others_are_refused(order: int) -> None:
    with pytest.raises(ValueError, match=f"order {order}"):
        hadamard(order)
