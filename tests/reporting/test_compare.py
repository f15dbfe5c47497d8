from __future__ import annotations

import copy

import pytest

from kd2edge.errors import UsageError
from kd2edge.reporting import compare_reports, formats


def test_equal_runs_differ_by_nothing(report):
    table = compare_reports(report, copy.deepcopy(report))
    metrics = [row for group in table.groups[:3] for row in group.rows]
    assert {row[3] for row in metrics} == {"0.000"}
    assert table.notes == ()


def test_a_better_run_shows_a_gain(report):
    better = copy.deepcopy(report)
    better["splits"]["test"]["tasks"]["left"]["student"]["metrics"]["accuracy"]["value"] += 0.01
    rows = compare_reports(report, better).groups[0].rows
    assert rows[2] == ("student", "0.953 [.945, .961]", "0.963 [.945, .961]", "+0.010")


def test_another_teacher_or_other_data_is_pointed_out(report):
    other = copy.deepcopy(report)
    other["fingerprints"]["data"] = "0" * 64
    notes = compare_reports(report, other).notes
    assert len(notes) == 1
    assert "data" in notes[0]


def test_each_teacher_is_compared_by_its_name(report, joint):
    other = copy.deepcopy(joint)
    del other["splits"]["test"]["teachers"]["left"]["trees"]
    titles = {group.title: group for group in compare_reports(joint, other).groups}
    found = titles["left: accuracy of each teacher on test"]
    assert [row[0] for row in found.rows] == ["net", "trees"]
    assert found.rows[0][3] == "0.000"
    assert found.rows[1][2:] == (formats.ABSENT, formats.ABSENT)
    titles = {group.title: group for group in compare_reports(report, joint).groups}
    assert len(titles["left: accuracy of each teacher on test"].rows) == 2


def test_runs_without_a_common_task_cannot_be_compared(report, report_of):
    with pytest.raises(UsageError, match="task that both have"):
        compare_reports(report, report_of({"other": ["a", "b"]}))


def test_artefacts_that_both_have_are_compared(report, validation, bench):
    other = copy.deepcopy(validation)
    del other["artefacts"]["onnx-int8-qdq"]
    table = compare_reports(report, report, validations=(validation, other), benches=(bench, bench))
    names = [row[0] for row in table.groups[0].rows]
    assert "onnx-fp32" in names
    assert "onnx-int8-qdq" not in names
    assert ("onnx-fp32", "0.031 ms", "0.031 ms", "1.00x") in table.groups[-1].rows
