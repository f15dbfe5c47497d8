"""Every metric against the library that people compare with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from seqeval.metrics import f1_score as seqeval_f1
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    mean_absolute_error,
    precision_recall_fscore_support,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from kd2edge.errors import DataError, UsageError
from kd2edge.metrics import METRICS, Metric, RankMetric, confusion, metric, misfit, per_class
from kd2edge.ragged import Ragged
from kd2edge.tasks import task_kind
from kd2edge.tasks.origin import Origin
from kd2edge.tasks.spec import MISSING, Decoded, TaskName, TaskSpec, Truth

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "E-PER", "S-LOC", "B", "I")


def full(name, spec, truth, decoded):
    """The metric over all rows."""
    made = metric(name)
    if isinstance(made, RankMetric):
        return float(made.value_weighted(spec, truth, decoded, np.ones((1, len(truth))))[0])
    return float(made.value(made.rows(spec, truth, decoded).sum(axis=0)))


@pytest.mark.parametrize("classes", [2, 3, 17])
def test_accuracy_and_macro_f1_equal_sklearn(classes, random, spec, decided):
    for rows in (1, 5, 200):
        true, said = random.integers(0, classes, (2, rows))
        task, decoded = spec(classes), decided(said, classes)
        assert full("accuracy", task, Truth(true), decoded) == accuracy_score(true, said)
        expected = f1_score(true, said, average="macro")
        assert full("macro_f1", task, Truth(true), decoded) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_metrics_of_several_labels_equal_sklearn(share, random, spec):
    task = spec(7, "multi_label")
    for rows in (1, 6, 200):
        true = (random.random((rows, 7)) < share).astype(np.int64)
        scores = np.round(random.random((rows, 7)), 1).astype(np.float32)  # with ties
        decoded = Decoded((scores >= 0.5).astype(np.int64), scores)
        said = np.asarray(decoded.labels)
        for name, average in (("micro_f1", "micro"), ("weighted_f1", "weighted")):
            expected = f1_score(true, said, average=average, zero_division=0)
            assert full(name, task, Truth(true), decoded) == pytest.approx(expected, abs=1e-12)
        there = np.flatnonzero((true.any(axis=0)) | said.any(axis=0))
        expected = (
            f1_score(true, said, average="macro", labels=there, zero_division=0)
            if len(there)
            else 0
        )
        assert full("macro_f1", task, Truth(true), decoded) == pytest.approx(expected, abs=1e-12)
        assert full("exact_match", task, Truth(true), decoded) == accuracy_score(true, said)
        some = true.any(axis=0)
        if some.any():
            expected = average_precision_score(true[:, some], scores[:, some], average="macro")
            assert full("map", task, Truth(true), decoded) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("levels", [2, 5, 9])
def test_metrics_of_levels_equal_sklearn_and_scipy(levels, random, spec):
    task = spec(levels, "ordinal")
    for rows in (2, 7, 400):
        true, said = random.integers(0, levels, (2, rows))
        true[:2] = 0, 1  # a correlation needs two
        scores = np.round(random.dirichlet(np.ones(levels), rows), 2).astype(np.float32)  # ties
        decoded, truth = Decoded(said, scores), Truth(true)
        assert full("level_mae", task, truth, decoded) == mean_absolute_error(true, said)
        if len({*true, *said}) > 1:
            expected = cohen_kappa_score(true, said, labels=np.arange(levels), weights="quadratic")
            found = full("quadratic_kappa", task, truth, decoded)
            assert found == pytest.approx(expected, abs=1e-12)
        means = np.asarray(scores, np.float64) @ np.arange(levels)
        expected = spearmanr(true, means).statistic
        assert full("spearman", task, truth, decoded) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (1e6, 3.0), (-4e-3, 1e-5)])
def test_metrics_of_values_equal_sklearn_and_scipy(mean, spread, random, spec):
    for rows in (2, 9, 500):
        true = (mean + spread * random.normal(size=rows)).astype(np.float32)
        said = (true + spread * random.normal(size=rows) / 2).astype(np.float32)
        ends = {"least": float(true.min()), "most": float(true.max())}
        task = values_task(mean=mean, spread=spread, **ends)
        truth, decoded = Truth(values=true), Decoded(values=said)
        wide = true.astype(np.float64), said.astype(np.float64)
        for name, expected in (
            ("mae", mean_absolute_error(*wide)),
            ("rmse", root_mean_squared_error(*wide)),
            ("r2", r2_score(*wide)),
            ("spearman", spearmanr(*wide).statistic),
        ):
            assert full(name, task, truth, decoded) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def values_task(**decode):
    return TaskSpec(TaskName("task"), "regression", (), "mae", decode=decode)


def test_values_that_nobody_stated_count_in_no_metric(random):
    true, said = random.normal(size=(2, 60)).astype(np.float32)
    some, task = np.where(np.arange(60) < 50, true, np.nan).astype(np.float32), values_task()
    for name in ("mae", "rmse", "r2", "spearman"):
        fewer = full(name, task, Truth(values=true[:50]), Decoded(values=said[:50]))
        found = full(name, task, Truth(values=some), Decoded(values=said))
        assert found == pytest.approx(fewer)


def test_a_value_of_nan_is_off_by_all_that_values_reach():
    task = values_task(low=0.0, high=10.0)
    truth, decoded = Truth(values=np.float32([1, 2])), Decoded(values=np.float32([1, np.nan]))
    assert full("mae", task, truth, decoded) == 5


def test_levels_that_nobody_stated_count_in_no_metric(random, spec):
    task, (true, said) = spec(5, "ordinal"), random.integers(0, 5, (2, 60))
    scores = random.dirichlet(np.ones(5), 60).astype(np.float32)
    some = Truth(np.where(np.arange(60) < 50, true, MISSING))
    for name in ("level_mae", "quadratic_kappa", "spearman", "accuracy"):
        fewer = full(name, task, Truth(true[:50]), Decoded(said[:50], scores[:50]))
        assert full(name, task, some, Decoded(said, scores)) == pytest.approx(fewer)


def test_no_decision_on_a_level_is_the_furthest_one(spec):
    truth, decoded = Truth(np.array([0, 4, 3])), Decoded(np.full(3, -1), np.zeros((3, 5)))
    assert full("level_mae", spec(5, "ordinal"), truth, decoded) == pytest.approx(11 / 3)


def test_levels_that_are_all_the_same_and_right_agree(spec):
    same = np.full(9, 3)
    assert full("quadratic_kappa", spec(5, "ordinal"), Truth(same), Decoded(same, same)) == 1


def test_rows_whose_labels_nobody_stated_count_in_no_metric(random, spec):
    task = spec(4, "multi_label")
    true = (random.random((50, 4)) < 0.4).astype(np.int64)
    scores = random.random((50, 4)).astype(np.float32)
    more = np.concatenate([true, np.full((9, 4), MISSING)])
    other = np.concatenate([scores, random.random((9, 4)).astype(np.float32)])
    for name in ("micro_f1", "macro_f1", "weighted_f1", "exact_match", "map"):
        plain = full(name, task, Truth(true), Decoded((scores >= 0.5).astype(np.int64), scores))
        assert (
            full(name, task, Truth(more), Decoded((other >= 0.5).astype(np.int64), other)) == plain
        )


def test_classes_of_several_labels_a_row_equal_sklearn(random, spec):
    task, (true, said) = spec(5, "multi_label"), random.integers(0, 2, (2, 80, 5))
    precision, recall, f1, support = precision_recall_fscore_support(true, said, zero_division=0)
    found = per_class(task, Truth(true), Decoded(said, said.astype(np.float32)))
    assert [one.precision for one in found] == pytest.approx(precision)
    assert [one.recall for one in found] == pytest.approx(recall)
    assert [one.f1 for one in found] == pytest.approx(f1)
    assert [one.support for one in found] == support.tolist()


@pytest.mark.parametrize(
    ("kind", "classes"), [("binary", 2), *(("classification", many) for many in (2, 3, 17))]
)
def test_weighted_f1_equals_sklearn(kind, classes, random, spec, decided):
    for rows in (1, 5, 200):
        # Some classes are only true, some only claimed, some occur nowhere.
        true = random.integers(0, max(classes - 1, 1), rows)
        said = random.integers(min(1, classes - 1), classes, rows)
        for pair in ((true, said), (said, true), (true, true)):
            expected = f1_score(*pair, average="weighted", zero_division=0)
            found = full(
                "weighted_f1", spec(classes, kind), Truth(pair[0]), decided(pair[1], classes)
            )
            assert found == pytest.approx(expected, abs=1e-12)


def test_macro_f1_ignores_classes_that_occur_nowhere(random, spec, decided):
    true, said = random.integers(0, 4, (2, 60))
    few = full("macro_f1", spec(4), Truth(true), decided(said, 4))
    assert few == pytest.approx(full("macro_f1", spec(9), Truth(true), decided(said, 9)), abs=1e-12)


def test_binary_f1_equals_sklearn(random, spec, decided):
    for rows in (1, 7, 300):
        true, said = random.integers(0, 2, (2, rows))
        found = full("binary_f1", spec(("no", "yes"), "binary"), Truth(true), decided(said, 2))
        expected = f1_score(true, said, zero_division=0)
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("steps", [3, 10, 10_000])
def test_auc_equals_sklearn_with_weights_and_ties(steps, random, spec):
    true = random.integers(0, 2, 150)
    scores = (random.integers(0, steps, 150) / steps).astype(np.float32)
    weights = random.integers(0, 4, (6, 150)).astype(np.float64)
    decoded = Decoded((scores > 0.5).astype(np.int64), scores)
    found = METRICS["auc"].value_weighted(spec(2, "binary"), Truth(true), decoded, weights)
    expected = [roc_auc_score(true, scores, sample_weight=row) for row in weights]
    assert found == pytest.approx(expected, abs=1e-12)


def test_auc_skips_rows_without_label(random, spec):
    true, scores = random.integers(0, 2, 50), random.random(50).astype(np.float32)
    decoded = Decoded(np.zeros(50, dtype=np.int64), scores)
    some = np.where(np.arange(50) % 3 == 0, MISSING, true)
    kept = some != MISSING
    found = full("auc", spec(2, "binary"), Truth(some), decoded)
    assert found == pytest.approx(roc_auc_score(true[kept], scores[kept]), abs=1e-12)


def test_auc_of_one_class_is_refused(spec):
    decoded = Decoded(np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.float32))
    with pytest.raises(DataError, match="both labels"):
        full("auc", spec(2, "binary"), Truth(np.ones(3, dtype=np.int64)), decoded)


@st.composite
def two_labellings(draw):
    lengths = draw(st.lists(st.integers(0, 7), min_size=1, max_size=6))
    label = st.integers(0, len(TAGS) - 1)
    return [[draw(st.lists(label, min_size=n, max_size=n)) for n in lengths] for _ in range(2)]


def ragged_of(pair):
    """Two labellings of the same rows, with the rows' offsets."""
    offsets = np.cumsum([0, *map(len, pair[0])]).astype(np.int64)
    return offsets, [
        Ragged(np.array([tag for row in rows for tag in row], dtype=np.int64), offsets)
        for rows in pair
    ]


