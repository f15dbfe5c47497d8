from __future__ import annotations

import pytest

from kd2edge.reporting import Group, Table, headline, headline_table, html_report
from kd2edge.reporting.reading import rows_text
from kd2edge.reporting.tables import long_tails, teachers


def test_the_headline_has_every_model_of_every_task(report, validation, bench):
    table = headline(report, validation, bench)
    assert len(table.groups) == 3
    names = [row[0] for row in table.groups[0].rows]
    assert names[:3] == ["teacher", "no distillation", "student"]
    assert names[3:] == [
        "onnx-fp32", "onnx-int8-qdq", "onnx-int8-dynamic", "openvino-int8", "tensorrt-int8",
    ]  # fmt: skip
    assert table.groups[0].rows[4] == (
        "onnx-int8-qdq", "0.952 [.944, .960]", "81.0 kB", "0.022 ms", "1.41x", "pass",
    )  # fmt: skip
    assert table.groups[0].rows[-1][-1] == "not run"


def test_a_long_tail_has_a_line_a_group_and_other_tasks_have_none(report):
    first, *others = report["tasks"]
    for task in others:
        for form in ("teacher", "baseline", "student"):
            report["splits"]["test"]["tasks"][task].get(form, {})["groups"] = {}
    (group,) = long_tails(report).groups
    assert group.title == f"{first}: mean F1 of classes by their training rows"
    assert [row[0].split()[0] for row in group.rows] == ["head", "middle", "tail"]
    student = report["splits"]["test"]["tasks"][first]["student"]["groups"]["tail"]
    assert group.rows[2][-1].startswith(f"{student['f1']:.3f} [")
    assert first in headline_table(report)
    report["splits"]["test"]["tasks"][first]["student"]["groups"] = {}
    assert long_tails(report).groups == ()
    assert headline_table(report) == headline(report).text(80)


def test_each_of_several_teachers_has_a_line_and_what_they_say_together_the_last(joint):
    (group,) = teachers(joint).groups
    assert group.title == "left: accuracy of each teacher"
    assert group.rows == (
        ("net", "0.960 [.952, .968]"),
        ("trees", "0.950 [.942, .958]"),
        ("together (skill, power 1.5)", "0.972 [.964, .980]"),
    )
    assert group.rows[0][1] in headline_table(joint)


def test_one_teacher_a_task_needs_no_table_of_its_own(report):
    assert teachers(report).groups == ()


def test_the_headline_fits_a_terminal(report, validation, bench):
    validation["artefacts"]["onnx-int8-portable-with-a-long-name"] = validation["artefacts"][
        "onnx-fp32"
    ]
    text = headline(report, validation, bench).text(80) + "\n" + long_tails(report).text(80)
    assert headline_table(report, validation, bench) == text
    for line in headline_table(report, validation, bench).splitlines():
        assert len(line) <= 80


def test_the_headline_works_before_anything_is_exported(report):
    text = headline(report).text()
    assert "0.953 [.945, .961]" in text
    assert "onnx" not in text


def test_what_did_not_run_is_named_below_with_its_reason(report, validation):
    assert any("needs a device" in note for note in headline(report, validation).notes)


def test_the_smallest_batch_of_a_bench_is_shown(report, bench):
    times = [row[3] for row in headline(report, None, bench).groups[0].rows[3:]]
    assert times == ["0.031 ms", "0.022 ms", "0.070 ms", "0.034 ms", ""]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_plain_text_never_exceeds_its_width(report, validation, width):
    table = Table(
        ("model", "value"),
        (Group("a heading that is rather long for a narrow terminal", (("n" * 90, "1.0"),)),),
        notes=("word " * 50,),
    )
    assert max(len(line) for line in table.text(width).splitlines()) <= width


def test_json_holds_every_row_with_its_group(report):
    found = headline(report).to_json()
    assert found["columns"] == ["group", "model", "metric", "size", "p50", "speed-up", "gate"]
    assert len(found["rows"]) == 9
    assert found["rows"][0][:2] == ["left: accuracy on 4,000 test rows", "teacher"]


def test_a_task_that_is_labelled_in_part_names_its_own_rows(report):
    task = next(iter(report["tasks"]))
    for block in report["splits"]["test"]["tasks"][task].values():
        block["metrics"]["accuracy"]["rows"] = 1234
    titles = [group.title for group in headline(report).groups]
    assert titles[0] == "left: accuracy on 1,234 test rows"
    assert all(title.endswith("on 4,000 test rows") for title in titles[1:])
    assert rows_text(report, "test") == (
        "4,000 rows of the test split (of these are labelled left: 1,234)"
    )


def test_a_metric_of_other_rows_never_stands_beside_the_report_s(report, validation):
    """``validate --data`` on other rows: the verdict counts, its metric is another measurement."""
    for task in report["tasks"]:
        for split in report["splits"].values():
            split["tasks"][task]["student"]["metrics"]["accuracy"]["rows"] = 4000
        for name, rows in (("onnx-fp32", 4000), ("onnx-int8-qdq", 600)):
            found = validation["artefacts"][name]["tasks"][task]["metrics"]["accuracy"]
            found["candidate"]["rows"] = rows
    shown = {row[0]: row for group in headline(report, validation).groups for row in group.rows}
    assert shown["onnx-fp32"][1].startswith("0.9")
    assert not any(sign.isdigit() for sign in shown["onnx-int8-qdq"][1])
    assert shown["onnx-int8-qdq"][-1] == "pass"


def test_rows_of_a_file_are_of_no_split(report, validation):
    assert "Gate on 4,000 rows of the test split: " in html_report(report, validation=validation)
    mixed = "the stored PyTorch outputs (7 rows) and the artefact onnx-fp32 (3,993 rows)"
    page = html_report(report, validation=validation | {"reference": mixed})
    assert "Gate on 4,000 rows: pass" in page


def test_whole_rows_stand_below_the_tasks_and_no_gate_beside_them(report, validation):
    assert not any("both right" in group.title for group in headline(report, validation).groups)
    told = {"value": 0.9, "low": 0.89, "high": 0.91, "rows": 4000}
    report["splits"]["test"]["whole_rows"] = {
        "tasks": ["left", "right"],
        "models": {"teacher": told, "student": {**told, "value": 0.895}},
        "gain": {"value": 0.01, "low": 0.002, "high": 0.018},
    }  # fmt: skip
    for name, rows in (("onnx-fp32", 4000), ("onnx-int8-qdq", 600)):
        validation["artefacts"][name]["whole_rows"] = {"candidate": {**told, "rows": rows}}
    whole = headline(report, validation).groups[-1]
    assert whole.title == "left, right: both right on 4,000 test rows"
    assert [row[0] for row in whole.rows] == ["teacher", "student", "onnx-fp32"]
    assert {row[-1] for row in whole.rows} == {""}
    assert whole.rows[1][1] == "0.895 [.890, .910]"
    page = html_report(report, validation=validation)
    assert "both right" in page
    assert "99.4 %" in page  # 0.895 of 0.9
