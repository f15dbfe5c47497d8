from __future__ import annotations

import pytest
import torch

from kd2edge.nets.fusion import FUSIONS, fusion_for

WIDTHS = {"text": 3, "table": 2}


@pytest.mark.parametrize(
    "stated",
    [{"kind": "concat"}, {"kind": "concat", "hidden": 4}, {"kind": "gated", "width": 5}],
    ids=str,
)
def test_what_stands_for_an_absent_input_has_no_part(stated: dict[str, object]) -> None:
    torch.manual_seed(0)
    fusion = fusion_for(stated, WIDTHS).eval()
    pooled = {name: torch.randn(2, width) for name, width in WIDTHS.items()}
    present = {"table": torch.tensor([[1.0], [0.0]])}
    before = fusion(pooled, present)
    assert before.shape == (2, fusion.width)
    after = fusion(pooled | {"table": pooled["table"] + 7.0}, present)
    assert not torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])


def test_the_vector_of_a_single_input_is_what_it_is() -> None:
    pooled = torch.randn(2, 3)
    fusion = fusion_for({}, {"text": 3})
    assert fusion({"text": pooled}, {}) is pooled
    assert not list(fusion.parameters())


def test_an_option_is_for_its_fusion() -> None:
    assert set(FUSIONS) == {"concat", "gated", "single"}
    assert fusion_for({"kind": "concat"}, WIDTHS).width == 5
    assert fusion_for({"kind": "gated", "width": 7}, WIDTHS).width == 7