@given(two_labellings())
def test_entity_f1_equals_seqeval(pair):
    offsets, (true, said) = ragged_of(pair)
    names = [[[TAGS[tag] for tag in row] for row in rows] for rows in pair]
    task = TaskSpec(TaskName("ner"), "token_classification", TAGS, "entity_f1")
    empty = Ragged(np.zeros((len(said.values), len(TAGS)), dtype=np.float32), offsets)
    found = full("entity_f1", task, Truth(true), Decoded(said, empty))
    assert found == pytest.approx(seqeval_f1(*names, zero_division=0), abs=1e-12)


@given(two_labellings())
def test_entity_f1_counts_the_entities_that_are_answered(pair):
    """One reader of labels: a user sees the entities that the metric judged."""
    offsets, (true, said) = ragged_of(pair)
    task = TaskSpec(TaskName("ner"), "token_classification", TAGS, "entity_f1")
    scores = np.zeros((len(said.values), len(TAGS)), dtype=np.float32)
    words = [[(at, at + 1, "w") for at in range(len(row))] for row in pair[0]]
    origin = Origin(words=words)

    def answered(labels):
        answers = task_kind(task.kind).answers(
            task, Decoded(labels, Ragged(scores, offsets)), origin=origin
        )
        return [{(one["start"], one["end"], one["label"]) for one in row} for row in answers]

    decoded = Decoded(said, Ragged(scores, offsets))
    found = METRICS["entity_f1"].rows(task, Truth(true), decoded)
    sets = list(zip(answered(true), answered(said), strict=True))
    assert found.tolist() == [[len(t & s), len(s - t), len(t - s)] for t, s in sets]


