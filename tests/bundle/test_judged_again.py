from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.bundle.judged_again import Judged, judged
from kd2edge.scale import Scale

BUDGET = {"intent": 0.01}


def stored(
    word: str = "pass",
    *,
    high: Any = 0.005,
    low: Any = -0.01,
    max_drop: float = 0.01,
    confidence: float = 0.95,
    artefact: str = "onnx-int8",
    task: str | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """The payload of a validation of one artefact and one task."""
    value = min(0.0, high) if isinstance(high, float) else 0.0
    drop = {"value": value, "low": low, "high": high, "confidence": confidence, "rows": 500}
    part = {
        "metric": "accuracy",
        "verdict": task or word,
        "max_drop": max_drop,
        "metrics": {"accuracy": {"drop": drop}},
        "changed": 0,
        "ties": 0,
    }
    way = {"way": "batch 1", "max_abs": 1e-5, "rms": 1e-6}
    found = {
        "verdict": word,
        "reason": "",
        "graph": [{"name": "opset", "status": "ok", "detail": ""}],
        "edges": [],
        "numbers": {"intent": [way]},
        "tasks": {"intent": part},
    }
    payload = {
        "rows": 500,
        "references": {"pytorch": 500, "onnx-fp32": 0},
        "confidence": confidence,
        "artefacts": {artefact: found | changes.pop("found", {})},
    }
    return payload | changes


def again(payload: dict[str, Any], artefact: str = "onnx-int8", **given_: Any) -> Judged:
    return judged(payload, artefact, **({"max_drop": BUDGET, "confidence": 0.95} | given_))


def test_a_stored_pass_that_follows_is_a_pass():
    assert again(stored()) == Judged("pass")
    assert again(stored(max_drop=0.006)) == Judged("pass")  # a stricter trial counts
    assert again(stored(confidence=0.99)) == Judged("pass")


@pytest.mark.parametrize(
    "payload",
    [
        stored(high=0.3),
        stored(high=None),  # NaN or infinity, in JSON
        stored(low=None),
        stored(low=0.009, high=0.002),
        stored(task="fail"),
        stored(task="undecided", high=0.2),
        stored("undecided", task="pass", high=0.2),  # a task's word, too
        stored(found={"tasks": {}}),
        stored(rows=0),
        stored(found={"edges": [{"name": "batch of one", "status": "failed"}]}),
        stored(found={"numbers": {"intent": [{"max_abs": None, "rms": None}]}}),
    ],
)
def test_a_word_that_the_numbers_beside_it_do_not_bear_out_is_a_contradiction(payload):
    found = again(payload)
    assert found.verdict == "not_run"
    assert found.contradiction


def of_values(reference: float, candidate: float, **drop: float) -> dict[str, Any]:
    """A pass whose values, with and without the artefact, stand beside its drop."""
    payload = stored()
    found = payload["artefacts"]["onnx-int8"]["tasks"]["intent"]["metrics"]["accuracy"]
    found.update(reference={"value": reference}, candidate={"value": candidate})
    found["drop"].update(drop)
    return payload


@given(st.floats(0, 1), st.floats(-0.01, 0.004), st.floats(-0.5, 0.5))
def test_a_drop_is_that_of_the_values_beside_it(reference: float, drop: float, odd: float):
    payload = of_values(reference, reference - drop - odd, value=drop, high=0.005)
    assert bool(again(payload).contradiction) == (abs(odd) > 2e-3) or abs(abs(odd) - 2e-3) < 1e-9


def test_a_drop_of_an_error_is_what_it_rises_by():
    payload = stored(high=0.4, low=0.1, max_drop=0.5)
    part = payload["artefacts"]["onnx-int8"]["tasks"]["intent"]
    part["metrics"]["accuracy"] |= {"reference": {"value": 3.0}, "candidate": {"value": 3.25}}
    part["metrics"]["accuracy"]["drop"]["value"] = 0.25
    given_: dict[str, Any] = {"max_drop": {"intent": 0.5}}
    scales = {"accuracy": Scale("EUR", 1, lower_is_better=True)}
    assert again(payload, scales=scales, **given_).verdict == "pass"
    assert "contra" in repr(again(payload, **given_))  # as a share it would have gained
    tight = again(payload, scales=scales, max_drop={"intent": 0.05})
    assert "may drop by 0.4 EUR (at least 0.1), allowed are 0.05" in tight.reason


def test_a_drop_above_its_own_bound_is_a_contradiction():
    assert again(of_values(0.9, 0.8, value=0.1, high=0.005)).contradiction


def test_a_pass_by_another_metric_than_the_manifest_s_is_none():
    assert again(stored(), leading={"intent": "accuracy"}) == Judged("pass")
    assert again(stored(), leading={"intent": "macro_f1"}).contradiction
    payload = stored(high=0.3)  # whatever it says it is held to, the leading metric is
    part = payload["artefacts"]["onnx-int8"]["tasks"]["intent"]
    part["metrics"]["recall"] = {"drop": {**part["metrics"]["accuracy"]["drop"], "high": 0.0}}
    part["held"] = ["recall"]
    assert again(payload).contradiction


def test_an_fp32_artefact_has_to_be_pytorch_s():
    far = {"numbers": {"intent": [{"max_abs": 0.1, "rms": 0.01}]}}
    assert again(stored(artefact="onnx-fp32", found=far), "onnx-fp32").contradiction
    assert again(stored(found=far)) == Judged("pass")
    turned = stored(artefact="onnx-fp32")
    turned["artefacts"]["onnx-fp32"]["tasks"]["intent"]["changed"] = 2
    assert "other decisions" in again(turned, "onnx-fp32").contradiction


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        (stored(max_drop=0.5, high=0.3), "undecided"),
        (stored(max_drop=0.5, high=0.3, low=0.2), "fail"),
        (stored(confidence=0.6), "not_run"),
        (stored(confidence=0.6, max_drop=0.5, high=0.3, low=0.2), "not_run"),
        (stored("fail", max_drop=0.0, low=0.001), "not_run"),  # stricter: by ours it would pass
        (stored("undecided", max_drop=0.001), "not_run"),
        (stored("fail", low=0.02, high=0.3), "fail"),
        (stored("fail", task="pass"), "fail"),  # for another reason than its bounds
        (stored("undecided", task="pass"), "undecided"),
    ],
)
def test_a_trial_by_other_measures_shows_what_its_bounds_show(payload, wanted):
    found = again(payload)
    assert found.verdict == wanted
    assert not found.contradiction


