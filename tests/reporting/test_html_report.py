from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from kd2edge.errors import SchemaTooNewError, UsageError
from kd2edge.reporting import html_report
from kd2edge.reporting.reading import FORMS

VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """Collects the tags of a page and checks that they close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts = 0
        self.references: list[str] = []
        self.texts: list[str] = []
        self.tables: list[list[str]] = []  # ancestors of each table
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        self.references += [
            value for name, value in attrs if name in {"src", "href", "action"} and value
        ]
        if tag == "table":
            self.tables.append(list(self.open))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.references += [value for name, value in attrs if name in {"src", "href"} and value]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_is_whole_and_loads_nothing(report, validation, bench):
    html = html_report(report, validation=validation, bench=bench)
    page = Page(html)
    assert page.open == []
    assert all(link.startswith("#") or link == "data:," for link in page.references)
    assert "url(" not in html
    assert "http" not in re.sub(r"http-equiv", "", html)


def test_the_same_input_gives_the_same_bytes(report, validation, bench):
    once = html_report(report, validation=validation, bench=bench)
    assert once == html_report(report, validation=validation, bench=bench)


def test_nothing_that_a_user_named_becomes_markup(report_of):
    evil = '<script>alert("1")</script>'
    report = report_of({evil: [evil, "b & c"], "<b>": ["'", '"'] * 20}, name=evil)
    report["fingerprints"]["<i>"] = evil
    report["machine"]["cpu"] = evil
    html = html_report(report)
    page = Page(html)
    assert page.scripts == 1
    assert "<b>" not in html
    assert "<i>" not in html
    assert evil in "".join(page.texts)


def test_nothing_that_a_user_named_moves_a_cursor_or_turns_the_writing(report_of):
    html = html_report(report_of({"mood": ["a\x1b[2J\x9b", "b\u202ec\u2066"]}, name="x\x07\r"))
    assert not {*"\x1b\x9b\x07\r\u202e\u2066"} & {*html}
    for seen in (r"a\x1b[2J\x9b", r"b\u202ec\u2066", r"x\x07\r"):
        assert seen in html


def test_only_the_page_s_own_script_may_run(report):
    html = html_report(report)
    script = re.search(r"<script>(.*)</script>", html, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in html


def test_every_task_model_and_artefact_is_named(report, validation, bench):
    text = " ".join(Page(html_report(report, validation=validation, bench=bench)).texts)
    for name in ("left", "right", "larger", "Student without distillation", "onnx-int8-qdq"):
        assert name in text
    for name in ("undecided", "not run", "needs a device", "0.953", "98.0 %", "+0.032", "10.9x"):
        assert name in text
    assert "m" * 64 in text  # the bundle's identity


def test_tables_scroll_inside_their_own_box(report, validation):
    html = html_report(report, validation=validation)
    page = Page(html)
    assert page.tables
    assert all(parents[-1] == "div" for parents in page.tables)
    assert html.count('<div class="scroll"') == len(page.tables)


def test_many_classes_give_a_list_of_confusions_instead_of_a_matrix(report_of):
    labels = [f"intent_{index}" for index in range(40)]
    many = html_report(report_of({"intent": labels}))
    few = html_report(report_of({"intent": labels[:10]}))
    assert "most frequent confusions" in many
    assert "Confusion matrix" not in many
    assert "Confusion matrix" in few
    assert "most frequent confusions" not in few


def test_long_class_tables_are_folded(report_of):
    labels = [f"intent_{index}" for index in range(40)]
    assert "<details>\n<summary>All 40 classes" in html_report(report_of({"intent": labels}))
    assert "<details open>\n<summary>All 3 classes" in html_report(report_of({"x": labels[:3]}))


def test_a_run_without_baseline_curves_or_confusions_still_has_its_page(report):
    for split in report["splits"].values():
        split.pop("gain")
        for blocks in split["tasks"].values():
            blocks.pop("baseline")
            blocks["student"] = {"metrics": blocks["student"]["metrics"]}
    for key in ("models", "curves", "fingerprints", "machine", "cache"):
        report.pop(key)
    text = " ".join(Page(html_report(report)).texts)
    assert "0.953" in text
    assert "without distillation" not in text
    assert "Learning curves" not in text


def test_a_validation_alone_is_enough_for_the_artefacts(report, validation):
    text = " ".join(Page(html_report(report, validation=validation)).texts)
    assert "at most +0.39" in text
    assert "Speed\u2011up" in text


@pytest.mark.parametrize("broken", [{}, {"schema": 1, "name": "x", "tasks": {}, "splits": {}}])
def test_what_is_no_report_is_refused(broken):
    with pytest.raises(UsageError):
        html_report(broken)


def test_a_newer_report_is_refused(report):
    with pytest.raises(SchemaTooNewError, match="schema 4"):
        html_report({**report, "schema": 4})


def test_the_legend_of_the_losses_names_what_is_drawn(report):
    losses = ("student, distillation", "student, labels", "no distillation, labels")
    assert all(f"</svg>{name}" in html_report(report) for name in losses)
    del report["curves"]["baseline"]
    for point in report["curves"]["student"]:
        for parts in point["train"].values():
            parts.pop("kd")
    text = html_report(report)
    assert [name for name in losses if f"</svg>{name}" in text] == ["student, labels"]


def test_what_schedules_did_is_drawn_for_the_tasks_that_have_one(report):
    task = next(iter(report["tasks"]))
    assert "mean alpha by epoch" not in html_report(report)
    for at, point in enumerate(report["curves"]["student"]):
        point["values"] = {task: {"alpha": 0.9 - 0.01 * at, "temperature": 4.0}}
    text = html_report(report)
    for value in ("alpha", "temperature"):
        assert text.count(f"{task}: mean {value} by epoch") == 1
    assert text.count("by epoch") == html_report_of_constants(report).count("by epoch") + 2


def html_report_of_constants(report):
    for point in report["curves"]["student"]:
        del point["values"]
    return html_report(report)


def test_several_teachers_have_curves_of_their_own(report):
    report["curves"]["resnet"] = report["curves"].pop("teacher")
    html = html_report(report)
    assert html.count("<title>teacher resnet:") == 3
    assert "teacher resnet</li>" in html
    report["curves"]["other"] = report["curves"]["resnet"]
    html = html_report(report)
    assert html.count("<title>teacher other:") == 3
    assert "</svg>teacher</li>" in html


def test_several_teachers_of_a_task_are_shown_each_and_together(report, joint):
    html = html_report(joint)
    assert "Each teacher" in html
    assert "joined by skill, power 1.5" in html
    assert ">trees<" in html
    assert "Each teacher" not in html_report(report)


def test_every_fault_its_cause_and_what_int8_does_not_gain_are_said(report, validation, bench):
    name = "onnx-int8-qdq"
    found = validation["artefacts"][name]
    found |= {"verdict": "fail", "faults": ["first <fault>", "second"], "cause": "the graph"}
    found["bytes"] = validation["artefacts"]["onnx-fp32"]["bytes"] - 1
    page = html_report(report, validation=validation, bench=bench)
    assert "first &lt;fault&gt;; second. Cause: the graph." in page
    assert f"{name} saves nothing" in page


def test_words_beyond_the_length_limit_are_named(report):
    task = next(iter(report["tasks"]))
    said = "Labelled words beyond the length limit, or without a piece, which count as wrong"
    assert said not in html_report(report)
    report["splits"]["test"]["tasks"][task]["student"]["cut_words"] = 1234
    report["splits"]["test"]["tasks"][task]["teacher"]["cut_words"] = 0
    assert f"{said}: {FORMS['student']} 1,234<" in html_report(report)
