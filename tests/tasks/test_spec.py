from __future__ import annotations

import numpy as np

from kd2edge.tasks.spec import MISSING, NOTHING, class_indices


def test_class_indices_are_the_targets_themselves_or_the_first_number_of_objects() -> None:
    assert class_indices(np.array([2, MISSING])).tolist() == [2, MISSING]
    objects = np.array([[1, 0, 0, 4, 4], [NOTHING, 0, 0, 0, 0]])
    assert class_indices(objects).tolist() == [1, NOTHING]
