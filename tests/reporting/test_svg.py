from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.reporting.svg import axis, drawing, element, text, ticks


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_lie_in_their_range_and_are_few(low, width):
    found = ticks(low, low + width)
    assert len(found) <= 11
    assert all(low - 1e-6 * width <= value <= low + width * (1 + 1e-6) for value in found)


@given(st.text())
def test_any_text_stays_text(content):
    # XML itself cannot hold control characters or lone surrogates, browsers read HTML: skip those.
    clean = "".join(sign for sign in content if sign.isprintable())
    picture = ElementTree.fromstring(drawing(10, 10, clean, text(clean, 1, 2)))
    assert [node.tag for node in picture.iter()] == ["svg", "text"]
    assert (picture[0].text or "") == clean
    assert picture.get("aria-label") == clean


def test_attributes_are_escaped_and_shortened():
    made = element("circle", class_='a"<b>', stroke_width=2.0, cx=1.23456, missing=None)
    assert made == '<circle class="a&quot;&lt;b&gt;" stroke-width="2" cx="1.23"/>'


@pytest.mark.parametrize("values", [[3.0], [0.0, 0.0], [-1.0, 5.0]])
def test_an_axis_holds_its_values_with_air(values):
    scale = axis(values, 100, 0)
    assert all(0 < scale(value) < 100 for value in values)


def test_steps_of_a_quarter_keep_their_last_digit():
    names = [name for _, name in axis([0.9, 0.975], 0, 100, margin=0.0).ticks(3)]
    assert names == ["0.900", "0.925", "0.950", "0.975"]


def test_a_narrow_range_between_two_round_numbers_still_gets_a_scale():
    names = [name for _, name in axis([0.9640, 0.9780], 0, 100).ticks(3)]
    assert len(set(names)) == len(names) > 1


def test_counted_things_have_whole_ticks():
    names = [name for _, name in axis([1, 2], 0, 100, whole=True).ticks(5)]
    assert names == ["1", "2"]
