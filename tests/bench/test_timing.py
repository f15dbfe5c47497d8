from __future__ import annotations

import pytest

from kd2edge.bench import timing
from kd2edge.bench.timing import interleaved


class Clock:
    """Time that only passes in calls."""

    def __init__(self) -> None:
        self.now = 0
        self.order: list[str] = []

    def call(self, name: str, milliseconds: float):
        def run() -> None:
            self.order.append(name)
            self.now += int(milliseconds * 1e6)

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timing, "perf_counter_ns", lambda: made.now)
    return made


def test_gives_percentiles_and_rows_a_second(clock: Clock):
    calls = {"fast": clock.call("fast", 1), "slow": clock.call("slow", 4)}
    fast, slow = interleaved(calls, batch=8, threads=2, seconds=0.1)
    assert (fast.artefact, fast.batch, fast.threads) == ("fast", 8, 2)
    assert (fast.p50_ms, fast.p99_ms, slow.p50_ms) == (1, 1, 4)
    assert fast.rows_per_second == pytest.approx(8000)
    assert slow.rows_per_second == pytest.approx(2000)
    assert fast.calls * 1e-3 >= 0.1
    assert slow.calls * 4e-3 >= 0.1


def test_everyone_is_timed_in_every_round(clock: Clock):
    calls = {name: clock.call(name, 1) for name in "abc"}
    interleaved(calls, batch=1, threads=1, seconds=0.2)
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
        def run() -> None:
            clock.now += int(milliseconds * 1e6 * (10 if clock.now > 1e9 else 1))

        return run

    one, two = interleaved({"one": call(1), "two": call(2)}, batch=1, threads=1, seconds=2)
    assert two.p50_ms / one.p50_ms == pytest.approx(2, rel=0.01)


def test_a_very_slow_call_is_timed_a_few_times(clock: Clock):
    (found,) = interleaved({"a": clock.call("a", 900)}, batch=1, threads=1, seconds=0.1)
    assert found.calls == 5


def test_first_calls_of_a_burst_do_not_count(clock: Clock):
    calls = iter([100, 100] + [1] * 10_000)

    def run() -> None:
        clock.now += int(next(calls) * 1e6)

    (found,) = interleaved({"a": run}, batch=1, threads=1, seconds=0.02)
    assert found.p99_ms == 1
