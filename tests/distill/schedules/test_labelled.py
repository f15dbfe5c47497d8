from __future__ import annotations

from pathlib import Path

import torch

from distill.schedules.moments import asked
from distill.tiny import DARK, IMAGES, TAG, TOKENS, image_rows, token_rows
from kd2edge.distill.schedules.labelled import Labelled
from kd2edge.tasks.spec import MISSING


def test_items_with_a_label_and_without_have_an_alpha_each(tmp_path: Path) -> None:
    moment, _, labels = asked(IMAGES, DARK, image_rows(), tmp_path)
    assert {True, False} == set((labels == MISSING).tolist())
    found = Labelled(0.25, 0.75).at(moment)
    assert torch.equal(found, torch.where(labels == MISSING, 0.75, 0.25))


def test_words_have_labels_of_their_own(tmp_path: Path) -> None:
    moment, _, labels = asked(TOKENS, TAG, token_rows(), tmp_path)
    has_label = (labels != MISSING) & moment.items.seen
    found = Labelled(0.25, 0.75).at(moment)
    assert torch.equal(found, torch.where(has_label, 0.25, 0.75))
