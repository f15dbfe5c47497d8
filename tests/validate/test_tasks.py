from __future__ import annotations

import numpy as np
import pytest

from kd2edge.errors import DataError
from kd2edge.ragged import Ragged
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Decoded, TaskName, TaskSpec, Truth
from kd2edge.validate.contradictions import TIE
from kd2edge.validate.tasks import LISTED, Budget, task_result

DIGIT = TaskSpec(TaskName("digit"), "classification", ("a", "b", "c"), "accuracy", ("macro_f1",))
YES = TaskSpec(TaskName("yes"), "binary", ("no", "yes"), "accuracy", ("auc",))
WORDS = TaskSpec(TaskName("ner"), "token_classification", ("O", "B-x"), "accuracy")
ROWS = 600
IDS = [(index, f"r{index}") for index in range(ROWS)]
INPUTS = np.arange(ROWS, dtype=np.uint64)
LOOSE = Budget(0.01, 0.95, False)
STRICT = Budget(0.01, 0.95, True)


@pytest.fixture
def logits() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(ROWS, 3)) * 3


def decide(spec: TaskSpec, values) -> Decoded:
    return task_kind(spec.kind).decode(spec, values)


def truth_of(decoded: Decoded) -> Truth:
    return Truth(np.asarray(decoded.labels).copy())


def flipped(logits: np.ndarray, count: int) -> np.ndarray:
    changed = logits.copy()
    changed[:count] = np.roll(changed[:count], 1, axis=1)
    return changed


def test_the_same_decisions_pass_with_a_bound_of_about_three_rows(logits):
    same = decide(DIGIT, logits)
    found = task_result(DIGIT, truth_of(same), same, same, IDS, INPUTS, STRICT)
    assert found.verdict == "pass"
    assert found.metrics["accuracy"].drop.value == 0
    assert found.metrics["accuracy"].drop.high == pytest.approx(3 / ROWS, rel=0.02)
    assert set(found.metrics) == {"accuracy", "macro_f1"}
    assert (found.changed, found.reason, found.rows_needed) == (0, "", None)


def test_a_worse_artefact_fails_and_says_by_how_much(logits):
    reference = decide(DIGIT, logits)
    candidate = decide(DIGIT, flipped(logits, 60))
    found = task_result(DIGIT, truth_of(reference), reference, candidate, IDS, INPUTS, LOOSE)
    assert found.verdict == "fail"
    assert "drops by 10.00 points" in found.reason
    assert found.changed == 60
    assert len(found.differences) == LISTED


def test_too_few_rows_say_how_many_it_would_take(logits):
    reference = decide(DIGIT, logits)
    candidate = decide(DIGIT, flipped(logits, 3))
    found = task_result(DIGIT, truth_of(reference), reference, candidate, IDS, INPUTS, LOOSE)
    assert found.verdict == "undecided"
    assert found.rows_needed
    assert found.rows_needed > ROWS
    assert f"about {found.rows_needed:,} would decide" in found.reason


def test_a_better_artefact_has_a_negative_drop(logits):
    candidate = decide(DIGIT, logits)
    reference = decide(DIGIT, flipped(logits, 60))
    found = task_result(DIGIT, truth_of(candidate), reference, candidate, IDS, INPUTS, LOOSE)
    assert found.metrics["accuracy"].drop.value == pytest.approx(-0.1)
    assert found.verdict == "pass"


def test_fp32_may_differ_in_ties_alone():
    logits = np.tile([3.0, 0.0, -3.0], (ROWS, 1))
    logits[5] = [1.0, 1.0 - 1e-5, -3.0]
    turned = logits.copy()
    turned[5, :2] = turned[5, 1::-1]
    reference, candidate = decide(DIGIT, logits), decide(DIGIT, turned)
    budget = Budget(0.05, 0.95, True)
    found = task_result(DIGIT, truth_of(reference), reference, candidate, IDS, INPUTS, budget)
    assert found.verdict == "pass"
    assert (found.changed, found.ties) == (1, 1)
    named = found.differences[0]
    assert (named.row, named.id, named.word) == (5, "r5", -1)
    assert (named.reference, named.candidate, named.tie) == ("a", "b", True)
    assert named.margin <= TIE


def test_fp32_fails_when_a_clear_decision_differs(logits):
    reference, candidate = decide(DIGIT, logits), decide(DIGIT, flipped(logits, 1))
    budget = Budget(0.5, 0.95, True)
    found = task_result(DIGIT, truth_of(reference), reference, candidate, IDS, INPUTS, budget)
    assert found.verdict == "fail"
    assert "no ties (margin above 0.001): 1" in found.reason
    loose = Budget(0.5, 0.95, False)
    assert (
        task_result(DIGIT, truth_of(reference), reference, candidate, IDS, INPUTS, loose).verdict
        == "pass"
    )


def test_differences_name_the_clearest_first(logits):
    reference, candidate = decide(DIGIT, logits), decide(DIGIT, flipped(logits, 30))
    found = task_result(DIGIT, truth_of(reference), reference, candidate, IDS, INPUTS, LOOSE)
    margins = [part.margin for part in found.differences]
    assert margins == sorted(margins, reverse=True)


