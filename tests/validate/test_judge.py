"""Candidates that no bundle holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import bundles
from kd2edge.bundle import Gate
from kd2edge.errors import DataError
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import Encoded
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Decoded, TaskSpec
from kd2edge.validate import Policy, judge, loaded
from kd2edge.validate.meaning import meaning_of
from kd2edge.validate.reference import Reference
from kd2edge.validate.split import Split

INPUTS = {"image": bundles.IMAGE_INPUT}
TASKS: dict[str, TaskSpec] = {str(one.name): one for one in bundles.IMAGE_TASKS}
POLICY = Policy(Gate({"digit": 0.05, "larger": 0.05}))


class Net:
    """Functions in memory: raw pictures to arrays, arrays to outputs, outputs to decisions."""

    tasks = TASKS

    def __init__(self, sign: float = 1.0, noise: float = 0.0) -> None:
        self._sign, self._noise = sign, noise
        self._encoder = input_kind("image").open(bundles.IMAGE_INPUT, {})

    def encode(self, inputs: Mapping[str, Any]) -> dict[str, Encoded]:
        return {"image": self._encoder.encode(inputs["image"])}

    def logits(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        outputs = bundles.run_onnx(bundles.image_graph(), dict(inputs))
        return {**outputs, "digit": self._sign * outputs["digit"] + self._noise}

    def decode(self, logits: Mapping[str, Any], encoded: object) -> dict[str, Decoded]:
        return {
            name: task_kind(spec.kind).decode(spec, logits[name])
            for name, spec in self.tasks.items()
        }


class Blurred(Net):
    """Its own decisions are not those of its outputs."""

    def decode(self, logits: Mapping[str, Any], encoded: object) -> dict[str, Decoded]:
        return super().decode({**logits, "digit": np.roll(logits["digit"], 1, -1)}, encoded)


@pytest.fixture
def split(rows) -> Split:
    return Split.of(rows, INPUTS, TASKS)


@pytest.fixture
def reference(split: Split) -> Reference:
    return said_of(split)


def said_of(split: Split) -> Reference:
    """What the sound net says of every row."""
    net = Net()
    encoded = net.encode(split.values(range(len(split.ids))))
    logits = net.logits(encoded["image"].arrays)
    return Reference(
        tuple(split.ids), split.inputs_of_rows, net.decode(logits, encoded), logits,
        truths=split.truths,
    )  # fmt: skip


def test_a_right_candidate_passes_and_a_wrong_one_fails_without_any_bundle(split, reference):
    found = judge({"right": Net(), "wrong": Net(sign=-1.0)}, split, reference, POLICY)
    assert {name: one.verdict for name, one in found.items()} == {"right": "pass", "wrong": "fail"}
    assert found["right"].tasks["digit"].changed == 0
    assert found["right"].numbers["digit"][0].max_abs == 0
    wrong = found["wrong"]
    assert wrong.tasks["digit"].verdict == "fail"
    assert wrong.tasks["larger"].verdict == "pass"
    assert "digit: decisions other than the reference's" in wrong.reason


def test_what_is_a_little_off_passes_as_int8_and_not_as_fp32(split, reference):
    net = Net(noise=0.01)
    found = judge(
        {"exact": net, "rounded": loaded(net, precision="int8")}, split, reference, POLICY
    )
    assert {name: one.verdict for name, one in found.items()} == {
        "exact": "fail",
        "rounded": "pass",
    }
    assert "digit: logits differ by 0.01" in found["exact"].reason


def test_decisions_other_than_the_outputs_say_fail(split, reference):
    found = judge({"blurred": Blurred()}, split, reference, POLICY)["blurred"]
    assert found.verdict == "fail"
    assert "predict answers" in found.reason


def test_a_policy_may_look_at_the_tasks_alone(split, reference):
    quick = replace(POLICY, levels=frozenset({"tasks"}))
    net = Net(noise=0.01)
    found = judge({"rounded": loaded(net, precision="int8")}, split, reference, quick)["rounded"]
    assert (found.verdict, found.numbers, found.edges) == ("pass", {}, ())
    # What claims to be PyTorch's own passes at no level that was left out.
    assert judge({"exact": net}, split, reference, quick)["exact"].verdict == "undecided"


def test_labels_other_than_the_reference_s_are_refused(split, reference, rows, tools):
    other = [dict(row) for row in rows]
    other[3]["digit"] = str((int(other[3]["digit"]) + 1) % 3)
    changed = Split.of(tools.ListRows(other), INPUTS, TASKS)
    with pytest.raises(DataError, match="not those that the report was made with"):
        judge({"right": Net()}, changed, reference, POLICY)


def test_a_candidate_that_reads_its_outputs_in_another_way_fails(split, reference):
    meaning = meaning_of("5" * 64, TASKS, INPUTS, {})
    turned = {**TASKS, "digit": replace(TASKS["digit"], decode={"temperature": 4.0})}
    other = meaning_of("5" * 64, turned, INPUTS, {})
    found = judge({"right": Net()}, split, reference, POLICY, meaning=meaning)
    assert found["right"].verdict == "pass"
    found = judge({"right": Net()}, split, reference, POLICY, meaning=other)
    assert found["right"].verdict == "fail"
    assert "task digit: decode is" in found["right"].reason


def test_rows_that_somebody_picked_show_nothing(tools):
    split = Split.of(tools.image_rows(right=0.5), INPUTS, TASKS)
    reference = said_of(split)
    pairs = zip(
        split.truths["digit"].labels, reference.decoded["digit"].labels, split.rows, strict=True
    )
    right = tools.ListRows([row for label, said, row in pairs if label == said])
    wide = Policy(Gate({"digit": 0.5, "larger": 0.5}))
    picked = Split.of(right, INPUTS, TASKS)
    found = judge({"right": Net()}, picked, reference, wide)["right"]
    assert found.verdict == "undecided"
    assert "no fair part of the split" in found.reason
