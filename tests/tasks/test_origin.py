from __future__ import annotations

import numpy as np

from kd2edge.tasks.origin import NO_ORIGIN, Origin

FIRST = Origin([[(0, 2, "up")], []], np.array([[4, 6], [8, 8]]))
SECOND = Origin([[(0, 1, "a")]], np.array([[2, 3]]))


def test_rows_keep_what_they_were_in_any_order() -> None:
    whole = Origin.joined([FIRST, SECOND]).taken([2, 0])
    assert whole.words == [[(0, 1, "a")], [(0, 2, "up")]]
    assert whole.sizes is not None
    assert whole.sizes.tolist() == [[2, 3], [4, 6]]


def test_what_is_not_known_of_some_is_not_known_of_all() -> None:
    assert Origin.joined([FIRST, NO_ORIGIN]) == NO_ORIGIN
    assert NO_ORIGIN.taken([0, 0]) == NO_ORIGIN
