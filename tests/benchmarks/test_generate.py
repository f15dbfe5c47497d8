from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import generate  # pyright: ignore[reportMissingImports]
import pytest

ORIGIN = {
    "command": "python benchmarks/x.py", "commit": "abc", "versions": {"numpy": "2"},
    "machine": {"cpu": "CPU", "cores": 2, "os": "Linux", "python": "3.11"},
}  # fmt: skip
GAIN = {"value": 0.02, "low": 0.01, "high": 0.03}


def accuracy(share: float, low: float, verdict: str = "pass", high: float = 0.004) -> Any:
    task = {
        "metric": "accuracy", "teacher": {"value": 0.9}, "student": [0.9, 0.8],
        "baseline": [0.7, 0.7], "share_of_teacher": share, "least_share": 0.95,
        "gain": {**GAIN, "low": low},
    }  # fmt: skip
    judged = {
        "verdict": verdict, "max_drop": 0.005, "rows_needed": 600,
        "drop": {"value": 0.001, "high": high},
    }  # fmt: skip
    gate = {
        "onnx-fp32": {"verdict": "pass", "tasks": {"t": judged}},
        "onnx-int8-qdq": {"verdict": "fail", "tasks": {"t": {**judged, "verdict": "fail"}}},
        "openvino-int8": {"verdict": verdict, "tasks": {"t": judged}},
    }
    return {**ORIGIN, "measured": {"tasks": {"t": task}, "gate": gate}}


def test_the_page_in_the_docs_is_what_the_results_give():
    found = generate.PAGE.read_text(encoding="utf-8")
    results = generate.read(generate.RESULTS)
    assert found == generate.page(results), "run benchmarks/generate.py"
    if text := generate.picture(results):
        path = generate.PAGE.parent / generate.PICTURE
        assert path.read_text(encoding="utf-8") == text, "run benchmarks/generate.py"


def test_what_was_not_measured_is_said():
    text = generate.page({})
    sections = text.split("\n## ")[1:]
    # Whole rows, students without an input, all families, scores of scope: none where none are.
    assert len(sections) == len(generate.SECTIONS) - 4 == 22
    assert all(generate.MISSING in section for section in sections)
    assert "yes" not in text


@pytest.mark.parametrize(
    ("share", "low", "reached"), [(0.96, 0.01, True), (0.94, 0.01, False), (0.96, 0.0, False)]
)
def test_a_student_is_held_against_teacher_and_baseline(share: float, low: float, reached: bool):
    text = generate.students({"accuracy-clinc150": accuracy(share, low)})
    (row,) = [line for line in text.splitlines() if line.startswith("| clinc150 |")]
    assert row.endswith("| yes |" if reached else "| **no** |")
    assert "0.8500 (2 seeds)" in row


def test_scores_of_scope_stand_by_their_means():
    assert generate.scopes({}) == ""
    one = {"accuracy": [0.8, 0.9], "out_of_scope_recall": [0.7, 0.7], "in_scope_recall": [1, 1]}
    one["validation_out_of_scope_recall"] = [0.6, 0.6]
    other = {key: [0.5] for key in one}
    found = {
        "recipe": "r",
        "tasks": {"intent": {"energy": one}},
        "teachers": {"big": {"intent": {"energy": other}}},
    }
    text = generate.scopes({"scopes-r": {**ORIGIN, "measured": found}})
    assert "| r | intent | student | energy | 0.6000 | 0.8500 | 0.7000 | 1.0000 |" in text
    assert "| r | intent | teacher big | energy | 0.5000 | 0.5000 | 0.5000 | 0.5000 |" in text
    assert "2 seeds" in text


def test_whole_rows_of_a_recipe_stand_in_a_table_of_their_own():
    found = accuracy(0.96, 0.01)
    assert generate.whole_rows({"accuracy-clinc150": found}) == ""
    task = found["measured"]["tasks"]["t"]
    found["measured"]["whole_rows"] = {**task, "tasks": ["t", "u"]}
    text = generate.whole_rows({"accuracy-clinc150": found})
    assert "| clinc150 | t, u | 0.9000 | 0.8500 (2 seeds) | 96.0 % |" in text


def test_every_int8_artefact_is_shown_and_judged_and_none_is_singled_out():
    text = generate.gates({"accuracy-clinc150": accuracy(1.0, 0.1)})
    rows = [line for line in text.splitlines() if line.startswith("| clinc150 |")]
    assert [row.split(" | ")[1] for row in rows] == ["onnx-int8-qdq", "openvino-int8"]
    assert [row.split(" | ")[-1] for row in rows] == ["**no** |", "yes |"]
    assert "`load` takes the fastest" in text


def test_undecided_is_enough_only_with_a_small_drop():
    one = {"verdict": "undecided", "max_drop": 0.005, "drop": {"value": 0.004}}
    assert generate.enough(one)
    assert not generate.enough({**one, "drop": {"value": 0.006}})
    assert not generate.enough({**one, "verdict": "fail"})


