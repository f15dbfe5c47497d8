"""Rectangles lie inside, and have the shares and aspects that were asked for."""

from __future__ import annotations

import numpy as np
import pytest

from kd2edge.data.augment import chance
from kd2edge.data.augment.rectangles import rectangles

ROWS = chance(1, np.arange(4000), 1)


def test_they_lie_inside_and_reach_every_edge() -> None:
    found = rectangles(ROWS, (30, 50), (0.1, 0.9), 0.5)
    top, left, tall, wide = found.places[found.found].T
    assert found.found.mean() > 0.99
    assert min(top) == min(left) == 0
    assert min(tall) > 0
    assert min(wide) > 0
    assert max(top + tall) == 30
    assert max(left + wide) == 50


def test_shares_are_even_and_aspects_even_in_their_logarithm() -> None:
    found = rectangles(ROWS, (1000, 1000), (0.1, 0.3), 0.25)
    assert found.found.all()
    _, _, tall, wide = found.places.T
    shares, logarithms = tall * wide / 1e6, np.log(wide / tall) / np.log(4)
    assert shares.min() == pytest.approx(0.1, abs=2e-3)
    assert shares.max() == pytest.approx(0.3, abs=2e-3)
    assert np.histogram(shares, bins=4, range=(0.1, 0.3))[0].min() > 850
    assert logarithms.min() == pytest.approx(-1, abs=1e-2)
    assert logarithms.max() == pytest.approx(1, abs=1e-2)
    assert np.histogram(logarithms, bins=4, range=(-1, 1))[0].min() > 850
    assert abs(np.corrcoef(shares, logarithms)[0, 1]) < 0.05


def test_places_are_even() -> None:
    found = rectangles(ROWS, (10, 10), (0.25, 0.25), 1.0)  # 5 x 5, at 0 to 5 from either edge
    top, left, tall, wide = found.places.T
    assert set(tall) == set(wide) == {5}
    for place in (top, left):
        assert np.bincount(place, minlength=6).min() > 550
        assert place.max() == 5


def test_one_that_fits_nowhere_is_nothing() -> None:
    for size, area in (((1, 1), 0.2), ((1, 400), 1.0)):
        found = rectangles(ROWS, size, (area, area), 0.9)
        assert not found.found.any()
        assert not found.places[:, 2:].any()
