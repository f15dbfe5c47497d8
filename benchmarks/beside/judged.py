"""What several models say of the same rows: values, and gains of ours with bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from kd2edge.metrics import measure, paired_test_over_seeds
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth

OURS = "kd2edge"


def compared(
    spec: TaskSpec,
    truth: Truth,
    said: Mapping[str, Decoded],
    metrics: Sequence[str],
    inputs: npt.NDArray[Any],
) -> dict[str, Any]:
    """Metric -> side -> its value; of the others also our gain over them.

    Args:
        spec: the task as all are judged.
        truth: labels.
        said: side -> decisions on the same rows; ours is called ``OURS``.
        metrics: names in ``METRICS``.
        inputs: ``[row]`` a number, equal where the inputs are: these are one piece of evidence.

    Returns:
        ``{metric: {OURS: {value}, side: {value, gain: {value, low, high, p}}}}``: each bound holds
        by itself at 95 % (paired bootstrap over rows), p is that of "no gain, or a loss".
    """
    found: dict[str, Any] = {}
    for metric in metrics:
        one: dict[str, dict[str, Any]] = {
            side: {"value": measure(spec, truth, own, metric)} for side, own in said.items()
        }
        for side, other in said.items():
            if side != OURS:
                test = paired_test_over_seeds(
                    spec, truth, [said[OURS]], [other], metric, inputs=inputs
                )
                gain = test.gain
                one[side]["gain"] = {
                    "value": gain.value, "low": gain.low, "high": gain.high, "p": test.p_gain,
                }  # fmt: skip
        found[metric] = one
    return found