def test_results_hold_no_path_of_a_machine():
    for path in generate.RESULTS.glob("*.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        assert result["name"] == path.stem
        for text in strings(result):
            assert not text.startswith(("/", "~")), f"{path.name}: {text}"
            assert str(Path.home()) not in text or str(Path.home()) == "/"


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


def compared(variant: str, gain: tuple[float, float, float], **tests: Any) -> dict[str, Any]:
    value, low, high = gain
    return {
        "variant": variant, "task": "t", "metric": "accuracy", "base": [0.8, 0.9],
        "variant_values": [0.9, 0.9], "gain": {"value": value, "low": low, "high": high}, **tests,
    }  # fmt: skip


def test_a_step_is_held_against_the_limit_of_what_it_learns_from():
    one = {
        "name": "x", "batch": 64, "precision": "fp32", "ratio": 1.04, "hinted_ratio": 1.2,
        "times": {"supervised": {"median_us": 2000.0}},
    }  # fmt: skip
    text = generate.steps({"step": {**ORIGIN, "measured": {"recipes": [one]}}})
    said = "| x | 64 | fp32 | 2.0 ms | cached logits"
    assert f"{said} | 1.040x | 1.05x | yes |" in text
    assert f"{said}, 2 hints | 1.200x | 1.15x | **no** |" in text
    del one["hinted_ratio"]
    text = generate.steps({"step": {**ORIGIN, "measured": {"recipes": [one]}}})
    assert f"{said}, 2 hints | {generate.MISSING} | 1.15x |  |" in text


def test_a_balancer_of_features_is_held_against_a_limit_and_others_are_shown():
    step = {
        "name": "x", "batch": 64, "times": {"static": {"median_us": 2000.0}},
        "ratios": {"dwa": 1.3, "mgda": 1.1, "mgda, parameters": 3.0, "upgrad": 1.2},
        "feature_level": ["mgda", "upgrad"],
    }  # fmt: skip
    call = {"method": "mgda", "tasks": 20, "gradients": "features", "ratio": 1.05}
    limits = {"step": 1.15, "call": 1.1, "difference": 1e-5}
    calls = [{**call, "difference": 1e-6}, {**call, "difference": 2e-5}]
    measured = {"limits": limits, "steps": [step], "calls": calls}
    text = generate.balancing({"balance": {**ORIGIN, "measured": measured}})
    lines = [line for line in text.splitlines() if line.startswith("| x |")]
    assert [line.split(" | ")[3] for line in lines] == [
        "mgda", "upgrad", "dwa", "mgda, parameters",
    ]  # fmt: skip
    assert [line.split(" | ")[-1] for line in lines] == ["yes |", "**no** |", " |", " |"]
    assert "| mgda | 20 | features | 1.050x | 1.0e-06 | yes |" in text
    assert "| mgda | 20 | features | 1.050x | 2.0e-05 | **no** |" in text
    assert "benchmarks/balance.py" in generate.balancing({})


STUDY = {
    "name": "losses", "seeds": [1, 2], "epochs": 5, "resamples": 1999,
    "student": {"model": {"family": "static"}},
    "variants": [
        {"name": "as it is", "trial": 0, "parameters": 1000, "state": "complete", "reason": ""},
        {"name": "hint|ed", "trial": 1, "parameters": None, "state": "failed", "reason": "no x"},
    ],
    "tasks": {"t": {"factor": 100.0}},
    "comparisons": [
        compared(
            "alpha=1", (0.05, -0.01, 0.1), p={"gain": 0.1, "loss": 0.91},
            p_holm={"gain": 0.2, "loss": 1.0}, verdict="not shown", alone="not shown",
        ),
        compared(
            "loss=mse", (-0.05, -0.1, -0.02), p={"gain": 0.999, "loss": 0.0015},
            p_holm={"gain": 1.0, "loss": 0.006}, verdict="hurts", alone="hurts",
        ),
    ],
}  # fmt: skip


def rows_of(study: Any) -> list[str]:
    text = generate.studies({"study-losses": {**ORIGIN, "measured": study}})
    rows = [line for line in text.splitlines() if line.startswith("| losses")]
    return [row.replace("\N{MINUS SIGN}", "-") for row in rows]


def test_a_study_says_what_each_variant_gains_or_loses_and_whether_it_is_shown():
    gained, hurt, _ = rows_of(STUDY)
    sides = "t | accuracy | 0.8500 | 0.9000"
    assert gained == f"| losses | alpha=1 | {sides} | +5.00 | -1.00 | +10.00 | 0.200 | not shown |"
    assert hurt == f"| losses | loss=mse | {sides} | -5.00 | -10.00 | -2.00 | 0.006 | hurts |"
    text = generate.studies({"study-losses": {**ORIGIN, "measured": STUDY}})
    assert "a `static` student of 1,000 parameters, 5 epochs, 2 seeds" in text
    assert "was not kept" not in text


def test_a_variant_that_failed_stands_there_with_its_reason():
    assert rows_of(STUDY)[2:] == ["| losses | hint\\|ed | failed | no x |"]
    none = {**STUDY, "variants": STUDY["variants"][:1]}
    assert "Without a comparison" not in generate.studies(
        {"study-losses": {**ORIGIN, "measured": none}}
    )


def test_a_record_without_the_test_of_a_loss_says_no_more_than_it_holds():
    """Of p = 0.99 the other is at least 1.0005 - 0.99, times 4 for Holm; the bounds are kept."""
    comparisons = [
        compared("alpha=1", (0.05, -0.01, 0.1), p=0.1, p_holm=0.2, shown=False),
        compared("loss=mse", (-0.05, -0.1, -0.02), p=0.98, p_holm=1.0, shown=False),
    ]
    _, hurt = rows_of({**STUDY, "comparisons": comparisons})[:2]
    assert hurt.endswith("| -5.00 | -10.00 | -2.00 | >= 0.082 | not shown (alone: hurts) |")
    comparisons[1]["p"] = 0.9995
    gained, hurt = rows_of({**STUDY, "comparisons": comparisons})[:2]
    assert hurt.endswith("| >= 0.004 | not tested (alone: hurts) |")
    assert gained.endswith("| >= 0.300 | not shown |")
    text = generate.studies(
        {"study-losses": {**ORIGIN, "measured": {**STUDY, "comparisons": comparisons}}}
    )
    assert "Of losses the test of a loss was not kept" in text
