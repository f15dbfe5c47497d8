from __future__ import annotations

import sys

import pytest

from distill.balance.terms import ONE, TWO, options
from kd2edge.distill.balance import BALANCERS
from kd2edge.errors import UsageError


@pytest.mark.parametrize(
    ("name", "missing", "extra"),
    [
        ("pcgrad", "torchjd.aggregation", "train"),
        ("random", "torchjd.scalarization", "train"),
        ("upgrad", "quadprog", "balance"),
        ("cagrad", "cvxpy", "balance"),
        ("nash_mtl", "ecos", "balance"),
    ],
)
def test_a_package_that_is_missing_is_named_with_what_brings_it(
    name: str, missing: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("cvxpy", "ecos", "clarabel", "quadprog", "qpsolvers"):
        if module != missing and name in {"upgrad", "cagrad", "nash_mtl"}:
            pytest.importorskip(module)
    monkeypatch.setitem(sys.modules, missing, None)
    package = missing.partition(".")[0]
    with pytest.raises(UsageError, match=rf"balance {name} needs {package}.*kd2edge\[{extra}\]"):
        BALANCERS[name]([ONE, TWO], **options(name))
