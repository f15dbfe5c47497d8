from __future__ import annotations

import numpy as np
import pytest

from kd2edge.errors import DataError
from kd2edge.metrics import reliability
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import MISSING, Decoded, TaskName, TaskSpec, Truth


def plain_ece(confidence, right, bins):
    total = 0.0
    for low in np.arange(bins) / bins:
        inside = (confidence > low) & (confidence <= low + 1 / bins)
        if inside.any():
            total += inside.sum() * abs(right[inside].mean() - confidence[inside].mean())
    return total / len(right)


def test_ece_equals_its_definition(random, spec):
    scores = random.dirichlet(np.ones(4), 300).astype(np.float32)
    true = random.integers(0, 4, 300)
    said = scores.argmax(axis=1)
    found = reliability(spec(4), Truth(true), Decoded(said, scores))
    expected = plain_ece(scores.max(axis=1).astype(np.float64), said == true, 15)
    assert found.ece == pytest.approx(expected, abs=1e-9)
    assert sum(bin_.count for bin_ in found.bins) == 300


def test_a_perfectly_calibrated_binary_model_has_no_error(random, spec):
    scores = np.repeat([0.25, 0.75], 400).astype(np.float32)
    true = np.tile([1, 0, 0, 0], 200)
    true[400:] = 1 - true[400:]
    decoded = Decoded((scores > 0.5).astype(np.int64), scores)
    found = reliability(spec(2, "binary"), Truth(true), decoded, bins=10)
    # Both halves are decided with confidence 0.75, on either side of the threshold.
    assert found.ece == pytest.approx(0, abs=1e-9)
    assert [bin_.count for bin_ in found.bins if bin_.count] == [800]


def test_a_certainty_belongs_to_the_last_bin(spec):
    decoded = Decoded(np.array([0]), np.array([[1.0, 0.0]], dtype=np.float32))
    found = reliability(spec(2), Truth(np.array([1])), decoded, bins=5)
    assert found.bins[-1].count == 1
    assert found.ece == 1


def test_unlabelled_and_cut_off_words_are_left_out(spec, ragged):
    truth = Truth(ragged([[0, MISSING, 1]]))
    labels = ragged([[0, 1, -1]])
    scores = Ragged(np.array([[0.9, 0.1], [0.2, 0.8], [0, 0]], dtype=np.float32), labels.offsets)
    found = reliability(spec(2, "token_classification"), truth, Decoded(labels, scores))
    assert sum(bin_.count for bin_ in found.bins) == 1


def test_rows_that_a_threshold_rejected_are_left_out(spec):
    task = TaskSpec(TaskName("t"), "classification", ("oos", "a", "b"), "", decode={"reject": 0})
    scores = np.array([[0.1, 0.6, 0.3], [0.7, 0.2, 0.1], [0.1, 0.9, 0.0]], dtype=np.float32)
    decoded = Decoded(np.array([0, 0, 1]), scores)
    found = reliability(task, Truth(np.array([0, 0, 1])), decoded)
    assert sum(one.count for one in found.bins) == 2
    assert found.ece == pytest.approx((0.3 + 0.1) / 2)


def test_nothing_to_measure_is_refused(spec, decided):
    with pytest.raises(DataError, match="no row has a label"):
        reliability(spec(2), Truth(np.full(2, MISSING)), decided(np.zeros(2, int), 2))