@pytest.mark.parametrize("word", ["fail", "undecided"])
def test_what_failed_for_more_than_its_bounds_stays_what_it_is(word):
    """A class that is lost, say: the leading metric may be within its budget."""
    for budget in (0.01, 0.006):
        assert again(stored(word, high=0.005, max_drop=budget)).verdict == word
    # A stricter trial that its bounds explain shows nothing.
    assert again(stored(word, low=0.001, high=0.005, max_drop=0.0005)).verdict == (
        "not_run" if word == "fail" else word
    )


def test_the_confidence_of_a_bound_itself_counts():
    payload = stored()
    task = payload["artefacts"]["onnx-int8"]["tasks"]["intent"]
    task["metrics"]["accuracy"]["drop"]["confidence"] = 0.5
    assert again(payload).verdict == "not_run"


def test_a_task_that_was_not_measured_is_no_pass():
    found = again(stored(), max_drop={"intent": 0.01, "domain": 0.01})
    assert found == Judged("undecided", "domain was not measured")


def lacking(word: str = "pass", **changes: Any) -> dict[str, Any]:
    """A pass, beside what was found on the rows without ``text``."""
    payload = stored()
    part = stored(word, **changes)["artefacts"]["onnx-int8"]
    payload["artefacts"]["onnx-int8"]["without"] = {
        "text": {key: part[key] for key in ("numbers", "tasks")} | {"answers": []}
    }
    references = {"pytorch": 400, "onnx-fp32": 0}
    return payload | {"without": {"text": {"rows": 400, "references": references}}}


def test_a_task_passes_without_each_input_that_may_be_absent():
    assert again(lacking(), without=["text"]) == Judged("pass")
    lost = "intent without text was not measured"
    assert again(stored(), without=["text"]) == Judged("undecided", lost)
    gone = "intent without table was not measured"
    assert again(lacking(), without=["text", "table"]) == Judged("undecided", gone)


def test_bounds_without_an_input_are_held_to_the_task_s_budget():
    odd = again(lacking(high=0.3), without=["text"])
    assert odd.contradiction.startswith("intent without text is said to pass, but")
    assert again(lacking("fail"), without=["text"]).contradiction == (
        "a pass in which intent without text did not pass"
    )
    fallen = lacking("fail", low=0.2, high=0.4)
    fallen["artefacts"]["onnx-int8"]["verdict"] = "fail"
    found = again(fallen, without=["text"])
    assert (found.verdict, found.contradiction) == ("fail", "")
    assert found.reason.startswith("intent without text may drop by")


def test_outputs_and_answers_without_an_input_count():
    payload = lacking()
    part = payload["artefacts"]["onnx-int8"]["without"]["text"]
    part["answers"] = [{"name": "finite outputs", "status": "failed", "detail": "NaN"}]
    assert (
        again(payload, without=["text"]).contradiction
        == "a pass with a failed check: finite outputs"
    )
    payload = lacking()
    part = payload["artefacts"]["onnx-int8"]["without"]["text"]
    part["numbers"]["intent"][0]["rms"] = None
    odd = again(payload, without=["text"]).contradiction
    assert odd == "a pass with outputs that are not PyTorch's: intent without text"


def test_a_stand_in_for_rows_without_an_input_needs_its_own_pass():
    payload = lacking()
    payload["without"]["text"]["references"] = {"pytorch": 0, "onnx-fp32": 400}
    assert again(payload, without=["text"]).verdict == "undecided"
    assert again(payload, without=["text"], stand_ins={"onnx-fp32": "pass"}) == Judged("pass")


