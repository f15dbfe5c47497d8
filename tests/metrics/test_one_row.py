from __future__ import annotations

import numpy as np
import pytest

from kd2edge.metrics.one_row import OneRow
from kd2edge.scale import POINTS, Scale, told_in

SHARE, MEAN, ROOT = OneRow(0, 1, 1, 1), OneRow(0, 4, 4, 1), OneRow(0, 4, 4, 2)


@pytest.mark.parametrize("power", [1, 2])
def test_the_row_is_counted_as_one_of_the_mean(power, random):
    errors, rows = random.uniform(0, 4, 99), OneRow(0, 4, 4, power)

    def metric(values):
        return np.mean(np.asarray(values) ** power) ** (1 / power)

    for other in (errors / 2, errors):
        for one, extremes in ((rows.highest, 4), (rows.lowest, 0)):
            found = one(np.array([metric(errors)]), np.array([0.01]))
            assert found[0] == pytest.approx(metric([*errors, extremes]))
        widest = rows.widest(np.array([metric(errors)]), np.array([metric(other)]), 0.01)
        assert widest[0] == pytest.approx(metric([*errors, 4]) - metric([*other, 0]))


def test_leverage_is_what_a_small_share_adds():
    for one in (SHARE, MEAN, ROOT):
        value, share = np.array([0.8]), 1e-7
        assert one.widest(value, value, share)[0] / share == pytest.approx(
            one.leverage(0.8), rel=1e-3
        )


def test_values_stay_within_what_the_metric_can_be():
    wide = OneRow(-1, 1, 6, 1)
    assert wide.highest(np.array([0.99]), np.array([0.5]))[0] == 1
    assert wide.lowest(np.array([-0.9]), np.array([0.5]))[0] == -1


def test_a_scale_tells_drops_in_its_unit():
    levels, values = Scale("levels", 1, True), Scale("", 1, True)
    assert POINTS.amount(0.0125) == "1.25 points"
    assert POINTS.number(-1e-9) == "0.00"
    assert levels.amount(0.0125) == "0.0125 levels"
    assert values.amount(1250.0) == "1250"
    assert (POINTS.fall(0.9, 0.8), levels.fall(0.3, 0.4)) == (
        pytest.approx(0.1),
        pytest.approx(0.1),
    )
    assert told_in({"a": values}) == "in its own unit for a"
    assert told_in({"a": values.of_values("EUR")}) == "in EUR for a"
    assert (POINTS.of_values("EUR"), levels.of_values("EUR")) == (POINTS, levels)
    assert told_in({"a": POINTS}) == "in points (1 point = 0.01)"
    assert told_in({"a": POINTS, "b": levels}) == "in points (1 point = 0.01), levels for b"
