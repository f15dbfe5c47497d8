"""Bounds: exact where an exact bound exists, honest where few decisions changed, and repeatable."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.stats import beta

from kd2edge.errors import DataError, UsageError
from kd2edge.metrics import (
    drop,
    evaluate,
    measure,
    metric,
    paired_gain_over_seeds,
    paired_test_over_seeds,
    rows_needed,
)
from kd2edge.tasks.spec import MISSING, Decoded, TaskName, TaskSpec, Truth


def answers(right: int, wrong: int):
    """A truth of zeros, and decisions of which so many are right."""
    truth = Truth(np.zeros(right + wrong, dtype=np.int64))
    return truth, np.repeat([0, 1], [right, wrong])


@pytest.mark.parametrize(("right", "wrong"), [(45, 5), (50, 0), (1, 49), (300, 3)])
def test_accuracy_has_the_bounds_of_clopper_and_pearson(right, wrong, spec, decided):
    truth, said = answers(right, wrong)
    found = evaluate(spec(2), truth, decided(said, 2), "accuracy", resamples=40_000)
    rows = right + wrong
    assert found.value == right / rows
    assert found.low == pytest.approx(beta.ppf(0.025, right, wrong + 1), abs=0.004)
    high = beta.ppf(0.975, right + 1, wrong) if wrong else 1.0
    assert found.high == pytest.approx(high, abs=0.004)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "weighted_f1", "binary_f1"])
@pytest.mark.parametrize("rows", [40, 300, 5500])
def test_no_changed_decision_gives_the_rule_of_three(name, rows, random, spec, decided):
    true, said = random.integers(0, 2, (2, rows))
    decoded = decided(said, 2)
    found = drop(spec(2, "binary"), Truth(true), decoded, decoded, name)
    assert found.value == 0
    assert found.high == pytest.approx(1 - 0.05 ** (1 / rows))
    assert found.low == -found.high


def test_no_changed_level_gives_the_rule_of_three_times_the_largest_error(random, spec, decided):
    true, said = random.integers(0, 5, (2, 300))
    same = decided(said, 5)
    found = drop(spec(5, "ordinal"), Truth(true), same, same, "level_mae")
    assert (found.value, found.low) == (0, -found.high)
    assert found.high == pytest.approx(4 * (1 - 0.05 ** (1 / 300)))


@pytest.mark.parametrize("name", ["level_mae", "quadratic_kappa", "spearman", "accuracy"])
def test_levels_that_are_further_off_are_a_drop_and_no_gain(name, random, spec, decided):
    true = random.integers(0, 5, 500)
    near = np.clip(true + random.integers(-1, 2, 500), 0, 4)
    far = np.clip(true + random.integers(-3, 4, 500), 0, 4)
    models: Any = [decided(said, 5) for said in (near, far)]
    task, truth = spec(5, "ordinal"), Truth(true)
    found = drop(task, truth, *models, metric_name=name)
    assert found.low > 0
    back = drop(task, truth, *models[::-1], metric_name=name)
    assert (back.value, back.low, back.high) == pytest.approx(
        (-found.value, -found.high, -found.low), abs=0.02
    )
    gain = paired_gain_over_seeds(task, truth, [models[0]] * 2, [models[1]] * 2, name)
    assert gain.low > 0
    assert gain.value == pytest.approx(found.value)
    whole = evaluate(task, truth, models[1], name)
    least, most = metric(name).limits(task)
    assert least <= whole.low < whole.value < whole.high <= most


@pytest.mark.parametrize("name", ["mae", "rmse", "r2", "spearman"])
def test_values_that_are_further_off_are_a_drop_and_no_gain(name, random):
    true = random.normal(100, 20, 500).astype(np.float32)
    off = random.normal(0, 1, 500).astype(np.float32)
    near, far = (Decoded(values=true + size * off) for size in (4, 12))
    decode = {"mean": 100.0, "spread": 20.0, "least": 30.0, "most": 170.0}
    task = TaskSpec(TaskName("t"), "regression", (), name, decode=decode)
    found = drop(task, Truth(values=true), near, far, name)
    assert 0 < found.low < found.value < found.high
    assert drop(task, Truth(values=true), far, near, name).high < 0
    whole = evaluate(task, Truth(values=true), far, name)
    least, most = metric(name).limits(task)
    assert least <= whole.low < whole.value < whole.high <= most
    same = drop(task, Truth(values=true), near, near, name)
    assert same.value == 0
    assert same.low == -same.high
    share = 1 - 0.05 ** (1 / 500)
    if name == "mae":
        assert same.high == pytest.approx(140 * share)
    if name == "rmse":  # the unseen row stands inside the root
        assert same.high == pytest.approx(140**2 * share / (2 * whole.value / 3), rel=0.5)


def test_a_root_error_that_rises_to_the_budget_rarely_passes(random):
    # A row in a hundred is off by all there is; samples without any look as good as the reference.
    rows, share, passed, tries = 150, 0.01, 0, 150
    decode = {"low": 0.0, "high": 10.0}
    task, truth = (
        TaskSpec(TaskName("t"), "regression", (), "rmse", decode=decode),
        Truth(values=np.zeros(rows, np.float32)),
    )
    for seed in range(tries):
        small = random.normal(0, 0.5, rows).astype(np.float32)
        far = np.where(random.random(rows) < share, np.float32(10), small)
        allowed = np.sqrt((1 - share) * 0.25 + share * 100) - 0.5
        found = drop(
            task,
            truth,
            Decoded(values=small),
            Decoded(values=far),
            "rmse",
            resamples=400,
            seed=seed,
        )
        passed += found.high <= allowed
    assert passed <= 0.05 * tries + 2 * np.sqrt(0.05 * tries)


@pytest.mark.parametrize("lost", [1, 3, 10])
def test_few_lost_decisions_have_the_exact_upper_bound(lost, spec, decided):
    rows = 700
    truth, said = answers(rows, 0)
    worse = said.copy()
    worse[:lost] = 1
    found = drop(spec(2), truth, decided(said, 2), decided(worse, 2), "accuracy", resamples=40_000)
    assert found.value == pytest.approx(lost / rows)
    assert found.high == pytest.approx(beta.ppf(0.95, lost + 1, rows - lost), abs=3e-4)


def test_a_drop_at_the_budget_rarely_passes(random, spec, decided):
    # Three points of drop are true, three are allowed: at most 5 % of such candidates may pass.
    rows, allowed, passed, tries = 400, 0.03, 0, 400
    truth, said = answers(rows, 0)
    for seed in range(tries):
        worse = (random.random(rows) < allowed).astype(np.int64)
        found = drop(
            spec(2),
            truth,
            decided(said, 2),
            decided(worse, 2),
            "accuracy",
            resamples=400,
            seed=seed,
        )
        passed += found.high <= allowed
    assert passed <= 0.05 * tries + 2 * np.sqrt(0.05 * 0.95 * tries)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "auc"])
def test_swapping_the_two_models_negates_the_drop(name, random, spec):
    true = random.integers(0, 2, 200)
    models: Any = []
    for noise in (0.5, 0.8):
        scores = np.clip(true + noise * random.normal(size=200), 0, 1).astype(np.float32)
        models.append(Decoded((scores > 0.5).astype(np.int64), scores))
    there = drop(spec(2, "binary"), Truth(true), *models, metric_name=name)
    back = drop(spec(2, "binary"), Truth(true), *reversed(models), metric_name=name)
    assert there.value == -back.value > 0
    # Two simulations of the same bounds: equal up to their noise.
    assert [there.low, there.high] == pytest.approx([-back.high, -back.low], abs=0.01)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "weighted_f1"])
def test_bounds_do_not_depend_on_the_order_of_rows(name, random, spec, decided):
    true, said, other = random.integers(0, 5, (3, 120))
    order = random.permutation(120)
    first = drop(spec(5), Truth(true), decided(said, 5), decided(other, 5), name)
    second = drop(
        spec(5), Truth(true[order]), decided(said[order], 5), decided(other[order], 5), name
    )
    assert [first.low, first.high] == pytest.approx([second.low, second.high], abs=1e-12)


def test_the_same_seed_gives_the_same_bounds_and_another_seed_others(random, spec, decided):
    true, said = random.integers(0, 3, (2, 90))
    runs = [
        evaluate(spec(3), Truth(true), decided(said, 3), "macro_f1", seed=seed)
        for seed in (4, 4, 5)
    ]
    assert runs[0] == runs[1] != runs[2]
    assert runs[0].value == runs[2].value


def test_rows_without_label_change_nothing(random, spec, decided, ragged):
    true, said = random.integers(0, 3, (2, 50))
    sparse = np.concatenate([true, np.full(70, MISSING)])
    more = np.concatenate([said, random.integers(0, 3, 70)])
    for name in ("accuracy", "macro_f1"):
        dense = evaluate(spec(3), Truth(true), decided(said, 3), name)
        assert evaluate(spec(3), Truth(sparse), decided(more, 3), name) == dense
        assert dense.rows == 50
    words = Truth(ragged([[0, 1], [MISSING, MISSING]]))
    found = evaluate(
        spec(2, "token_classification"), words, decided(ragged([[0, 1], [0, 0]]), 2), "accuracy"
    )
    assert (found.value, found.rows) == (1.0, 1)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "weighted_f1", "binary_f1", "auc"])
def test_measure_is_the_value_of_evaluate(name, random, spec):
    true, scores = random.integers(0, 2, 9000), random.random(9000).astype(np.float32)
    decoded = Decoded((scores > 0.5).astype(np.int64), scores)
    found = evaluate(spec(2, "binary"), Truth(true), decoded, name, resamples=10)
    assert measure(spec(2, "binary"), Truth(true), decoded, name) == pytest.approx(found.value)


def test_a_split_without_labels_is_refused(spec, decided):
    with pytest.raises(DataError, match="no row has a label"):
        evaluate(spec(2), Truth(np.full(3, MISSING)), decided(np.zeros(3, int), 2), "accuracy")


@pytest.mark.parametrize("confidence", [0.5, 1.0, 95])
def test_a_confidence_in_per_cent_is_refused(confidence, spec, decided):
    truth, said = answers(3, 1)
    with pytest.raises(UsageError, match="between 0.5 and 1"):
        evaluate(spec(2), truth, decided(said, 2), "accuracy", confidence=confidence)


def test_words_are_resampled_by_sentence(random, spec, decided, ragged):
    # Whole sentences are right or wrong, so 20 sentences of 30 words are 20 observations, not 600.
    flags = [0, 1] * 10
    truth = Truth(ragged([[0] * 30] * 20))
    task = spec(2, "token_classification")
    words = evaluate(task, truth, decided(ragged([[f] * 30 for f in flags]), 2), "accuracy")
    rows = evaluate(
        spec(2), Truth(np.zeros(20, dtype=np.int64)), decided(np.array(flags), 2), "accuracy"
    )
    assert (words.low, words.high) == pytest.approx((rows.low, rows.high))


def test_a_clear_gain_over_seeds_is_seen_and_a_lucky_seed_is_not(random, spec, decided):
    true = random.integers(0, 4, 800)

    def model(accuracy: float) -> Decoded:
        lost = random.random(800) > accuracy
        return decided(np.where(lost, (true + 1) % 4, true), 4)

    baselines = [model(0.80) for _ in range(3)]
    better = paired_gain_over_seeds(
        spec(4), Truth(true), [model(0.88) for _ in range(3)], baselines, "macro_f1"
    )
    assert 0.02 < better.low < better.value < better.high
    lucky = [model(0.95), *baselines[1:]]
    mixed = paired_gain_over_seeds(spec(4), Truth(true), lucky, baselines, "macro_f1")
    assert mixed.value > 0.03
    assert mixed.low < 0


def _seeds(random, decided, true, accuracies):
    """A model a seed, right where chance has it."""
    lost = [random.random(len(true)) > one for one in accuracies]
    return [decided(np.where(one, 1 - true, true), 2) for one in lost]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_where_seeds_differ_most_no_gain_is_shown_as_rarely_as_stated(count, random, spec, decided):
    """The gain is none on average, and one seed's is far from another's: 5 of 100 are shown."""
    true, tries = random.integers(0, 2, 300), 300
    how: Any = {"resamples": 200, "seed": 1}
    shown = 0
    for _ in range(tries):
        one, other = (
            _seeds(random, decided, true, random.normal(0.75, 0.06, count)) for _ in range(2)
        )
        found = paired_gain_over_seeds(spec(2), Truth(true), one, other, "accuracy", **how)
        shown += found.low > 0
    assert shown / tries < 0.05 + 3 * (0.05 * 0.95 / tries) ** 0.5


@pytest.mark.parametrize("count", [2, 3, 5])
def test_with_many_rows_bounds_are_those_of_a_t_test_over_seeds(count, random, spec, decided):
    true = random.integers(0, 2, 20_000)
    gains = random.normal(0.05, 0.02, count)
    other = _seeds(random, decided, true, np.full(count, 0.7))
    one = _seeds(random, decided, true, 0.7 + gains)
    how: Any = {"resamples": 4000}
    found = paired_gain_over_seeds(spec(2), Truth(true), one, other, "accuracy", **how)
    each = [
        measure(spec(2), Truth(true), a, "accuracy") - measure(spec(2), Truth(true), b, "accuracy")
        for a, b in zip(one, other, strict=True)
    ]
    error = float(np.std(each, ddof=1)) / count**0.5
    half = float(stats.t.ppf(0.95, count - 1)) * error
    assert found.value - found.low == pytest.approx(half, rel=0.25)
    assert found.high - found.value == pytest.approx(half, rel=0.25)
    assert found.error == pytest.approx(error, rel=0.3)


def test_a_test_has_the_gain_and_bounds_of_the_estimate_and_says_what_its_bound_says(
    random, spec, decided
):
    true = random.integers(0, 4, 400)
    for better in (0.80, 0.83, 0.86, 0.90):

        def model(accuracy: float) -> Decoded:
            lost = random.random(400) > accuracy
            return decided(np.where(lost, (true + 1) % 4, true), 4)

        one, other = [model(better) for _ in range(3)], [model(0.80) for _ in range(3)]
        found = paired_gain_over_seeds(spec(4), Truth(true), one, other, "accuracy")
        test = paired_test_over_seeds(spec(4), Truth(true), one, other, "accuracy")
        assert test.gain == found
        for p, is_beyond in ((test.p_gain, found.low > 0), (test.p_loss, found.high < 0)):
            assert 1 / 2001 <= p <= 1
            if abs(p - 0.05) > 0.01:  # of 2,000 resamples
                assert (p < 0.05) == is_beyond
        assert test.p_gain + test.p_loss >= 0.98  # the phantom counts against both; t was drawn


@pytest.mark.parametrize("metric_name", ["accuracy", "macro_f1"])
def test_a_loss_is_the_gain_of_the_sides_turned(random, spec, decided, metric_name: str):
    true = random.integers(0, 3, 300)

    def models(accuracy: float) -> list[Decoded]:
        lost = [random.random(300) > accuracy for _ in range(3)]
        return [decided(np.where(one, (true + 1) % 3, true), 3) for one in lost]

    one, other = models(0.7), models(0.9)
    test = paired_test_over_seeds(spec(3), Truth(true), one, other, metric_name)
    turned = paired_test_over_seeds(spec(3), Truth(true), other, one, metric_name)
    # Groups of equal rows come in another order, so that other weights are drawn for them.
    tests = (test.p_gain, test.p_loss)
    assert tests == pytest.approx((turned.p_loss, turned.p_gain), abs=0.01)
    assert test.p_loss < 0.05 < 0.9 < test.p_gain
    bounds = (test.gain.low, test.gain.high)
    assert bounds == pytest.approx((-turned.gain.high, -turned.gain.low), abs=0.03)


def test_what_never_differs_shows_nothing(random, spec, decided):
    truth, same = Truth(random.integers(0, 2, 50)), [decided(random.integers(0, 2, 50), 2)]
    test = paired_test_over_seeds(spec(2), truth, same, same, "accuracy")
    assert (test.p_gain, test.p_loss) == (1.0, 1.0)


def test_one_changed_decision_of_many_shows_nothing(spec, decided):
    truth, said = answers(400, 1)
    best = [decided(np.zeros_like(said), 2)]
    test = paired_test_over_seeds(spec(2), truth, best, [decided(said, 2)], "accuracy")
    # Of one discordant row, exact: the sign test says 1/2.
    assert test.p_gain == pytest.approx(0.5, abs=0.05)


def test_seeds_are_paired_one_to_one(spec, decided):
    truth, said = answers(5, 5)
    with pytest.raises(UsageError, match="as many baselines"):
        paired_gain_over_seeds(
            spec(2), truth, [decided(said, 2)] * 2, [decided(said, 2)], "accuracy"
        )


def test_memory_does_not_follow_rows_times_classes(random, spec, decided):
    def peak(rows: int) -> int:
        true = random.integers(0, 150, rows)
        said = np.where(random.random(rows) < 0.9, true, (true + 1) % 150)
        decoded = decided(said, 150)
        tracemalloc.start()
        evaluate(spec(150), Truth(true), decoded, "macro_f1", resamples=50)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    # A dense table of 60,000 rows x 300 sums would take 144 MB more than that of 6,000 rows.
    assert peak(60_000) - peak(6_000) < 144e6 / 8


def repeated(decoded: Decoded, order) -> Decoded:
    return Decoded(decoded.labels[order], decoded.scores[order])


def yes_or_no(random, rows: int) -> Any:
    """Truth and two models of a binary task."""
    true = random.integers(0, 2, rows)
    scores = [np.clip(true + s * random.normal(size=rows), 0, 1) for s in (0.5, 0.8)]
    return true, [Decoded((s > 0.5).astype(np.int64), s.astype(np.float32)) for s in scores]


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "weighted_f1", "binary_f1", "auc"])
def test_inputs_that_all_differ_change_no_bit(name, random, spec):
    true, models = yes_or_no(random, 150)
    keys = random.permutation(150).astype(np.uint64) << np.uint64(40)
    for measured in (drop, evaluate):
        said = models if measured is drop else models[:1]
        plain = measured(spec(2, "binary"), Truth(true), *said, metric_name=name)
        assert (
            measured(spec(2, "binary"), Truth(true), *said, metric_name=name, inputs=keys) == plain
        )
        assert plain.distinct == plain.rows == 150


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "weighted_f1", "binary_f1", "auc"])
@pytest.mark.parametrize("times", [2, 34])
def test_rows_repeated_alike_prove_no_more_than_once(name, times, random, spec):
    true, models = yes_or_no(random, 80)
    order = random.permutation(np.tile(np.arange(80), times))
    often: Any = [repeated(one, order) for one in models]
    once = drop(spec(2, "binary"), Truth(true), *models, metric_name=name, resamples=8000)
    more = drop(
        spec(2, "binary"),
        Truth(true[order]),
        *often,
        metric_name=name,
        inputs=order,
        resamples=8000,
    )
    assert more.value == pytest.approx(once.value)
    assert [more.low, more.high] == pytest.approx([once.low, once.high], abs=0.012)
    assert (more.rows, more.distinct) == (80 * times, 80)
    blind = drop(spec(2, "binary"), Truth(true[order]), *often, metric_name=name, resamples=2000)
    assert more.high - more.low > 1.2 * (blind.high - blind.low)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "weighted_f1", "binary_f1", "auc"])
def test_no_change_in_three_inputs_is_three_rows_of_evidence(name, spec):
    true = np.tile([0, 1, 1], 34)
    scores = np.tile([0.2, 0.9, 0.3], 34).astype(np.float32)
    same = Decoded((scores > 0.5).astype(np.int64), scores)
    keys = np.tile([7, 8, 9], 34)
    found = drop(spec(2, "binary"), Truth(true), same, same, name, inputs=keys)
    assert (found.value, found.distinct) == (0, 3)
    assert found.high == pytest.approx(1 - 0.05 ** (1 / 3))
    assert rows_needed(found, 0.01) == pytest.approx(np.log(0.05) / np.log(0.99), abs=3)


def test_a_word_level_sentence_that_stands_often_counts_once(random, spec, decided, ragged):
    flags = [0, 1] * 10
    task = spec(2, "token_classification")
    once = evaluate(
        task,
        Truth(ragged([[0] * 3] * 20)),
        decided(ragged([[f] * 3 for f in flags]), 2),
        "accuracy",
    )
    often = evaluate(
        task,
        Truth(ragged([[0] * 3] * 200)),
        decided(ragged([[f] * 3 for f in flags * 10]), 2),
        "accuracy",
        inputs=np.arange(200) % 20,
    )
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=0.02)
    assert (often.rows, often.distinct) == (200, 20)


def test_one_input_with_many_labels_stays_in_one_stratum(random, spec, decided):
    # The same text labelled 0 and 1, and two classes besides: nothing vanishes, nothing is NaN.
    true = np.array([0, 1, 0, 1, 2, 2, 0, 1] * 6)
    said = random.integers(0, 3, len(true))
    keys = np.where(np.arange(len(true)) % 8 < 4, 0, np.arange(len(true)))
    found = evaluate(spec(3), Truth(true), decided(said, 3), "macro_f1", inputs=keys)
    assert 0 < found.low < found.value < found.high < 1
    assert found.distinct == 25


def test_bounds_hold_where_rows_are_drawn_by_popular_inputs(random, spec, decided):
    # 60 inputs, some asked four times as often: the share of wrong ones is 20 % of what is asked.
    tries, held, naive = 300, 0, 0
    for seed in range(tries):
        wrong = (random.random(60) < 0.2).astype(np.int64)
        keys = np.repeat(np.arange(60), np.where(np.arange(60) % 3 == 0, 4, 1))
        truth, said = Truth(np.zeros(len(keys), dtype=np.int64)), decided(wrong[keys], 2)
        how: Any = {"resamples": 300, "seed": seed}
        found = evaluate(spec(2), truth, said, "accuracy", inputs=keys, **how)
        held += found.low <= 0.8 <= found.high
        blind = evaluate(spec(2), truth, said, "accuracy", **how)
        naive += blind.low <= 0.8 <= blind.high
    assert held >= 0.93 * tries > naive


def test_a_mean_error_that_rises_to_the_budget_rarely_passes(random, spec, decided):
    # Nobody is off, but a share of rows by four levels: the rare far ones are what bounds miss.
    rows, allowed, passed, tries = 400, 0.08, 0, 200
    truth, said = answers(rows, 0)
    for seed in range(tries):
        far = np.where(random.random(rows) < allowed / 4, 4, 0)
        found = drop(
            spec(5, "ordinal"),
            truth,
            decided(said, 5),
            decided(far, 5),
            "level_mae",
            resamples=400,
            seed=seed,
        )
        passed += found.high <= allowed
    assert passed <= 0.05 * tries + 2 * np.sqrt(0.05 * tries)
