from __future__ import annotations

from distill.balance.terms import ONE
from kd2edge.distill.balance.static import Static


def test_static_learns_nothing() -> None:
    assert not list(Static([ONE]).parameters())
