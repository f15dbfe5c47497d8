"""Every loss on features has a layer to follow, and one that does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import features
import pytest

from kd2edge.distill.features import FEATURE_LOSSES
from products import write_text_project


def test_every_loss_is_measured_where_there_is_attention():
    assert set(features.followed("clinc150", "t")) == set(FEATURE_LOSSES)
    assert set(features.followed("quickstart", "t")) == set(FEATURE_LOSSES) - {
        "attention_relations"
    }
    assert features.followed("clinc150", "t")["fsp"]["from"] == [
        "encoder.layer.2",
        "encoder.layer.5",
    ]


def test_a_loss_that_does_not_fit_says_why_and_the_others_are_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_text_project(tmp_path)
    with pytest.raises(SystemExit, match=r"whose layers step\.HINTS names"):
        features.measured(recipe, 32, 1)
    pairs = (("encoder.layer.0", "encoder.layer.0"), ("encoder.layer.1", "encoder.layer.0"))
    monkeypatch.setattr(features, "HINTS", {"tiny-text": pairs})
    # 16 wide: relation heads by default do not divide it.
    monkeypatch.setattr(features, "FEATURE_LOSSES", ("attention_relations", "cosine", "cka"))
    found = features.measured(recipe, 32, 2)
    assert set(found["ratios"]) == {"cosine", "cka"}
    assert set(found["times"]) == {"logits", "cosine", "cka"}
    assert "12" in found["refused"]["attention_relations"]