def test_a_stand_in_needs_its_own_pass():
    payload = stored(references={"pytorch": 400, "onnx-fp32": 100})
    assert again(payload).verdict == "undecided"
    assert "onnx-fp32, which did not pass" in again(payload).reason
    assert again(payload, stand_ins={"onnx-fp32": "pass"}) == Judged("pass")
    for word in ("fail", "undecided"):
        own = stored(word, task="pass", artefact="onnx-fp32")["artefacts"]
        beside = payload | {"artefacts": payload["artefacts"] | own}
        assert again(beside, stand_ins={"onnx-fp32": "pass"}).verdict == "undecided"
    good = stored(artefact="onnx-fp32")["artefacts"]
    assert again(payload | {"artefacts": payload["artefacts"] | good}) == Judged("pass")


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.3))
def test_whatever_stands_in_it_a_bound_above_the_budget_is_no_pass(low, width, own, budget):
    payload = stored(low=low, high=low + width, max_drop=own)
    found = again(payload, max_drop={"intent": budget})
    assert (found.verdict == "pass") == (low + width <= min(own, budget))


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"artefacts": []},
        {"artefacts": {"onnx-int8": "pass"}},
        {"artefacts": {"onnx-int8": {"verdict": "PASS"}}},
        {"artefacts": {"onnx-int8": {"verdict": True}}},
        stored(high="0"),
        stored(high=True),
    ],
)
def test_what_is_no_such_payload_is_said_by_an_exception(payload):
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        again(payload)


def fallen(*, low: float = 0.0, gone: bool = False, failed: bool = False) -> dict[str, Any]:
    """A class whose recall falls by 40 points."""
    numbers = {"support": 9, "reference": 0.6, "candidate": 0.2, "low": low}
    return {"label": "greet", "gone": gone, "failed": failed, **numbers}


@pytest.mark.parametrize(
    ("word", "of_class", "stated", "ours", "wanted"),
    [
        ("pass", {"low": 0.3}, 1.0, 0.05, "fail"),  # let go by a looser budget than the manifest's
        ("pass", {"low": 0.3}, 1.0, 1.0, "pass"),  # the manifest fails none
        ("pass", {"low": 0.03}, 1.0, 0.05, "pass"),
        ("pass", {"gone": True}, 1.0, 0.05, "not_run"),  # too few for a bound: not judged by ours
        ("pass", {"gone": True}, 0.05, 0.05, "pass"),
        ("fail", {"low": 0.1, "failed": True}, 0.0, 0.2, "not_run"),  # stricter than the manifest's
        ("fail", {"low": 0.1, "failed": True}, 0.0, 0.05, "fail"),
        ("fail", {"gone": True, "failed": True}, 0.05, 0.05, "fail"),
        ("fail", {"gone": True, "failed": True}, 0.05, 0.5, "not_run"),
    ],
)
def test_classes_are_judged_by_the_manifest_s_budget(word, of_class, stated, ours, wanted):
    payload = stored(word)
    part = payload["artefacts"]["onnx-int8"]["tasks"]["intent"]
    part |= {"classes": [fallen(**of_class)], "max_drop_class": stated}
    found = again(payload, max_drop_class={"intent": ours})
    assert (found.verdict, found.contradiction) == (wanted, "")


def test_a_pass_beside_a_class_far_beyond_its_own_budget_is_a_contradiction():
    payload = stored()
    part = payload["artefacts"]["onnx-int8"]["tasks"]["intent"]
    part |= {"classes": [fallen(low=0.3)], "max_drop_class": 0.05}
    assert again(payload, max_drop_class={"intent": 0.05}).contradiction


def test_a_stricter_trial_does_not_hide_outputs_that_are_wrong():
    """Whatever the budget: what is infinite, or no decision of PyTorch's in fp32, stays a fail."""
    nan = {"numbers": {"intent": [{"max_abs": None, "rms": None}]}}
    assert again(stored("fail", max_drop=0.0, low=0.001, found=nan)).verdict == "fail"
    turned = stored("fail", max_drop=0.0, low=0.001, artefact="onnx-fp32")
    turned["artefacts"]["onnx-fp32"]["tasks"]["intent"]["changed"] = 2
    assert again(turned, "onnx-fp32").verdict == "fail"


def test_a_class_that_fell_and_decisions_beside_a_rank_decide_as_well():
    payload = stored("fail")
    part = payload["artefacts"]["onnx-int8"]["tasks"]["intent"]
    part |= {"classes": [fallen(low=0.2, failed=True)], "max_drop_class": 0.05}
    found = again(payload, max_drop_class={"intent": 0.05})
    assert found.verdict == "fail"
    assert "'greet'" in found.reason
    payload = stored("fail")
    part = payload["artefacts"]["onnx-int8"]["tasks"]["intent"]
    worse = {"drop": {"low": 0.02, "high": 0.04, "confidence": 0.95}}
    part["metrics"]["auc"], part["metric"] = part["metrics"]["accuracy"], "auc"
    part["metrics"]["accuracy"], part["held"] = worse, ["auc", "accuracy"]
    assert again(payload).verdict == "fail"
