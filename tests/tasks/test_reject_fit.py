from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.metrics.fitting import fitted_task
from kd2edge.tasks import MISSING, TaskSpec, Truth, task_kind
from kd2edge.tasks.reject import rejection_of, unfitted
from kd2edge.tasks.reject_fit import fitted_threshold, needed_rows

REJECT = 0
#: Few different scores, so that there are ties; labels 0 (rejects), 1, 2 and missing.
ROWS = st.lists(
    st.tuples(
        st.sampled_from([0.1, 0.2, 0.25, 0.5, 0.9]),
        st.sampled_from([-1, 0, 1, 2]),
        st.sampled_from([MISSING, 0, 1, 2]),
    ),
    min_size=1,
    max_size=30,
)
SHARES = st.sampled_from([0.2, 0.5, 0.97, 1.0])


def columns(rows):
    scope, likeliest, truth = zip(*rows, strict=True)
    return np.array(scope), np.array(likeliest), np.array(truth)


def decided(threshold, scope, likeliest):
    return np.where((scope < threshold) & (likeliest >= 0), REJECT, likeliest)


def accuracy(threshold, scope, likeliest, truth):
    known = truth != MISSING
    return (decided(threshold, scope, likeliest) == truth)[known].sum()


def kept(threshold, scope, likeliest, truth):
    inside = (truth != MISSING) & (truth != REJECT)
    found = decided(threshold, scope, likeliest)[inside]
    return ((found != REJECT) & (found >= 0)).sum(), inside.sum()


@given(ROWS)
def test_no_threshold_is_more_accurate_and_none_as_accurate_rejects_fewer(rows):
    scope, likeliest, truth = columns(rows)
    found = fitted_threshold(scope, likeliest, truth, REJECT, None)
    own = (truth != MISSING) & (likeliest > REJECT)
    assert (found is None) == (not own.any())
    if found is None:
        return
    best = accuracy(found, scope, likeliest, truth)
    for other in np.unique(scope[own]):  # one is always answered: the surest
        reached = accuracy(other, scope, likeliest, truth)
        assert reached <= best
        if reached == best:
            assert (scope[own] < found).sum() <= (scope[own] < other).sum()


@given(ROWS, SHARES)
def test_the_highest_threshold_that_keeps_a_share_of_the_rows_in_scope(rows, share):
    scope, likeliest, truth = columns(rows)
    found = fitted_threshold(scope, likeliest, truth, REJECT, share)
    own = (truth != MISSING) & (likeliest > REJECT)
    if found is None:
        assert not own.any()
        return
    count, all_rows = kept(found, scope, likeliest, truth)
    steps = np.unique(scope[own])
    most, _ = kept(steps[0], scope, likeliest, truth)
    if most < needed_rows(share, int(all_rows)):  # the reject label's own logit wins too many
        assert found == steps[0]
        return
    assert count >= share * all_rows - 1e-9
    for higher in steps[steps > found]:
        if (scope[own] < higher).sum() > (scope[own] < found).sum():
            assert kept(higher, scope, likeliest, truth)[0] < needed_rows(share, int(all_rows))


@given(ROWS, SHARES | st.none(), st.randoms(use_true_random=False))
def test_the_order_of_rows_says_nothing(rows, share, random):
    other = random.sample(rows, len(rows))
    one, two = (fitted_threshold(*columns(each), REJECT, share) for each in (rows, other))
    assert one == two


def test_a_threshold_lies_between_the_scores_that_it_parts():
    scope = np.array([0.1, 0.3, 0.7, 0.9])
    likeliest, truth = np.array([1, 2, 1, 2]), np.array([0, 0, 1, 2])
    assert fitted_threshold(scope, likeliest, truth, REJECT, None) == pytest.approx(0.5)
    assert fitted_threshold(scope, likeliest, truth, REJECT, 1.0) == pytest.approx(0.5)
    assert fitted_threshold(scope, likeliest, truth, REJECT, 0.5) == pytest.approx(0.8)


def test_neighbours_among_floats_are_parted_too():
    low = 0.5
    scope = np.array([low, np.nextafter(low, 1)])
    found = fitted_threshold(scope, np.array([1, 1]), np.array([0, 1]), REJECT, None)
    assert decided(found, scope, np.array([1, 1])).tolist() == [0, 1]


def test_a_share_is_of_whole_rows_whatever_it_is_rounded_to():
    assert needed_rows(0.97, 100) == 97  # 0.97 * 100 is a hair above
    assert needed_rows(0.971, 100) == 98
    assert needed_rows(1.0, 7) == 7


@pytest.mark.parametrize("by", ["probability", "energy"])
def test_a_kind_fits_its_task_to_labelled_rows(by, spec: Callable[..., TaskSpec]):
    kind, labels = task_kind("classification"), ("book", "oos", "play")
    task = spec("classification", labels, **unfitted(1, by, None))
    assert kind.is_fitted(task)
    logits = np.array([[9, -5, 0], [0, -5, 9], [1, -5, 0.5], [0, -5, 0], [0, 8, 0]], np.float32)
    truth = Truth(np.array([0, 2, 1, MISSING, 1]))
    found = fitted_task(task, truth, logits)
    assert np.asarray(kind.decode(task, logits).labels).tolist() == [0, 2, 0, 0, 1]
    assert np.asarray(kind.decode(found, logits).labels).tolist() == [0, 2, 1, 1, 1]
    assert fitted_task(found, truth, logits) == found  # whatever threshold there was before
    nothing = Truth(np.full(5, MISSING))
    assert rejection_of(fitted_task(task, nothing, logits)) == rejection_of(task)


def test_other_tasks_have_nothing_to_fit(spec: Callable[..., TaskSpec]):
    for name, labels in (("classification", ("a", "b")), ("binary", ("no", "yes"))):
        task, kind = spec(name, labels), task_kind(name)
        logits = np.zeros((2, len(kind.outputs(task)) if name == "binary" else 2), np.float32)
        assert not kind.is_fitted(task)
        assert fitted_task(task, Truth(np.array([0, 1])), logits) is task
