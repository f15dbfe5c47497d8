from __future__ import annotations

import math

from kd2edge.bundle import Gate
from kd2edge.validate.policy import DEMANDS, Policy

GATE = Gate({"digit": 0.01, "larger": 0.02}, {"digit": 0.3}, 0.99)


def test_fp32_has_to_be_pytorch_s_own_graph_and_what_is_rounded_has_not():
    exact, *rounded = DEMANDS.values()
    assert exact.same_decisions
    assert exact.every_level
    assert exact.numbers.max_abs == 1e-4
    for one in rounded:
        assert not one.same_decisions
        assert not one.every_level
        assert one.numbers.max_abs == math.inf
        assert one.numbers.rms < 1


def test_coarser_precisions_may_be_further_off():
    shares = [DEMANDS[name].numbers.rms for name in ("fp16", "bf16", "int8")]
    assert shares == sorted(shares)


def test_an_unknown_precision_is_taken_for_the_coarsest():
    assert Policy(GATE).demands("int4") == DEMANDS["int8"]


def test_budgets_are_the_gate_s_and_decisions_the_precision_s():
    exact, rounded = (Policy(GATE).budgets(name) for name in ("fp32", "int8"))
    assert exact["digit"].max_drop == rounded["digit"].max_drop == 0.01
    assert (exact["digit"].same_decisions, rounded["digit"].same_decisions) == (True, False)
    assert (exact["digit"].max_drop_class, exact["larger"].max_drop_class) == (0.3, 1.0)
    assert {one.confidence for one in (*exact.values(), *rounded.values())} == {0.99}
