from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.logits.cases import TASKS
from distill.schedules.moments import asked
from distill.tiny import DARK, IMAGES, SHAPE, TAG, TOKENS, image_rows, token_rows
from kd2edge.distill import Support
from kd2edge.distill.schedules.by_class import ByClass, rarity
from kd2edge.errors import UsageError
from kd2edge.tasks.spec import MISSING

PLAIN = ByClass(0.8, 0.2, 1.0, {})


def expected(labels: Tensor, alphas: list[float], unlabelled: float) -> Tensor:
    found = [unlabelled if one == MISSING else alphas[one] for one in labels.tolist()]
    return torch.tensor(found)


def test_classes_stand_by_the_logarithm_of_their_number() -> None:
    counts = (1000, 10, 100, 250)
    logs = np.log(counts)
    np.testing.assert_allclose(rarity(counts), (logs.max() - logs) / (logs.max() - logs.min()))
    assert rarity(counts)[:2] == (0.0, 1.0)


@pytest.mark.parametrize(
    ("counts", "found"),
    [((5, 5, 5), [0, 0, 0]), ((7,), [0]), ((8, 0, 2), [0, 1, 1]), ((3, 0), [0, 1]),
     ((0, 0), [0, 0]), ((), [])],
)  # fmt: skip
def test_classes_alike_are_frequent_and_one_without_items_is_rare(
    counts: tuple[int, ...], found: list[float]
) -> None:
    assert list(rarity(counts)) == found


def test_an_item_has_the_alpha_of_its_class_and_one_without_a_label_its_own(tmp_path: Path) -> None:
    """90, 10 and 30 items: log 9 to the rarest, log 3 half-way."""
    moment, _, labels = asked(IMAGES, SHAPE, image_rows(), tmp_path)
    assert set(labels.tolist()) == {0, 1, 2, MISSING}
    schedule = PLAIN.counted(Support((90, 10, 30), 130))
    found = schedule.at(moment)
    torch.testing.assert_close(found, expected(labels, [0.2, 0.8, 0.5], 1.0))
    turned = replace(schedule, rare=0.0, frequent=1.0, unlabelled=0.25).at(moment)
    torch.testing.assert_close(turned, expected(labels, [1.0, 0.0, 0.5], 0.25))


def test_labels_that_are_named_have_what_is_stated(tmp_path: Path) -> None:
    moment, _, labels = asked(IMAGES, SHAPE, image_rows(), tmp_path)
    stated = replace(PLAIN, labels={"b": 0.375, "c": 0.0}).counted(Support((90, 10, 30), 130))
    torch.testing.assert_close(stated.at(moment), expected(labels, [0.2, 0.375, 0.0], 1.0))


def test_yes_and_no_are_classes(tmp_path: Path) -> None:
    moment, _, labels = asked(IMAGES, DARK, image_rows(), tmp_path)
    found = PLAIN.counted(Support((30, 60), 90)).at(moment)
    torch.testing.assert_close(found, expected(labels, [0.8, 0.2], 1.0))


def test_words_have_an_alpha_each(tmp_path: Path) -> None:
    moment, _, labels = asked(TOKENS, TAG, token_rows(), tmp_path)
    assert MISSING in labels
    found = PLAIN.counted(Support((10, 90), 24)).at(moment)
    torch.testing.assert_close(found, expected(labels, [0.8, 0.2], 1.0))


@pytest.mark.parametrize("counts", [(), (90, 10), (90, 10, 30, 1)])
def test_counts_of_other_labels_are_refused(counts: tuple[int, ...], tmp_path: Path) -> None:
    moment, *_ = asked(IMAGES, SHAPE, image_rows(), tmp_path)
    with pytest.raises(UsageError, match=f"count of each of its 3 labels, found {len(counts)}"):
        replace(PLAIN, counts=counts).at(moment)


def test_it_is_for_one_label_an_item() -> None:
    for kind, task in TASKS.items():
        if kind not in {"regression", "multi_label"}:
            PLAIN.require_fits(task)
    for kind in ("regression", "multi_label"):
        with pytest.raises(UsageError, match=f"t: by_class is defined .* one is {kind}"):
            PLAIN.require_fits(TASKS[kind])


def test_a_label_that_is_none_of_the_task_is_refused() -> None:
    with pytest.raises(UsageError, match="t: by_class: unknown label 'e'"):
        replace(PLAIN, labels={"a": 0.5, "e": 0.5}).require_fits(TASKS["classification"])
    replace(PLAIN, labels={"1.0": 0.5}).require_fits(TASKS["ordinal"])
