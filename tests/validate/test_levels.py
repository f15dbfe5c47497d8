from __future__ import annotations

from dataclasses import replace

import pytest

from kd2edge.validate.levels import Levels, number_failures, result_of
from kd2edge.validate.policy import DEMANDS
from kd2edge.validate.validation import Check, NumberResult, TaskResult
from kd2edge.verdict import ORDER, Word


def levels(precision: str, **found) -> Levels:
    return Levels(precision, DEMANDS[precision], **found)


def task(verdict: Word) -> TaskResult:
    return TaskResult("accuracy", verdict, "" if verdict == "pass" else f"because {verdict}", 0.01)


def number(max_abs: float) -> NumberResult:
    return NumberResult("batch 1", 4, max_abs, 1.0, 0.0, 1.0)


def way(name: str, rms: float, top1: float) -> NumberResult:
    return NumberResult(name, 64, 1.0, 1.0, 0.0, top1, rms)


def test_a_coarse_head_must_hold_in_every_way_to_batch_and_pad():
    def faults(*ways: NumberResult) -> list[str]:
        return number_failures("int8", DEMANDS["int8"], {"t": ways})

    assert faults(way("batch 1", 0.1, 0.95), way("batch 7", 0.2, 0.9)) == []
    (broken,) = faults(way("batch 1", 0.9, 0.9), way("batch 7", 0.1, 0.95))
    assert "0.9 of their size (batch 1)" in broken
    (apart,) = faults(way("batch 1", 0.3, 0.4), way("batch 7", 0.1, 0.95))
    assert "40% of the decisions are PyTorch's in batch 1, 95% in batch 7" in apart
    assert faults(way("batch 1", float("nan"), 0.9))
    assert number_failures("fp16", DEMANDS["fp16"], {"t": [way("batch 1", 0.1, 1.0)]})


def test_an_artefact_passes_only_when_every_task_passes():
    def judge(*verdicts: Word) -> str:
        tasks = {str(index): task(name) for index, name in enumerate(verdicts)}
        return levels("int8", tasks=tasks).verdict()[0]

    assert judge("pass", "pass") == "pass"
    assert judge("pass", "undecided") == "undecided"
    assert judge("undecided", "fail") == "fail"
    assert judge("pass", "not_run") == "undecided"
    assert judge("not_run", "not_run") == "undecided"  # it ran, and nothing is known of it
    assert judge() == "undecided"


def test_a_failed_check_fails_the_artefact_whatever_its_tasks_say():
    bad = Check("opset", "failed", "too new")
    tasks = {"a": task("pass")}
    assert levels("int8", graph=(bad,), tasks=tasks).verdict() == ("fail", "opset: too new")
    assert levels("int8", tasks=tasks, edges=(bad,)).verdict()[0] == "fail"
    absent = Check("onnx graph", "not_run", "onnx is not here")
    assert levels("int8", graph=(absent,), tasks=tasks).verdict()[0] == "pass"


def test_an_fp32_artefact_passes_only_when_graph_and_numbers_were_looked_at():
    tasks, near = {"a": task("pass")}, {"a": (number(0.0),)}
    absent = Check("onnx graph", "not_run", "onnx is not here")
    whole = Check("checksums", "ok")
    assert levels("fp32", graph=(whole,), numbers=near, tasks=tasks).verdict() == ("pass", "")
    for graph, numbers, why in ((absent, near, "onnx is not here"), (whole, {}, "no PyTorch")):
        found, reason = levels("fp32", graph=(graph,), numbers=numbers, tasks=tasks).verdict()
        assert found == "undecided"
        assert why in reason
        assert levels("int8", graph=(graph,), numbers=numbers, tasks=tasks).verdict()[0] == "pass"


def test_only_fp32_is_judged_by_its_logits():
    tasks = {"a": task("pass")}
    far, near = {"a": (number(0.0), number(2e-4))}, {"a": (number(9e-5),)}
    assert levels("fp32", numbers=far, tasks=tasks).verdict()[0] == "fail"
    assert levels("fp32", numbers=near, tasks=tasks).verdict()[0] == "pass"
    assert levels("int8", numbers=far, tasks=tasks).verdict()[0] == "pass"


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_golden_files_that_leave_out_a_head_let_nothing_pass(precision):
    absent = Check("golden outputs", "not_run", "golden raw values say nothing of t")
    found = levels(precision, numbers={"t": [number(0)]}, tasks={"t": task("pass")})
    assert found.verdict()[0] == "pass"
    verdict, reason = replace(found, graph=(absent,)).verdict()
    assert verdict == "undecided"
    assert "say nothing of t" in reason


def test_a_doubt_takes_a_pass_and_hides_no_fault():
    sound, broken = levels("int8", tasks={"a": task("pass")}), levels("int8", failures=("edges",))
    found = result_of(sound, "nobody looked")
    assert (found.verdict, found.reason, found.faults) == (
        "undecided",
        "nobody looked",
        ("nobody looked",),
    )
    assert result_of(broken, "nobody looked").faults == ("edges",)


def test_every_task_has_to_pass_without_each_input_too():
    whole = levels("int8", tasks={"a": task("pass")})
    for word in ORDER:
        part = levels("int8", tasks={"a": task(word)})
        found = result_of(whole.lacking("text", part))
        assert found.verdict == ("undecided" if word == "not_run" else word)
        said = () if word == "pass" else (f"a without text: because {word}",)
        assert found.faults == said
        assert found.without["text"].tasks["a"].verdict == word
        assert found.cause == ""  # a rounded graph may lose more there than elsewhere
    assert result_of(whole).without == {}


def test_outputs_that_are_wrong_without_an_input_alone_have_a_cause():
    whole = levels("int8", tasks={"a": task("pass")}, numbers={"a": (way("batch 1", 0.1, 1.0),)})
    part = replace(whole, numbers={"a": (way("batch 1", 0.9, 1.0),)})
    found = result_of(whole.lacking("text", part))
    assert found.verdict == "fail"
    assert found.reason.startswith("a without text: logits miss PyTorch's by 0.9 of their size")
    assert found.cause.startswith("how the graph tells that an input is absent")
    both = replace(whole, numbers=part.numbers)
    assert "absent" not in result_of(both.lacking("text", part)).cause


def test_checks_of_files_are_told_once():
    bad = Check("opset", "failed", "too new")
    whole = levels("int8", graph=(bad,), tasks={"a": task("pass")})
    assert whole.lacking("text", whole).faults() == ("opset: too new",)


def test_an_fp32_artefact_passes_only_with_logits_of_rows_without_the_input():
    good = {"tasks": {"a": task("pass")}, "numbers": {"a": (number(1e-6),)}}
    whole = levels("fp32", **good)
    assert whole.lacking("text", levels("fp32", **good)).verdict() == ("pass", "")
    verdict, reason = whole.lacking("text", levels("fp32", tasks=good["tasks"])).verdict()
    assert (verdict, reason.split(":")[0]) == ("undecided", "numbers without text")
