"""The verdicts: pass, fail, or too few rows to say, from the bounds of a drop and a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kd2edge.metrics.estimate import Estimate
from kd2edge.validate.validation import ArtefactResult, Check
from kd2edge.verdict import Word, worst
from kd2edge.verdict import verdict as by_bounds

__all__ = ["failed_checks", "outcome", "verdict", "worst"]


def verdict(drop: Estimate, max_drop: float) -> Word:
    """``pass``: the upper bound is within the budget; ``fail``: the lower one is above it."""
    return by_bounds(drop.low, drop.high, max_drop)


def failed_checks(checks: Sequence[Check]) -> list[str]:
    """What the checks that failed say."""
    return [f"{check.name}: {check.detail}" for check in checks if check.status == "failed"]


def outcome(artefacts: Mapping[str, ArtefactResult], *, are_named: bool = False) -> Word:
    """The gate's answer over all artefacts that ran.

    ``are_named``: somebody asked for each of them, so that all of them have to run for a ``pass``.
    """
    verdicts: list[Word] = [result.verdict for result in artefacts.values()]
    found = worst(verdicts)
    return "not_run" if are_named and found == "pass" and "not_run" in verdicts else found
