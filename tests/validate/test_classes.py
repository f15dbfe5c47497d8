"""A class that falls is seen, whatever the mean says; one that does not is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta

from kd2edge.metrics.estimate import Estimate
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import Decoded, TaskName, TaskSpec, Truth
from kd2edge.validate import classes
from kd2edge.validate.classes import class_falls
from kd2edge.validate.tasks import Budget, task_result

TAGS = tuple(f"t{at}" for at in range(17))
SPEC = TaskSpec(TaskName("pos"), "classification", TAGS, "accuracy")
YES = TaskSpec(TaskName("yes"), "binary", ("no", "yes"), "auc", ("auc", "accuracy"))
DEFAULT = 0.05


def said(labels, classes: int = 17) -> Decoded:
    labels = np.asarray(labels)
    return Decoded(labels, np.eye(classes, dtype=np.float32)[labels])


def split(rows: int = 4000, rare: int = 83):
    """Truth with a rare class 16, and a reference that is right but for 53 of the rare ones."""
    true = np.concatenate([np.arange(rows - rare) % 16, np.full(rare, 16)])
    reference = true.copy()
    reference[-53:] = 3
    return true, reference


def falls(true, reference, candidate, *, inputs=None, most=DEFAULT):
    keys = np.arange(len(true), dtype=np.uint64) if inputs is None else inputs
    return class_falls(SPEC, Truth(true), (said(reference), said(candidate)), keys, 0.95, most)


def test_a_class_that_is_never_decided_again_fails():
    true, reference = split()
    candidate = np.where(reference == 16, 3, reference)  # 30 of 83 before
    (found,) = falls(true, reference, candidate)
    assert (found.label, found.support, found.gone, found.failed) == ("t16", 83, True, True)
    assert (found.reference, found.candidate) == (pytest.approx(30 / 83), 0.0)
    assert 0.2 < found.low < 30 / 83
    (named,) = falls(true, reference, candidate, most=1.0)
    assert not named.failed


@pytest.mark.parametrize(("right", "failed"), [(8, True), (5, True), (4, False)])
def test_a_small_class_that_is_gone_fails_from_five_inputs_on(right, failed):
    true = np.concatenate([np.arange(800) % 16, np.full(10, 16)])
    reference = true.copy()
    reference[800 + right :] = 0
    (found,) = falls(true, reference, np.where(reference == 16, 0, reference))
    assert (found.gone, found.failed) == (True, failed)


def test_repeated_inputs_of_a_class_are_one():
    true = np.concatenate([np.arange(800) % 16, np.full(80, 16)])
    candidate = np.where(true == 16, 0, true)
    inputs = np.concatenate([np.arange(800), 800 + np.arange(80) % 2]).astype(np.uint64)
    (found,) = falls(true, true, candidate, inputs=inputs)
    assert (found.gone, found.failed, found.support) == (True, False, 80)
    (alone,) = falls(true, true, candidate)
    assert alone.failed


def test_false_alarms_that_spread_over_all_classes_are_seen_together():
    spec = replace(SPEC, decode={"reject": 16, "least_probability": 0.5})
    true, _ = split()
    # 15 of about 245 rows of every class are rejected: no class falls by 5 points for sure.
    alarms = np.zeros(len(true), bool)
    for label in range(16):
        alarms[np.flatnonzero(true == label)[:15]] = True
    candidate = np.where(alarms, 16, true)
    keys = np.arange(len(true), dtype=np.uint64)
    models = (said(true), said(candidate))
    found = class_falls(spec, Truth(true), models, keys, 0.95, DEFAULT)
    (failed,) = [one for one in found if one.failed]
    assert (failed.label, failed.support, failed.gone) == (classes.IN_SCOPE, 3917, False)
    assert (failed.reference, failed.candidate) == (1.0, pytest.approx(1 - 240 / 3917))
    assert not any(one.failed for one in falls(true, true, candidate))
    # Which label a row in scope gets says nothing of its being in scope.
    other = np.where(true < 16, (true + 1) % 16, true)
    models = (said(true), said(other))
    found = class_falls(spec, Truth(true), models, keys, 0.95, DEFAULT)
    assert classes.IN_SCOPE not in {one.label for one in found}


def test_the_bound_is_that_of_clopper_and_pearson():
    for hits, count in ((30, 30), (9, 10), (40, 60)):
        own = classes._least_share(hits, count, 0.01)
        assert own == pytest.approx(beta.ppf(0.01, hits, count - hits + 1), abs=1e-9)


def test_equal_losses_and_gains_are_no_fall():
    true, reference = split()
    candidate = reference.copy()
    first, turn = np.arange(len(true)) < 320, np.arange(len(true)) // 16 % 2 == 0
    candidate[first & turn] = (true[first & turn] + 1) % 16
    reference[first & ~turn] = (true[first & ~turn] + 1) % 16
    assert falls(true, reference, candidate) == ()


def test_lossless_flips_raise_no_alarm():
    random = np.random.default_rng(4)
    failed, tries = 0, 400
    for _ in range(tries):
        true = random.integers(0, 17, 1000)
        unsure = random.random(1000) < 0.06  # so that three of a hundred decisions change
        coins = random.random((2, 1000)) < 0.5
        one, other = (np.where(unsure & coin, (true + 1) % 17, true) for coin in coins)
        failed += any(fall.failed for fall in falls(true, one, other))
    assert failed <= 2


def test_tags_of_words_are_classes_too():
    spec = TaskSpec(TaskName("ner"), "token_classification", ("O", "B-x", "B-y"), "accuracy")
    rows = 60
    offsets = np.arange(0, 3 * rows + 1, 3, dtype=np.int64)
    true = np.tile([0, 1, 2], rows)
    after = np.where(true == 2, 0, true)

    def ragged(values):
        return Ragged(values.astype(np.int64), offsets)

    def decoded(values):
        return Decoded(ragged(values), Ragged(np.eye(3, dtype=np.float32)[values], offsets))

    keys = np.arange(rows, dtype=np.uint64)
    pair = (decoded(true), decoded(after))
    (found,) = class_falls(spec, Truth(ragged(true)), pair, keys, 0.95, DEFAULT)
    assert (found.label, found.support, found.gone, found.failed) == ("B-y", 60, True, True)


def judged(spec, true, reference, candidate, budget):
    names = [(at, str(at)) for at in range(len(true))]
    keys = np.arange(len(true), dtype=np.uint64)
    return task_result(spec, Truth(true), reference, candidate, names, keys, budget)


def test_a_task_that_loses_a_class_fails_within_its_budget():
    true, reference = split()
    candidate = np.where(reference == 16, 3, reference)
    pair = (said(reference), said(candidate))
    found = judged(SPEC, true, *pair, Budget(0.02, 0.95, False, DEFAULT))
    assert found.metrics["accuracy"].drop.high < 0.02
    assert found.verdict == "fail"
    assert "recall falls: 't16' 36.1% -> 0.0% of 83 (never decided)" in found.reason
    assert judged(SPEC, true, *pair, Budget(0.02, 0.95, False)).verdict == "pass"


def test_where_the_metric_ranks_decisions_are_held_to_the_budget():
    random = np.random.default_rng(2)
    true = random.integers(0, 2, 3000)
    scores = np.clip(true * 0.4 + 0.3 + 0.15 * random.normal(size=3000), 0.01, 0.99)

    def decided(shift: float) -> Decoded:
        moved = (scores + shift).astype(np.float32)
        return Decoded((moved >= 0.5).astype(np.int64), moved)

    found = judged(YES, true, decided(0.0), decided(0.15), Budget(0.01, 0.95, False))
    drops: dict[str, Estimate] = {name: one.drop for name, one in found.metrics.items()}
    assert drops["auc"].value == pytest.approx(0, abs=1e-3)  # a shift keeps the order
    assert drops["accuracy"].low > 0.01
    assert (found.verdict, found.held) == ("fail", ("auc", "accuracy"))
    assert "accuracy drops by" in found.reason
    fine = judged(YES, true, decided(0.0), decided(0.0), Budget(0.01, 0.95, False))
    assert fine.verdict == "pass"