def test_entity_f1_counts_a_cut_off_word_as_outside(spec, ragged, decided):
    task = spec(("O", "B-x", "I-x"), "token_classification")
    truth = Truth(ragged([[1, 2, 0, 1]]))
    rows = METRICS["entity_f1"].rows(task, truth, decided(ragged([[1, 2, -1, -1]]), 3))
    assert rows.tolist() == [[1, 0, 1]]


def test_entity_f1_refuses_labels_that_are_no_bio(spec, ragged, decided):
    truth = Truth(ragged([[0]]))
    with pytest.raises(UsageError, match="found 'NOUN'"):
        full(
            "entity_f1",
            spec(("O", "NOUN"), "token_classification"),
            truth,
            decided(ragged([[0]]), 2),
        )


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "weighted_f1"])
def test_word_metrics_equal_sklearn_over_all_words(name, random, spec, ragged, decided):
    lengths = random.integers(0, 9, 40)
    rows = [random.integers(0, 5, (2, n)) for n in lengths]
    true, said = (ragged([pair[k].tolist() for pair in rows]) for k in (0, 1))
    found = full(name, spec(5, "token_classification"), Truth(true), decided(said, 5))
    library = {
        "accuracy": accuracy_score,
        "macro_f1": lambda t, p: f1_score(t, p, average="macro"),
        "weighted_f1": lambda t, p: f1_score(t, p, average="weighted"),
    }
    assert found == pytest.approx(library[name](true.values, said.values), abs=1e-12)


