"""Reference, report and manifest are of one student, or nothing passes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kd2edge.bundle.store import open_bundle
from kd2edge.errors import DataError, IntegrityError, UsageError
from kd2edge.files import canonical_json
from kd2edge.files.npz import npz_arrays, npz_bytes
from kd2edge.validate import validate_bundle
from kd2edge.validate.meaning import MEANING, open_meaning
from kd2edge.validate.record import REPORT, open_record, pack_record

WIDE = {"digit": 0.05, "larger": 0.05}
PATH = "reference/test.npz"
OTHER = "7" * 64


def judged(folder, rows, **options):
    return validate_bundle(folder, rows=rows, threads=1, max_drop=WIDE, **options)


def reasons(found) -> set[str]:
    return {one.reason for one in found.artefacts.values()}


def record(folder):
    return open_record(open_bundle(folder).read(REPORT))


def meaning(folder):
    return open_meaning(open_bundle(folder).read(MEANING))


def with_record(folder, tools, changed):
    return tools.rewritten(folder, {REPORT: pack_record(changed)})


def with_arrays(folder, tools, change):
    arrays = npz_arrays(open_bundle(folder).read(PATH))
    change(arrays)
    return tools.rewritten(folder, {PATH: npz_bytes(arrays)})


def test_a_bundle_of_one_student_agrees(bundle, rows):
    found = judged(bundle, rows)
    assert found.outcome == "pass"
    names = {check.name: check.status for check in found.artefacts["onnx-int8-qdq"].graph}
    assert (names["manifest"], names["reference"]) == ("ok", "ok")


def test_another_student_s_report_fails_everything(bundle, rows, tools):
    with_record(bundle, tools, dataclasses.replace(record(bundle), meaning=OTHER))
    found = judged(bundle, rows)
    assert {one.verdict for one in found.artefacts.values()} == {"fail"}
    said = "report.json: of another student, other rows or other labels: it names the meaning 7777"
    assert all(said in reason for reason in reasons(found))


def test_another_student_s_outputs_fail_everything(bundle, rows, tools):
    def renamed(arrays):
        said = canonical_json({"meaning": OTHER, "split": "test"})
        arrays["of"] = np.frombuffer(said, np.uint8)

    found = judged(with_arrays(bundle, tools, renamed), rows)
    assert {one.verdict for one in found.artefacts.values()} == {"fail"}
    assert all("the stored PyTorch outputs: of another student" in r for r in reasons(found))


def test_a_meaning_of_another_student_fails_everything(bundle, rows, tools):
    found = judged(tools.meant(bundle, weights=OTHER), rows)
    assert {one.verdict for one in found.artefacts.values()} == {"fail"}
    assert all("of a student with weights 777777777777" in reason for reason in reasons(found))


def test_a_manifest_is_held_against_the_meaning_without_any_reference(bundle, rows, tools):
    tools.misread(bundle, "digit", labels=("1", "0", "2"))
    (bundle / PATH).unlink()
    found = judged(bundle, rows)
    assert {one.verdict for one in found.artefacts.values()} == {"fail"}
    assert all("task digit: labels is" in reason for reason in reasons(found))


def test_a_manifest_that_names_another_student_fails_everything(bundle, rows, tools):
    provenance = {**open_bundle(bundle).manifest.provenance, "student": OTHER}
    tools.rewritten(bundle, {}, provenance=provenance)
    found = judged(bundle, rows)
    assert {one.verdict for one in found.artefacts.values()} == {"fail"}
    assert all(
        "stored PyTorch outputs are of a student with weights 5555" in r for r in reasons(found)
    )


def test_outputs_of_a_weaker_student_under_its_better_s_name_fail(bundle, rows, tools):
    """Its hash is a lie, its decisions are worth what they are worth."""

    def weaker(arrays):
        arrays["decoded/digit/labels"] = np.roll(arrays["decoded/digit/labels"], 1)

    found = judged(with_arrays(bundle, tools, weaker), rows)
    assert {one.verdict for one in found.artefacts.values()} == {"fail"}
    assert all("task digit: PyTorch's stored decisions reach accuracy" in r for r in reasons(found))
    assert all("not of the student that the report is about" in r for r in reasons(found))


def test_a_report_of_better_numbers_fails(bundle, rows, tools):
    old = record(bundle)
    value = old.value("test", "digit", "accuracy")
    assert value is not None
    better = {"accuracy": {"value": value + 0.005, "low": value, "high": value + 0.01}}
    splits = {"test": {**old.splits["test"], "digit": better}}
    changed = dataclasses.replace(old, splits=splits)
    found = judged(with_record(bundle, tools, changed), rows)
    assert found.outcome == "fail"
    assert all(f"the report {value + 0.005:.4f}" in reason for reason in reasons(found))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": 300}, "has 200 rows, the report was made on 300"),
        ({"inputs": OTHER}, "of other rows than the report"),
        ({"labels": {"digit": OTHER, "larger": OTHER}}, "labels are not those that the report"),
    ],
)
def test_a_report_on_other_rows_fails(bundle, rows, tools, change, said):
    split = dataclasses.replace(meaning(bundle).splits["test"], **change)
    found = judged(tools.meant(bundle, splits={"test": split}), rows)
    assert found.outcome == "fail"
    assert all(said in reason for reason in reasons(found))


def test_the_other_split_s_outputs_fail(bundle, rows, tools):
    manifest = open_bundle(bundle).manifest
    tools.rewritten(bundle, {}, references={**manifest.references, "validation": PATH})
    found = judged(bundle, rows, split="validation")
    assert found.outcome == "fail"
    assert any("stored for the validation split are of the test split" in r for r in reasons(found))


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_a_reference_of_before_is_refused(bundle, rows, tools, schema):
    folder = with_arrays(bundle, tools, lambda arrays: arrays.update(schema=np.array(schema)))
    with pytest.raises(UsageError, match=f"schema {schema}, this kd2edge reads 4"):
        judged(folder, rows)


def test_a_report_of_before_is_refused(bundle, rows, tools):
    tools.rewritten(bundle, {REPORT: b'{"schema":1,"weights":"a","splits":{}}'})
    with pytest.raises(UsageError, match="schema 1, this kd2edge reads 2"):
        judged(bundle, rows)


def test_a_bundle_that_does_not_say_what_its_outputs_mean_is_undecided(bundle, rows, tools):
    tools.without(bundle, MEANING)
    found = judged(bundle, rows)
    assert {one.verdict for one in found.artefacts.values()} == {"undecided"}
    assert all("does not say what its stored outputs mean" in reason for reason in reasons(found))


def test_a_bundle_that_carries_no_report_is_undecided(bundle, rows):
    (bundle / REPORT).unlink()
    assert REPORT in open_bundle(bundle).left_out
    found = judged(bundle, rows)
    assert {one.verdict for one in found.artefacts.values()} == {"undecided"}
    assert all("carries no report" in reason for reason in reasons(found))


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"schema": 2}', b"\xff", b'{"schema":2,"meaning":"a","splits":{"test":[]}}'],
)
def test_a_report_of_another_form_is_refused(bundle, rows, tools, content):
    tools.rewritten(bundle, {REPORT: content})
    with pytest.raises(IntegrityError, match="not what kd2edge wrote"):
        judged(bundle, rows)


def relabelled(rows, tools, change):
    made = [dict(row) for row in rows]
    change(made)
    return tools.ListRows(made)


def shuffle(rows):
    labels = [row["digit"] for row in rows]
    for row, label in zip(rows, labels[1:] + labels[:1], strict=True):
        row["digit"] = label


def one_label(rows):
    for row in rows:
        row["larger"] = "yes"


def one_wrong(rows):
    rows[77]["digit"] = {"0": "1", "1": "2", "2": "0"}[rows[77]["digit"]]


@pytest.mark.parametrize(
    ("change", "task"), [(shuffle, "digit"), (one_label, "larger"), (one_wrong, "digit")]
)
def test_labels_that_the_report_was_not_made_with_are_refused(bundle, rows, tools, change, task):
    with pytest.raises(DataError, match="not those that the report was made with") as caught:
        judged(bundle, relabelled(rows, tools, change))
    told = str(caught.value)
    assert f"task {task}: label " in told
    assert "of 200 known rows have other labels" in told
    if change is one_wrong:
        here, was = {**rows[77]}["digit"], {"0": "1", "1": "2", "2": "0"}[rows[77]["digit"]]
        assert told.startswith(f"list:78: task digit: label {was!r}, was {here!r} when")


def test_orders_halves_and_missing_labels_raise_no_alarm(bundle, rows, tools):
    order = np.random.default_rng(1).permutation(len(rows))
    turned = tools.ListRows([rows[int(at)] for at in order])
    assert judged(bundle, turned).outcome == "pass"
    for start in (0, 100):
        half = tools.ListRows([rows[at] for at in range(start, start + 100)])
        assert judged(bundle, half).outcome == "pass"
    some = relabelled(rows, tools, lambda made: made[5].update(digit=None))
    assert judged(bundle, some).outcome == "pass"


def test_a_repeated_input_with_two_labels_may_stand_in_any_order(bundle, rows, tools):
    other = {"0": "1", "1": "2", "2": "0"}[rows[3]["digit"]]
    twice = [*rows, {**rows[3], "digit": other}]
    tools.with_reference(bundle, tools.ListRows(twice))
    assert judged(bundle, tools.ListRows(twice[::-1])).outcome == "pass"


def test_words_with_other_labels_are_refused(tmp_path, tools):
    import bundles

    rows = tools.text_rows()
    folder = tools.with_reference(bundles.text_bundle(tmp_path / "text"), rows)
    at = next(at for at, row in enumerate(rows) if len(row["ner"]) > 2)
    changed = list(rows[at]["ner"])
    changed[2] = "O" if changed[2] != "O" else "B-city"
    new = relabelled(rows, tools, lambda made: made[at].update(ner=changed))
    budgets = {"intent": 1.0, "ner": 1.0}
    with pytest.raises(DataError, match="task ner: label of word 3 "):
        validate_bundle(folder, rows=new, threads=1, max_drop=budgets)
    assert validate_bundle(folder, rows=rows, threads=1, max_drop=budgets).outcome == "pass"


def test_a_reference_with_fewer_rows_than_it_was_made_with_fails(bundle, rows, tools):
    half = tools.ListRows([rows[at] for at in range(100)])
    whole = meaning(bundle)
    tools.with_reference(bundle, half)
    tools.meant(bundle, splits=whole.splits)
    found = judged(bundle, half)
    assert found.outcome == "fail"
    assert all("has 100 rows, the report was made on 200" in reason for reason in reasons(found))
