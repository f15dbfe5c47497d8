from __future__ import annotations

import pytest

from kd2edge.bench import memory

MEGABYTES = 1 << 20


def test_the_peak_stays_after_the_memory_is_given_back():
    before = memory.forget_peak()
    if not before:
        pytest.skip("this system does not tell a process its peak memory")
    block = bytearray(b"x") * (64 * MEGABYTES)
    del block
    added = memory.peak_bytes() - before
    assert 48 * MEGABYTES < added < 128 * MEGABYTES


def test_without_proc_the_resource_module_answers(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "none")
    assert memory.peak_bytes() > 10 * MEGABYTES
