"""The page that says which method when: every number on it is one of the results."""

from __future__ import annotations

import re

from docs.documents import ROOT

PAGE = ROOT / "docs" / "how-to" / "choose.md"
#: Points with a sign, metrics with four digits, shares of a teacher.
NUMBERS = re.compile(r"[+\N{MINUS SIGN}]\d+\.\d+|\b0\.\d{4}\b|\d+\.\d %")


def test_every_number_is_measured_and_stands_in_the_results() -> None:
    found = NUMBERS.findall(PAGE.read_text(encoding="utf-8"))
    assert len(found) >= 15
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for number in found:
        plain = number.lstrip("+")
        assert plain in results or plain.lstrip("\N{MINUS SIGN}") in results, number


def test_it_fits_a_screen() -> None:
    assert len(PAGE.read_text(encoding="utf-8").splitlines()) <= 40