def test_scores_are_rounded_alike_before_they_are_compared():
    """The reference keeps fp16 scores: equal logits must have no drop in AUC, ties and all."""
    logits = np.linspace(-2, 2, ROWS)[:, None].astype(np.float32)
    exact = decide(YES, logits)
    kind = task_kind("binary")
    stored = kind.unpack(YES, kind.pack(exact))
    labels = (np.random.default_rng(0).random(ROWS) < exact.scores).astype(np.int64)
    found = task_result(YES, Truth(labels), stored, exact, IDS, INPUTS, LOOSE)
    assert found.metrics["auc"].drop.value == 0


def test_a_metric_without_a_value_is_left_out_and_a_leading_one_is_not_run():
    logits = np.linspace(-2, 2, ROWS)[:, None]
    same = decide(YES, logits)
    every_yes = Truth(np.ones(ROWS, np.int64))
    assert set(task_result(YES, every_yes, same, same, IDS, INPUTS, LOOSE).metrics) == {"accuracy"}
    auc = TaskSpec(TaskName("yes"), "binary", ("no", "yes"), "auc")
    found = task_result(auc, every_yes, same, same, IDS, INPUTS, LOOSE)
    assert found.verdict == "not_run"
    assert "auc has no value" in found.reason


def test_a_task_without_labels_is_never_a_pass(logits):
    same = decide(DIGIT, logits)
    found = task_result(DIGIT, Truth(np.full(ROWS, -100)), same, same, IDS, INPUTS, LOOSE)
    assert found.verdict == "not_run"
    assert "no row of this split has a label for it in a column " in found.reason
    assert repr(DIGIT.column) in found.reason


def words(values, lengths) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Ragged(np.asarray(values), offsets)


def test_a_differing_word_is_named_by_row_and_word():
    lengths = [3, 2] * 200
    logits = np.tile([2.0, -2.0], (sum(lengths), 1))
    turned = logits.copy()
    turned[4] = turned[4, ::-1]  # the second word of the second row
    reference, candidate = (decide(WORDS, words(part, lengths)) for part in (logits, turned))
    truth = Truth(words(np.zeros(sum(lengths), np.int64), lengths))
    found = task_result(WORDS, truth, reference, candidate, IDS[:400], INPUTS[:400], LOOSE)
    assert [(part.row, part.word, part.candidate) for part in found.differences] == [(1, 1, "B-x")]


def test_a_word_that_one_of_them_cut_off_is_a_difference():
    lengths = [2] * 200
    logits = np.tile([2.0, -2.0], (400, 1))
    cut = logits.copy()
    cut[1] = np.nan
    reference, candidate = (decide(WORDS, words(part, lengths)) for part in (logits, cut))
    truth = Truth(words(np.zeros(400, np.int64), lengths))
    found = task_result(WORDS, truth, reference, candidate, IDS[:200], INPUTS[:200], LOOSE)
    assert [(part.reference, part.candidate) for part in found.differences] == [("O", "(cut off)")]


def test_other_words_than_the_reference_s_are_no_match():
    reference = decide(WORDS, words(np.tile([2.0, -2.0], (4, 1)), [2, 2]))
    candidate = decide(WORDS, words(np.tile([2.0, -2.0], (4, 1)), [1, 3]))
    truth = Truth(words(np.zeros(4, np.int64), [2, 2]))
    with pytest.raises(DataError, match="words"):
        task_result(WORDS, truth, reference, candidate, IDS[:2], INPUTS[:2], LOOSE)


def test_repeated_inputs_are_one_piece_of_evidence(logits):
    few, times = 3, 34
    same = decide(DIGIT, np.tile(logits[:few], (times, 1)))
    names, inputs = IDS[: few * times], np.tile(INPUTS[:few], times)
    found = task_result(DIGIT, truth_of(same), same, same, names, inputs, LOOSE)
    bounds = found.metrics["accuracy"].drop
    assert found.verdict == "undecided"
    assert bounds.high == pytest.approx(1 - 0.05 ** (1 / 3))
    assert (bounds.rows, bounds.distinct) == (102, 3)
    assert "102 rows with 3 distinct inputs are too few" in found.reason
    assert "about 300 distinct ones would decide" in found.reason


@pytest.mark.parametrize("changed", [6, 5])
def test_a_drop_at_the_budget_is_told_in_words(changed, logits):
    reference = decide(DIGIT, logits)
    candidate = decide(DIGIT, flipped(logits, changed))
    budget = Budget(0.01 if changed == 6 else 5.001 / ROWS, 0.95, False)
    truth = truth_of(reference)
    found = task_result(DIGIT, truth, reference, candidate, IDS, INPUTS, budget)
    assert (found.verdict, found.rows_needed) == ("undecided", None)
    assert "more would not decide" in found.reason
    assert "too near the budget" in found.reason


def test_words_that_were_cut_off_are_counted():
    spec = TaskSpec(TaskName("tag"), "token_classification", ("O", "B-x"), "accuracy")
    words = np.tile([4.0, -4.0], (2 * ROWS, 1)).astype(np.float32)
    words[5] = words[8] = np.nan  # no position: cut off
    offsets = np.arange(0, 2 * ROWS + 1, 2)
    said = task_kind(spec.kind).decode(spec, Ragged(words, offsets))
    truth = Truth(Ragged(np.zeros(2 * ROWS, np.int64), offsets))
    found = task_result(spec, truth, said, said, IDS, INPUTS, LOOSE)
    assert found.cut == 2
    assert found.metrics["accuracy"].candidate.value == pytest.approx(1 - 1 / ROWS)
