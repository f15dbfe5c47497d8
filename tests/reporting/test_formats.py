from __future__ import annotations

import math

import pytest

from kd2edge.reporting import formats


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (formats.score, 0.9434, "0.943"),
        (formats.score, 1, "1.000"),
        (formats.signed, 0.0212, "+0.021"),
        (formats.signed, -0.0212, "−0.021"),
        (formats.signed, -0.0001, "0.000"),
        (formats.percent, 0.9731, "97.3 %"),
        (formats.count, 812, "812"),
        (formats.count, 9_999, "9,999"),
        (formats.count, 65_300, "65.3 k"),
        (formats.count, 2_180_000, "2.18 M"),
        (formats.count, 22_713_216, "22.7 M"),
        (formats.count, 1_234_000_000, "1.23 G"),
        (formats.size, 999, "999 B"),
        (formats.size, 8_720_000, "8.72 MB"),
        (formats.milliseconds, 0.0312, "0.031 ms"),
        (formats.milliseconds, 12.34, "12.3 ms"),
        (formats.milliseconds, 1200, "1.20 s"),
        (formats.seconds, 4.24, "4.2 s"),
        (formats.seconds, 785, "13 min 05 s"),
        (formats.seconds, 7800, "2 h 10 min"),
        (formats.fraction, 9.66, "1/9.7"),
        (formats.fraction, 1.04, "0.96x"),
        (formats.fraction, 0.5, "2.00x"),
        (formats.ratio, 0.25, "0.25x"),
        (formats.ratio, 10.46, "10.5x"),
        (formats.ratio, 120.4, "120x"),
    ],
)
def test_numbers_are_written_short_and_with_their_unit(write, value, text):
    assert write(value) == text


@pytest.mark.parametrize("absent", [None, math.nan, math.inf, "x", True])
@pytest.mark.parametrize(
    "write",
    [formats.score, formats.signed, formats.percent, formats.count, formats.size,
     formats.milliseconds, formats.seconds, formats.ratio],
)  # fmt: skip
def test_what_is_no_finite_number_is_a_dash(write, absent):
    assert write(absent) == formats.ABSENT


def test_an_interval_keeps_its_bounds_and_drops_leading_zeros():
    assert formats.interval({"low": 0.9312, "high": 0.9551}) == "[.931, .955]"
    assert formats.interval({"low": 0.99, "high": 1.0}) == "[.990, 1.000]"
    assert formats.interval({"low": -0.01, "high": 0.02}, plus=True) == "[−0.010, +0.020]"
    assert formats.interval({"value": 0.5}) == ""
