from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kd2edge.validate.ways import Way, full_ways, other_ways, shared_sizes, sweep, thread_counts


def test_one_thread_and_the_default_are_judged_unless_somebody_says(monkeypatch):
    monkeypatch.setattr("kd2edge.runtime.threads.default_threads", lambda: 4)
    assert thread_counts(None) == (1, 4)
    assert thread_counts(3) == (3,)
    monkeypatch.setattr("kd2edge.runtime.threads.default_threads", lambda: 1)
    assert thread_counts(None) == (1,)


@given(st.sets(st.integers(1, 8), min_size=1, max_size=2), st.integers(1, 100), st.integers(1, 100))
def test_every_size_and_every_number_of_threads_sees_the_whole_split(threads, usual, largest):
    counts = tuple(sorted(threads))
    full = full_ways(counts, (usual, 1, largest))
    assert {way.batch for way in full} == {usual, 1, largest}
    assert {way.threads for way in full} == set(counts)
    pairs = {Way(count, size) for count in counts for size in (usual, 1, largest)}
    assert {*full, *other_ways(counts, full)} == pairs


@given(st.integers(1, 70), st.integers(0, 600))
def test_a_sweep_has_both_ends_and_what_breaks_kernels_between(low, more):
    high = low + more
    sizes = sweep(low, high)
    assert (sizes[0], sizes[-1]) == (low, high)
    assert list(sizes) == sorted(set(sizes))
    if high <= 64:
        assert len(sizes) == high - low + 1
    for power in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512):
        assert all(size in sizes for size in (power - 1, power, power + 1) if low <= size <= high)


@given(st.integers(1, 70), st.integers(0, 600), st.integers(1, 4))
def test_parts_of_a_sweep_are_the_whole_together(low: int, more: int, parts: int):
    high = low + more
    found = [sweep(low, high, part=part, parts=parts) for part in range(parts)]
    assert sorted({size for one in found for size in one}) == list(sweep(low, high))
    assert all((one[0], one[-1]) == (low, high) for one in found)


def test_nothing_is_swept_between_ends_that_touch():
    assert sweep(2, 1) == ()


def test_sizes_count_where_every_artefact_ran_them():
    one = [Way(1, 1), Way(2, 64), Way(1, 5), Way(1, 4, 17)]
    assert shared_sizes([one, [Way(1, 1), Way(1, 64)]]) == (1, 64)
    assert shared_sizes([]) == ()


def test_a_way_is_said_in_words():
    assert str(Way(1, 64)) == "1 thread, batch 64"
    assert str(Way(2, 4, 17)) == "2 threads, batch 4, length 17"
