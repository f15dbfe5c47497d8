"""Trees of our own arrays say what scikit-learn's estimators say, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from kd2edge.errors import DataError
from kd2edge.tasks.spec import MISSING, Truth
from kd2edge.teacher.boosted import BoostingSettings
from kd2edge.teacher.boosted.boosting import Labelled, boosted_forest
from kd2edge.teacher.boosted.forest import Forest
from kd2edge.teacher.boosted.trees import Trees
from teacher.boosted.tables import SETTINGS, SPEC, arrays_of, forest, said_of, spec_of


def matrix(arrays: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
    """What is given to scikit-learn, by other code than the product's."""
    numbers = arrays["person_numbers"].astype(np.float64)
    numbers[arrays["person_missing"] > 0] = np.nan
    return np.concatenate([arrays["person_categories"] - [0, 10], numbers], axis=1)


#: The settings of the trees, as scikit-learn takes them.
THEIRS: dict[str, Any] = {
    "max_iter": 12, "learning_rate": 0.3, "max_leaf_nodes": 7, "min_samples_leaf": 5,
    "random_state": 5, "l2_regularization": 0.5, "max_features": 0.5, "early_stopping": False,
    "categorical_features": [0, 1],
}  # fmt: skip


def classifier(arrays: dict[str, npt.NDArray[Any]], labels: npt.NDArray[Any]) -> Any:
    return HistGradientBoostingClassifier(**THEIRS).fit(matrix(arrays), labels)


def test_log_odds_are_those_of_scikit_learn_also_of_what_training_never_showed() -> None:
    train, other = arrays_of(600), arrays_of(300, seed=1)
    train["person_categories"][:, 0] %= 8  # towns 8 and 9 are new to the trees
    labels = (said_of(train) > 0).astype(np.int64)
    own = boosted_forest(
        SPEC, spec_of("binary", 2), Labelled(train, Truth(labels)),
        Labelled(train, Truth(labels)), SETTINGS,
    )  # fmt: skip
    theirs = classifier(train, labels)
    for rows in (train, other):
        wanted = theirs.decision_function(matrix(rows))
        assert np.array_equal(own.trees.scores(own.columns.rows(rows))[:, 0], wanted)
        assert own.logits(rows).dtype == np.float32
    assert (theirs.predict(matrix(train)) == labels).mean() > 0.9


@pytest.mark.parametrize("shown", [(0, 1, 2), (1, 3)])
def test_a_distribution_has_the_logarithms_of_its_chances(shown: tuple[int, ...]) -> None:
    train = arrays_of(600)
    cut = np.quantile(said_of(train), np.linspace(0, 1, len(shown) + 1)[1:-1])
    labels = np.array(shown)[np.digitize(said_of(train), cut)].astype(np.int64)
    own = forest(spec_of("classification", 4), Truth(labels))
    chances = np.exp(own.logits(train).astype(np.float64))
    wanted = classifier(train, labels).predict_proba(matrix(train))
    np.testing.assert_allclose(chances[:, shown], wanted, rtol=1e-5)
    unseen = [at for at in range(4) if at not in shown]
    np.testing.assert_allclose(chances[:, unseen], 0.5 / 600, rtol=1e-5)


def test_values_come_in_deviations_from_the_mean() -> None:
    train = arrays_of(600)
    values = (50 + 10 * said_of(train)).astype(np.float32)
    task = spec_of("regression", mean=float(values.mean()), spread=float(values.std()))
    own = forest(task, Truth(values=values))
    standard = (values.astype(np.float64) - values.mean()) / values.std()
    theirs = HistGradientBoostingRegressor(**THEIRS).fit(matrix(train), standard)
    wanted = theirs.predict(matrix(train))
    np.testing.assert_allclose(own.logits(train)[:, 0], wanted, atol=1e-5)


