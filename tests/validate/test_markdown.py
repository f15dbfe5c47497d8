from __future__ import annotations

import math
from dataclasses import replace

from kd2edge.metrics.estimate import Estimate
from kd2edge.validate.validation import (
    ArtefactResult,
    Basis,
    Check,
    LackingResult,
    MetricResult,
    NumberResult,
    TaskResult,
    Validation,
)


def validation(**changes) -> Validation:
    half = Estimate(0.953, 0.945, 0.961, 0.95, 4000)
    metric = MetricResult(half, half, Estimate(0.0012, -0.001, 0.0039, 0.95, 4000))
    task = TaskResult("accuracy", "pass", "", 0.005, None, {"accuracy": metric}, 12, 2)
    absent = TaskResult("accuracy", "not_run", "no row has a label", 0.005)
    number = NumberResult("batch 1", 4, math.inf, 0.0, math.inf, 0.995)
    fields = {
        "manifest": "m" * 64, "name": "quickstart", "split": "test", "rows": 4000,
        "fingerprint": "f", "references": {"pytorch": 3990, "onnx-fp32": 10}, "confidence": 0.95,
        "outcome": "pass",
        "artefacts": {
            "onnx-int8-portable": ArtefactResult(
                "undecided", "larger: no row has a label", 81_000,
                (Check("onnx graph", "not_run", "onnx is not here"),),
                {"left": (number,)}, {"left": task, "larger": absent},
            ),
            "tensorrt-int8": ArtefactResult("not_run", "needs a | device", 1),
        },
    }  # fmt: skip
    return Validation(**(fields | changes))


def test_the_tables_fit_a_terminal_and_hold_the_numbers():
    text = validation().table()
    lines = text.splitlines()
    assert all(len(line) <= 80 for line in lines if line.startswith("|"))
    (row,) = [line for line in lines if line.startswith("| onnx-int8-portable | left")]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "onnx-int8-portable", "left", "0.9530", "0.12", "0.39", "0.50", "pass",
    ]  # fmt: skip
    assert "12 (2 ties)" in text
    assert "99.5%" in text


def test_reasons_and_checks_that_did_not_run_are_named():
    text = validation().table()
    assert "- tensorrt-int8 not run: needs a | device" in text
    assert "- onnx-int8-portable onnx graph not run: onnx is not here" in text


def test_metrics_of_different_rows_never_stand_in_one_table():
    found = validation()
    part = found.artefacts["onnx-int8-portable"]
    fewer = Estimate(0.96, 0.95, 0.97, 0.95, 1501)
    metric = MetricResult(fewer, fewer, Estimate(0.0, -0.001, 0.002, 0.95, 1501))
    own = replace(part.tasks["left"], metrics={"accuracy": metric})
    exact = replace(part, tasks={"left": own})
    text = replace(found, artefacts={**found.artefacts, "onnx-fp32": exact}).table()
    first, second = text.index("On 4,000 rows:"), text.index("On 1,501 rows:")
    assert first < text.index("| onnx-int8-portable | left") < second
    assert second < text.index("| onnx-fp32 ", second)
    assert "| onnx-fp32 " not in text[first:second]
    assert "On " not in validation().table()


def test_it_says_of_which_rows_errors_and_changed_decisions_are():
    text = validation().table()
    assert "Errors and top-1: 4 rows with PyTorch's logits; changed: all rows above." in text
    fewer = validation(rows=3).table()  # of three rows, four words
    assert "Errors and top-1: 4 words with PyTorch's logits" in fewer


def test_rows_that_no_split_has_are_not_said_to_be_of_one():
    mixed = validation().table()
    assert "quickstart: 4,000 rows against the stored PyTorch outputs (3,990 rows) and" in mixed
    fresh = validation(references={"pytorch": 0, "onnx-fp32": 4000}).table()
    assert "4,000 rows against the artefact onnx-fp32; one-sided" in fresh
    own = validation(references={"pytorch": 4000, "onnx-fp32": 0}).table()
    assert "4,000 rows of the test split against the stored PyTorch outputs; one-sided" in own


def test_rows_that_run_again_in_other_ways_are_counted_once():
    found = validation()
    part = found.artefacts["onnx-int8-portable"]
    (alone,) = part.numbers["left"]
    again = replace(alone, way="1 thread, 60 other sizes", rows=2_000)
    more = replace(part, numbers={"left": (alone, again)})
    text = replace(found, artefacts={"onnx-int8-portable": more}).table()
    assert "Errors and top-1: 4 rows with" in text


def test_both_references_are_named_with_their_rows():
    assert "stored PyTorch outputs (3,990 rows)" in validation().table()
    alone = validation(references={"pytorch": 4000, "onnx-fp32": 0})
    assert alone.reference == "the stored PyTorch outputs"
    assert validation(references={}).reference == "nothing"


def test_json_holds_no_infinity_and_no_path():
    import json

    found = validation(evidence="/home/somebody/reports/x.json").to_json()
    text = json.dumps(found, allow_nan=False)
    assert "somebody" not in text
    assert found["artefacts"]["onnx-int8-portable"]["numbers"]["left"][0]["max_abs"] is None
    assert found["schema"] == 2


def test_evidence_gives_the_same_table():
    import json

    from kd2edge.validate.markdown import validation_table

    found = validation()
    assert validation_table(json.loads(json.dumps(found.to_json()))) == found.table()
    assert "not finite" in found.table()


def test_words_beyond_the_length_limit_are_named_once_a_task():
    found = validation()
    (name, part), *others = found.artefacts.items()
    cut = {task: replace(one, cut=3) for task, one in part.tasks.items() if task == "left"}
    left = replace(part, tasks=cut)
    both = replace(found, artefacts={name: left, "onnx-fp32": left}).table()
    assert both.count("left: 3 labelled words lie beyond the length limit, or without a piece") == 1
    one = replace(found, artefacts={name: left, **dict(others)}).table()
    assert f"left: 3 labelled words lie beyond the length limit in {name}, or without" in one
    assert "length limit" not in found.table()


def test_rows_without_an_input_have_a_table_of_their_own():
    plain = validation()
    found = plain.artefacts["onnx-int8-portable"]
    part = LackingResult(found.numbers, {"left": found.tasks["left"]})
    one = replace(found, without={"details": part})
    whole = replace(
        plain,
        artefacts={**plain.artefacts, "onnx-int8-portable": one},
        without={"details": Basis(3900, 1200, {"pytorch": 3900, "onnx-fp32": 0})},
    )
    lines = whole.table().splitlines()
    at = lines.index("Without details (3,900 rows, 1,200 distinct):")
    assert lines[at + 4].startswith("| onnx-int8-portable | left |")
    assert all(len(line) <= 80 for line in lines if line.startswith("|"))
    assert "24 (4 ties)" in whole.table()


def test_where_no_input_may_be_absent_nothing_is_said_of_it():
    data = validation().to_json()
    assert "without" not in data
    assert all("without" not in one for one in data["artefacts"].values())
    assert "ithout" not in validation().table()


def test_drops_of_values_are_told_in_their_unit():
    found = TaskResult("mae", "not_run", "", 0.5, unit="EUR")
    (name, result), *_ = validation().artefacts.items()
    text = validation(artefacts={name: replace(result, tasks={"price": found})}).table()
    assert "Metrics: price mae; drops in EUR for price." in text
