"""Rows without a stored PyTorch output prove nothing by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bundles
from kd2edge.bundle import Gate
from kd2edge.bundle.store import open_bundle
from kd2edge.errors import UsageError
from kd2edge.tasks.spec import Decoded, Truth
from kd2edge.validate import validate_bundle
from kd2edge.validate.reference import Reference
from kd2edge.validate.standing import as_drawn
from kd2edge.validate.validation import TaskResult

WIDE = {"digit": 0.05, "larger": 0.05}


@pytest.fixture
def lenient(bundle, tools):
    """The bundle with budgets that 200 rows can prove."""
    return tools.rewritten(bundle, {}, gate=Gate(WIDE))


@pytest.fixture
def fresh(tools):
    """Rows as the split's, that nobody has PyTorch's outputs of."""
    pixels = bundles.images(200, seed=8)
    outputs = bundles.run_onnx(bundles.image_graph(), {"pixel_values": pixels[:, None]})
    digits, larger = outputs["digit"].argmax(-1), outputs["larger"][:, 0] > 0
    return tools.ListRows(
        [
            {"image": image, "digit": str(digit), "larger": "yes" if yes else "no"}
            for image, digit, yes in zip(pixels, digits, larger, strict=True)
        ]
    )


def judged(folder, rows, **options):
    return validate_bundle(folder, rows=rows, threads=1, **options)


def verdicts(found) -> dict[str, str]:
    return {name: one.verdict for name, one in found.artefacts.items()}


def test_fresh_rows_are_undecided_until_the_stand_in_has_passed_itself(lenient, rows, fresh):
    before = judged(lenient, fresh)
    assert before.outcome == "undecided"
    assert verdicts(before) == {"onnx-fp32": "not_run", "onnx-int8-qdq": "undecided"}
    said = before.artefacts["onnx-int8-qdq"].reason
    assert "200 of 200 rows have no stored PyTorch output, and onnx-fp32" in said
    assert judged(lenient, rows).outcome == "pass"
    after = judged(lenient, fresh)
    assert verdicts(after) == {"onnx-fp32": "not_run", "onnx-int8-qdq": "pass"}
    assert after.outcome == "pass"


def test_a_trial_by_looser_budgets_vouches_for_nobody(bundle, rows, fresh):
    assert judged(bundle, rows, max_drop=WIDE).outcome == "pass"  # the manifest allows a point
    assert judged(bundle, fresh, max_drop=WIDE).outcome == "undecided"


def test_a_stand_in_may_pass_in_the_same_validation(lenient, rows, fresh, tools):
    both = tools.ListRows([*rows, *(fresh[at] for at in range(20))])
    found = judged(lenient, both)
    assert found.references == {"pytorch": 200, "onnx-fp32": 20}
    assert found.outcome == "pass"
    few = tools.ListRows([*(rows[at] for at in range(20)), *fresh])
    assert judged(lenient, few, out=_elsewhere(lenient)).outcome == "undecided"


def test_few_stored_rows_take_nothing_from_a_stand_in_that_passed_before(
    lenient, rows, fresh, tools
):
    few = tools.ListRows([*(rows[at] for at in range(5)), *fresh])
    assert judged(lenient, few, out=_elsewhere(lenient)).outcome == "undecided"
    assert judged(lenient, rows).outcome == "pass"
    found = verdicts(judged(lenient, few))
    assert found["onnx-int8-qdq"] == "pass"
    assert found["onnx-fp32"] == "undecided"  # of its own it has five rows


def _elsewhere(folder):
    place = folder.parent / "evidence"
    place.mkdir()
    return place


@pytest.mark.parametrize("known", [0, 60])
def test_artefacts_that_are_wrong_alike_never_pass(tmp_path, rows, fresh, tools, known):
    folder = tools.with_reference(bundles.image_bundle(tmp_path / "image", golden=""), rows)
    broken = tools.scaled(bundles.image_graph(), "digit_weight", 1.0, noise=0.05)
    for name in ("onnx-fp32", "onnx-int8-qdq"):
        tools.with_artefact(folder, name, broken)
    some = tools.ListRows([*(rows[at] for at in range(known)), *fresh])
    for _ in range(2):
        found = judged(folder, some, max_drop={"digit": 0.9, "larger": 0.9})
        assert "pass" not in verdicts(found).values()


def test_a_run_s_own_rows_are_never_replaced(lenient, rows, fresh, tools):
    assert judged(lenient, rows, from_run=True).outcome == "pass"
    some = tools.ListRows([*(rows[at] for at in range(150)), *(fresh[at] for at in range(50))])
    found = judged(lenient, some, from_run=True)
    assert set(verdicts(found).values()) == {"undecided"}
    assert all(
        "50 of the 200 rows of the test split have no stored PyTorch output" in one.reason
        for one in found.artefacts.values()
    )


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("test", "reference/test.npz is of other rows: export the run again"),
        ("validation", "no reference of the validation split: export the run again"),
        ("left out", "reference/test.npz was left out of it: copy it along"),
    ],
)
def test_a_run_without_stored_outputs_is_refused(lenient, fresh, split, said):
    if split == "left out":
        (lenient / "reference/test.npz").unlink()
        split = "test"
    with pytest.raises(UsageError, match="0 of the run's 200 rows have a stored") as caught:
        judged(lenient, fresh, from_run=True, split=split)
    assert said in str(caught.value)


def shuffled(rows, tools):
    order = np.random.default_rng(0).permutation(len(rows))
    return tools.ListRows(
        [{**row, "digit": rows[int(at)]["digit"]} for row, at in zip(rows, order, strict=True)]
    )


def test_labels_of_fresh_rows_that_mean_nothing_are_undecided(lenient, rows, fresh, tools):
    assert judged(lenient, rows).outcome == "pass"
    one_label = tools.ListRows([{**row, "digit": "2"} for row in fresh])
    for spoiled in (shuffled(fresh, tools), one_label):
        found = judged(lenient, spoiled)
        task = found.artefacts["onnx-int8-qdq"].tasks["digit"]
        assert (found.outcome, task.verdict) == ("undecided", "undecided")
        assert "rows or labels are unlike those of the report" in task.reason
        assert found.artefacts["onnx-int8-qdq"].tasks["larger"].verdict == "pass"


def test_a_task_without_labels_is_undecided_and_none_at_all_is_refused(lenient, rows, tools):
    some = tools.ListRows([{**row, "digit": None} for row in rows])
    found = judged(lenient, some)
    assert set(verdicts(found).values()) == {"undecided"}
    assert all("digit: no row" in one.reason for one in found.artefacts.values())
    bare = tools.ListRows([{**row, "digit": None, "larger": None} for row in rows])
    with pytest.raises(UsageError, match="nothing of tiny-image could be judged"):
        judged(lenient, bare)
    assert open_bundle(lenient).verify() == []


def split_of(chance: np.random.Generator, rows: int, share: float, classes: int) -> Reference:
    """PyTorch's decisions of a split, of which it has a share right."""
    truth = chance.integers(0, classes, rows)
    wrong = chance.random(rows) >= share
    decided = np.where(wrong, (truth + 1) % classes, truth)
    return Reference(
        ids=tuple(map(str, range(rows))),
        hashes=np.arange(rows, dtype=np.uint64),
        decoded={"t": Decoded(decided, np.zeros((rows, classes)))},
        logits={},
        truths={"t": Truth(truth)},
    )