def test_a_cut_off_word_is_wrong(spec, ragged, decided):
    truth = Truth(ragged([[0, 1], [1]]))
    decoded = decided(ragged([[0, -1], [1]]), 2)
    task = spec(2, "token_classification")
    assert full("accuracy", task, truth, decoded) == pytest.approx(2 / 3)
    # Class 0: F1 1.  Class 1: one of two found, none claimed wrongly: F1 2/3.
    assert full("macro_f1", task, truth, decoded) == pytest.approx((1 + 2 / 3) / 2)
    assert full("weighted_f1", task, truth, decoded) == pytest.approx((1 + 2 * 2 / 3) / 3)


@pytest.mark.parametrize(
    "name", [name for name, made in METRICS.items() if isinstance(made, Metric)]
)
def test_rows_without_label_contribute_zeros(name, spec, ragged, decided):
    made = METRICS[name]
    if "token_classification" in made.kinds:
        task = spec(("O", "B-x"), "token_classification")
        truth = Truth(ragged([[0, 1], [MISSING, MISSING], []]))
        decoded = decided(ragged([[1, 1], [1, 1], [0]]), 2)
    elif made.kinds == ("regression",):
        task, truth = values_task(), Truth(values=np.float32([1, np.nan, np.nan]))
        decoded = Decoded(values=np.float32([2, 3, 4]))
    elif made.kinds == ("multi_label",):
        task, truth = (
            spec(2, "multi_label"),
            Truth(np.array([[1, 0], [MISSING] * 2, [MISSING] * 2])),
        )
        said = np.array([[1, 1], [1, 1], [0, 0]])
        decoded = Decoded(said, said.astype(np.float32))
    elif name in {"in_scope_recall", "out_of_scope_recall"}:
        task = replace(spec(2), decode={"reject": int(name == "out_of_scope_recall")})
        truth, decoded = Truth(np.array([1, MISSING, MISSING])), decided(np.array([1, 1, 0]), 2)
    else:
        task, truth = spec(2, "binary"), Truth(np.array([1, MISSING, MISSING]))
        decoded = decided(np.array([1, 1, 0]), 2)
    rows = made.rows(task, truth, decoded)
    assert rows[0].any()
    assert not rows[1:].any()


