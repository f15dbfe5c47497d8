from __future__ import annotations

import subprocess
import sys

import pytest

from kd2edge.pipeline.verbs.study.memory import available_bytes, fitting, largest_child

GB = 10**9


@pytest.mark.parametrize(
    ("available", "peak", "wanted", "expected"),
    [
        (10 * GB, 3 * GB, 8, 3),  # 9 of the 10 are theirs
        (10 * GB, 3 * GB, 2, 2),
        (10 * GB, 20 * GB, 4, 1),  # it has shown that one fits
        (0, 3 * GB, 4, 4),
        (10 * GB, 0, 4, 4),
    ],
)
def test_as_many_as_fit_and_at_least_one(
    available: int, peak: int, wanted: int, expected: int
) -> None:
    assert fitting(available, peak, wanted) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="other systems may not say")
def test_the_largest_process_that_ended_is_measured() -> None:
    size = 300_000_000
    assert size < available_bytes() < 1 << 50
    subprocess.run([sys.executable, "-c", f"x = b'x' * {size}"], check=True)
    assert largest_child() >= size