PASSED = {"t": TaskResult("accuracy", "pass", "", 0.01)}


@given(
    st.integers(0, 10**6),
    st.integers(2, 3000),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(2, 150),
)
def test_rows_that_chance_drew_are_a_fair_part(seed, rows, share, part, classes):
    chance = np.random.default_rng(seed)
    reference = split_of(chance, rows, share, classes)
    some = np.flatnonzero(chance.random(rows) < part)
    assert as_drawn(PASSED, reference, some) == PASSED


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_rows_that_are_picked_for_being_right_are_none(share):
    reference = split_of(np.random.default_rng(0), 1000, share, 10)
    right = np.flatnonzero(reference.truths["t"].labels == reference.decoded["t"].labels)
    some = np.union1d(right, np.arange(0, 1000, 200))  # and a few that are as they come
    found = as_drawn(PASSED, reference, some)["t"]
    assert found.verdict == "undecided"
    assert "no fair part of the split: PyTorch has" in found.reason


def test_rows_without_some_of_the_classes_are_none():
    reference = split_of(np.random.default_rng(0), 1000, 1.0, 10)
    some = np.flatnonzero(reference.truths["t"].labels < 7)
    assert "3 of its classes have no row" in as_drawn(PASSED, reference, some)["t"].reason


def test_a_split_without_its_largest_class_lets_nothing_pass(lenient, rows):
    labels = [row["digit"] for row in rows]
    largest = max(set(labels), key=labels.count)
    cut = type(rows)([row for row, label in zip(rows, labels, strict=True) if label != largest])
    wide = dict.fromkeys(WIDE, 0.5)
    assert judged(lenient, rows, max_drop=wide).outcome == "pass"
    assert judged(lenient, cut, max_drop=wide).outcome == "undecided"
