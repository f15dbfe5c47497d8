"""How many threads a session should use when nobody says."""

from __future__ import annotations

import math
import os
from pathlib import Path

from kd2edge.errors import UsageError
from kd2edge.inputs.cell import described, whole_number

# More than any machine has: engines take memory for each thread, and die of too many.
_MOST = 4096

_TOPOLOGY = "/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
_QUOTA = "/sys/fs/cgroup/cpu.max"


def default_threads() -> int:
    """The physical cores that this process may use, at most its container's share of CPU time.

    Hyper-threads share one multiplier, so a second thread on a core only waits; threads beyond a
    container's quota are throttled in the middle of a run, which is worse than not having them.
    Where the system does not say (macOS, Windows) every logical CPU counts.
    """
    cpus = usable_cpus()
    cores = {_siblings(cpu) for cpu in cpus}
    return max(1, min(len(cores), _quota()))


def usual_threads() -> tuple[int, ...]:
    """Numbers of threads that are judged and timed when nobody says: one, and the default."""
    return tuple(sorted({1, default_threads()}))


def usable_cpus() -> list[int]:
    """The logical CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _siblings(cpu: int) -> str:
    try:
        return Path(_TOPOLOGY.format(cpu=cpu)).read_text(encoding="ascii").strip()
    except OSError:
        return str(cpu)


def _quota() -> int:
    """CPUs' worth of time that the control group grants, rounded up; no limit: very many."""
    try:
        quota, period = Path(_QUOTA).read_text(encoding="ascii").split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no such file, or "max": no limit
        return 1 << 16


def counted(name: str, value: object) -> int:
    """A caller's number of threads (or rows): a Python or NumPy integer of at least 1.

    Raises:
        UsageError: it is anything else.
    """
    number = whole_number(value)
    if number is None or not 1 <= number <= _MOST:
        raise UsageError(
            f"{name} must be a whole number from 1 to {_MOST}, found {described(value)}"
        )
    return number
