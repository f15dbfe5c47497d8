from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.bench import timing
from kd2edge.bench.timing import interleaved, spread


class Clock:
    """Time that only passes in calls."""

    def __init__(self) -> None:
        self.now = 0
        self.order: list[str] = []
        self.batches: list[int] = []

    def call(self, name: str, milliseconds: float):
        def run(at: int) -> None:
            self.order.append(name)
            self.batches.append(at)
            self.now += int(milliseconds * 1e6)

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timing, "perf_counter_ns", lambda: made.now)
    return made


def test_gives_percentiles_and_rows_a_second(clock: Clock):
    calls = {"fast": clock.call("fast", 1), "slow": clock.call("slow", 4)}
    found = interleaved(calls, batch=8, batches=1, seconds=0.1)
    assert list(found) == ["fast", "slow"]
    fast, slow = found.values()
    assert (fast.p50_ms, fast.p99_ms, slow.p50_ms) == (1, 1, 4)
    assert fast.rows_per_second == pytest.approx(8000)
    assert slow.rows_per_second == pytest.approx(2000)
    assert fast.calls * 1e-3 >= 0.1
    assert slow.calls * 4e-3 >= 0.1


def test_everyone_is_timed_in_every_round(clock: Clock):
    calls = {name: clock.call(name, 1) for name in "abc"}
    interleaved(calls, batch=1, batches=1, seconds=0.2)
    turns = [
        name
        for name, before in zip(clock.order, ["", *clock.order], strict=False)
        if name != before
    ]
    # A round is one burst of each; bursts of neighbouring rounds may touch.
    for start in range(0, len(clock.order), 22 * 3):
        assert set(clock.order[start : start + 22 * 3]) == {"a", "b", "c"}
    assert len(turns) > 10


def test_slow_spells_hit_all_alike(clock: Clock):
    """The machine gets ten times slower half-way; the ratio of the medians does not notice."""

    def call(milliseconds: float):
        def run(_: int) -> None:
            clock.now += int(milliseconds * 1e6 * (10 if clock.now > 1e9 else 1))

        return run

    found = interleaved({"one": call(1), "two": call(2)}, batch=1, batches=1, seconds=2)
    one, two = found.values()
    assert two.p50_ms / one.p50_ms == pytest.approx(2, rel=0.01)


def test_every_batch_is_run_and_only_whole_rounds_of_them_count(clock: Clock):
    found = interleaved({"a": clock.call("a", 900)}, batch=1, batches=32, seconds=0.1)
    assert found["a"].calls == 32
    assert set(clock.batches) == set(range(32))
    found = interleaved({"a": clock.call("a", 0.7)}, batch=1, batches=32, seconds=0.1)
    assert found["a"].calls % 32 == 0
    assert found["a"].calls * 0.7e-3 > 0.07


def test_everyone_gets_the_same_batches(clock: Clock):
    """Long batches cost more: what each was timed on is the same, however fast it is."""

    def call(milliseconds: float):
        def run(at: int) -> None:
            clock.now += int(milliseconds * (1 + at) * 1e6)

        return run

    found = interleaved({"one": call(1), "two": call(3)}, batch=1, batches=8, seconds=0.3)
    one, two = found.values()
    assert two.p50_ms / one.p50_ms == pytest.approx(3, rel=1e-3)
    assert two.p99_ms / one.p99_ms == pytest.approx(3, rel=1e-3)


def test_first_calls_of_a_burst_do_not_count(clock: Clock):
    calls = iter([100, 100] + [1] * 10_000)

    def run(_: int) -> None:
        clock.now += int(next(calls) * 1e6)

    found = interleaved({"a": run}, batch=1, batches=1, seconds=0.02)
    assert found["a"].p99_ms == 1


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=300), st.integers(1, 64))
def test_the_interval_holds_the_median(taken: list[int], batch: int):
    found = spread(taken, batch)
    assert min(taken) / 1e6 <= found.low_ms <= found.p50_ms <= found.high_ms
    assert found.high_ms <= max(taken) / 1e6 * (1 + 1e-12)
    assert found.p50_ms == pytest.approx(np.median(taken) / 1e6)
    assert found == spread(taken, batch)  # the same times, the same interval
    assert found.rows_per_second == pytest.approx(batch * len(taken) / (sum(taken) / 1e9))


def test_more_calls_narrow_the_interval_and_outliers_are_counted():
    times = np.random.default_rng(0).normal(1e6, 1e5, 2000).astype(int).tolist()
    few, many = spread(times[:40], 1), spread(times, 1)
    assert many.high_ms - many.low_ms < (few.high_ms - few.low_ms) / 3
    assert many.outliers == 0
    assert spread([*times, *[10**8] * 7], 1).outliers == 7
