from __future__ import annotations

from pathlib import Path

import pytest

from kd2edge.runtime import threads


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A machine of given thread siblings, usable CPUs and control group."""

    def make(siblings: dict[int, str], cpus: list[int], quota: str | None) -> None:
        for cpu, text in siblings.items():
            (tmp_path / f"cpu{cpu}").write_text(text + "\n")
        if quota is not None:
            (tmp_path / "cpu.max").write_text(quota + "\n")
        monkeypatch.setattr(threads, "_TOPOLOGY", str(tmp_path / "cpu{cpu}"))
        monkeypatch.setattr(threads, "_QUOTA", str(tmp_path / "cpu.max"))
        monkeypatch.setattr(threads, "usable_cpus", lambda: cpus)

    return make


HYPER = {0: "0,4", 1: "1,5", 2: "2,6", 3: "3,7", 4: "0,4", 5: "1,5", 6: "2,6", 7: "3,7"}


@pytest.mark.parametrize(
    ("siblings", "cpus", "quota", "wanted"),
    [
        (HYPER, list(range(8)), None, 4),
        (HYPER, [0, 4], None, 1),
        (HYPER, [0, 1, 4], None, 2),
        (HYPER, list(range(8)), "max 100000", 4),
        (HYPER, list(range(8)), "150000 100000", 2),
        (HYPER, list(range(8)), "20000 100000", 1),
        (HYPER, list(range(8)), "rubbish", 4),
        ({}, [0, 1, 2], None, 3),  # a system that says nothing of siblings
    ],
)
def test_counts_cores_within_affinity_and_quota(machine, siblings, cpus, quota, wanted):
    machine(siblings, cpus, quota)
    assert threads.default_threads() == wanted


def test_counts_at_least_one_here():
    assert threads.default_threads() >= 1
