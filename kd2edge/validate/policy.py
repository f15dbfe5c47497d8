"""What a candidate has to satisfy to pass, by its precision, and which levels look at it.

Here and nowhere else stands what fp32 and int8 are allowed.  How a level goes about it (sizes that
it tries, rows that it takes) stands with that level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from kd2edge.bundle.manifest import Gate
from kd2edge.runtime.golden import TOLERANCES
from kd2edge.validate.tasks import Budget
from kd2edge.verdict import FP32_TOLERANCE

__all__ = ["DEMANDS", "LEVELS", "Demands", "LevelName", "Near", "Policy"]

#: What is looked at beside a candidate's own files: outputs against PyTorch's logits, metrics on
#: the rows, calls of other sizes and forms, the edges of its inputs.
LevelName: TypeAlias = Literal["numbers", "tasks", "calls", "edges"]
LEVELS: tuple[LevelName, ...] = get_args(LevelName)

_ANY = math.inf


@dataclass(frozen=True, slots=True)
class Near:
    """How far outputs may be from others.

    Args:
        max_abs: largest absolute error of a logit.
        rms: RMS of the error as a share of the outputs' RMS.
    """

    max_abs: float = _ANY
    rms: float = _ANY


@dataclass(frozen=True, slots=True)
class Demands:
    """What is asked of every candidate of one precision.

    Args:
        numbers: how near its logits are to PyTorch's, in every way to batch and pad.
        threads: how near its outputs are to those of the same batch with other threads; what is
            further runs all rows by itself.
        calls: RMS, as a share, by which outputs of a row may depend on what is asked with it.
        apart: by how much the share of equal decisions may differ between two ways to batch.
        same_decisions: every decision but ties has to be the reference's.
        every_level: a level that could not be looked at lets nothing pass.
    """

    numbers: Near
    threads: Near
    calls: float
    apart: float = 1.0
    same_decisions: bool = False
    every_level: bool = False


def _coarse(precision: str) -> Demands:
    """How good a rounded graph is, its metrics say: its numbers only tell whether it is broken."""
    most = TOLERANCES[precision]
    return Demands(Near(rms=most), threads=Near(rms=0.01), calls=most, apart=0.25)


#: By precision.  An fp32 graph claims to be PyTorch's own: what was not looked at cannot show that.
DEMANDS: Mapping[str, Demands] = {
    "fp32": Demands(
        numbers=Near(max_abs=FP32_TOLERANCE),
        threads=Near(max_abs=FP32_TOLERANCE),
        calls=TOLERANCES["fp32"],
        same_decisions=True,
        every_level=True,
    ),
    **{name: _coarse(name) for name in TOLERANCES if name != "fp32"},
}


@dataclass(frozen=True, slots=True)
class Policy:
    """By what candidates are judged.

    Args:
        gate: budgets of every task, and the confidence of each one-sided bound.
        levels: which of them run.
        by_precision: what each precision is asked for; one that is not in it is taken for the
            coarsest.
    """

    gate: Gate
    levels: frozenset[LevelName] = frozenset(LEVELS)
    by_precision: Mapping[str, Demands] = field(default_factory=lambda: DEMANDS)

    def demands(self, precision: str) -> Demands:
        """What a precision is asked for."""
        return self.by_precision.get(precision) or self.by_precision["int8"]

    def budgets(self, precision: str) -> dict[str, Budget]:
        """Task -> what the gate allows a candidate of this precision."""
        same = self.demands(precision).same_decisions
        return {
            task: Budget(most, self.gate.confidence, same, self.gate.of_classes(task))
            for task, most in self.gate.max_drop.items()
        }
