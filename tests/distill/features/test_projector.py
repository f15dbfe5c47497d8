from __future__ import annotations

import pytest
import torch

from kd2edge.distill.features import PROJECTORS


def test_projector_none_needs_equal_widths() -> None:
    with pytest.raises(ValueError, match="2 and 3"):
        PROJECTORS["none"](2, 3)
    assert PROJECTORS["linear"](2, 3)(torch.ones(4, 2)).shape == (4, 3)