def test_value_is_vectorised_over_leading_dimensions(random, spec, decided):
    for name in ("accuracy", "macro_f1", "weighted_f1", "binary_f1"):
        made = METRICS[name]
        true, said = random.integers(0, 2, (2, 30))
        rows = made.rows(spec(2, "binary"), Truth(true), decided(said, 2))
        sums = random.random((4, 3, 30)) @ rows
        assert made.value(sums).shape == (4, 3)
        assert made.value(sums)[2, 1] == pytest.approx(float(made.value(sums[2, 1])))


def test_unequal_numbers_of_decisions_are_refused(spec, ragged, decided):
    with pytest.raises(ValueError, match="2 rows, 3 decisions"):
        full(
            "accuracy", spec(2), Truth(np.zeros(2, dtype=np.int64)), decided(np.array([0, 1, 1]), 2)
        )
    with pytest.raises(ValueError, match="row 0"):
        full(
            "accuracy",
            spec(2, "token_classification"),
            Truth(ragged([[0, 1]])),
            decided(ragged([[0]]), 2),
        )


def test_an_unknown_metric_gets_a_hint():
    with pytest.raises(UsageError, match="did you mean 'accuracy'"):
        metric("acuracy")


def test_misfit_names_what_would_fit(spec):
    assert misfit(spec(2, "binary"), "auc") == ""
    assert "accuracy, macro_f1" in misfit(spec(3), "auc")
    assert "use accuracy" in misfit(spec(3, "token_classification"), "entity_f1")


def test_per_class_and_confusion_equal_sklearn(random, spec, decided):
    true, said = random.integers(0, 6, (2, 80))
    task, decoded = spec(7), decided(said, 7)
    columns = precision_recall_fscore_support(true, said, labels=range(7), zero_division=0)
    found = per_class(task, Truth(true), decoded)
    for index, score in enumerate(found):
        expected = [column[index] for column in columns]
        assert [score.precision, score.recall, score.f1, score.support] == pytest.approx(expected)
    expected_table = confusion_matrix(true, said, labels=range(7))
    assert confusion(task, Truth(true), decoded).tolist() == expected_table.tolist()


def test_per_class_counts_a_cut_off_word_in_the_support(spec, ragged, decided):
    truth, decoded = Truth(ragged([[0, 1, 1]])), decided(ragged([[0, 1, -1]]), 2)
    task = spec(2, "token_classification")
    assert [score.support for score in per_class(task, truth, decoded)] == [1, 2]
    assert per_class(task, truth, decoded)[1].recall == 0.5
    assert confusion(task, truth, decoded).sum() == 2


def test_a_row_that_was_not_decided_is_wrong(spec):
    # Logits of NaN are decided -1, with scores of zero.
    truth, labels = Truth(np.array([0, 1, 1])), np.array([0, -1, 1])
    decoded = Decoded(labels, np.zeros((3, 2), dtype=np.float32))
    assert full("accuracy", spec(2), truth, decoded) == pytest.approx(2 / 3)
    assert full("macro_f1", spec(2), truth, decoded) == pytest.approx((1 + 2 / 3) / 2)
    assert confusion(spec(2), truth, decoded).tolist() == [[1, 0], [0, 1]]