def test_every_label_of_several_has_trees_of_its_own_and_one_that_never_varied_has_none() -> None:
    train = arrays_of(600)
    first = (said_of(train) > 0).astype(np.int64)
    labels = np.stack([first, 1 - first, np.ones_like(first), np.zeros_like(first)], 1)
    own = forest(spec_of("multi_label", 4), Truth(labels))
    logits = own.logits(train)
    for at in (0, 1):
        alone = forest(spec_of("binary", 2), Truth(labels[:, at])).logits(train)
        assert np.array_equal(logits[:, at], alone[:, 0])
    np.testing.assert_allclose(logits[:, 2], np.log(600.5 / 0.5), rtol=1e-6)
    np.testing.assert_allclose(logits[:, 3], -np.log(600.5 / 0.5), rtol=1e-6)


def test_rows_without_a_label_do_not_count() -> None:
    train = arrays_of(600)
    labels = (said_of(train) > 0).astype(np.int64)
    labels[::2] = MISSING
    some = {name: one[1::2] for name, one in train.items()}
    own = forest(spec_of("binary", 2), Truth(labels))
    wanted = classifier(some, labels[1::2]).decision_function(matrix(some))
    assert np.array_equal(own.logits(some)[:, 0], wanted.astype(np.float32))
    assert own.rows == 300


def test_trees_end_where_validation_rows_gain_nothing_more() -> None:
    train, judged = arrays_of(600), arrays_of(300, seed=1)
    noise = np.random.default_rng(2).normal(size=900) * 3
    labels = (said_of(train) + noise[:600] > 0).astype(np.int64)
    truth = Truth((said_of(judged) + noise[600:] > 0).astype(np.int64))
    many = _with(max_iter=200, early_stopping=True)
    own = forest(spec_of("binary", 2), Truth(labels), many, held_out=Labelled(judged, truth))
    assert 1 <= len(own.trees.root) < 100
    losses = [_loss(own, count, judged, truth) for count in range(len(own.trees.root) + 1)]
    assert np.argmin(losses) == len(own.trees.root)
    # No validation row with a label: all of them are grown.
    whole = forest(spec_of("binary", 2), Truth(labels), _with(max_iter=20, early_stopping=True))
    assert len(whole.trees.root) == 20


def test_the_same_rows_and_seed_give_the_same_trees_and_another_seed_others() -> None:
    labels = Truth((said_of(arrays_of(600)) > 0).astype(np.int64))
    one, other, seeded = (
        forest(spec_of("binary", 2), labels, _with(seed=seed)).trees.arrays() for seed in (5, 5, 6)
    )
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert not all(np.array_equal(one[name], seeded[name]) for name in one)


def test_columns_without_a_number_or_a_category_are_no_hindrance() -> None:
    train = arrays_of(200)
    train["person_missing"][:, 1] = 1
    labels = (said_of(train) > 0).astype(np.int64)
    truth = Labelled(train, Truth(labels))
    found = boosted_forest(SPEC, spec_of("binary", 2), truth, truth, SETTINGS)
    assert np.isfinite(found.logits(train)).all()
    for name in ("person_categories", "person_numbers"):
        own = {key: one for key, one in train.items() if key != name}
        rows = Labelled(own, Truth(labels))
        found = boosted_forest(SPEC, spec_of("binary", 2), rows, rows, SETTINGS).logits(own)
        assert ((found[:, 0] > 0) == labels).mean() > 0.6


def test_labels_that_leave_nothing_to_learn_are_refused() -> None:
    rows = np.zeros(600, np.int64)
    with pytest.raises(DataError, match="every labelled training row says '0'"):
        forest(spec_of("binary", 2), Truth(rows))
    with pytest.raises(DataError, match="no training row has a label"):
        forest(spec_of("classification", 3), Truth(rows + MISSING))


def _with(**changes: Any) -> BoostingSettings:
    return replace(SETTINGS, **changes)


def _loss(own: Forest, count: int, rows: dict[str, npt.NDArray[Any]], truth: Truth) -> float:
    """Of the first trees."""
    arrays = own.trees.arrays()
    some = {"root": own.trees.root[:count], "channel": own.trees.channel[:count]}
    scores = Trees(**arrays | some).scores(own.columns.rows(rows))[:, 0]
    return float(np.logaddexp(0, np.where(np.asarray(truth.labels) > 0, -scores, scores)).mean())
