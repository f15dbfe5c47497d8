"""How many trials fit into memory side by side."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["available_bytes", "fitting", "largest_child"]

#: Share of what is available that trials may take: pages of files need some, too.
_SHARE = 0.9
_MEMINFO = Path("/proc/meminfo")
#: Limit and use of a container (control groups, version 2).
_LIMIT, _USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")


def available_bytes() -> int:
    """Main memory that new processes may take without swapping; 0: unknown."""
    found = [_free(), _left()]
    return min((one for one in found if one is not None), default=0)


def largest_child() -> int:
    """Peak bytes of the largest process that this one started and that has ended; 0: unknown."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def fitting(available: int, peak: int, wanted: int) -> int:
    """Trials of ``peak`` bytes that may run at once: at least one, at most ``wanted``.

    Args:
        available: bytes, before any of them ran; 0: unknown, and nothing holds them back.
        peak: bytes of the largest one; 0: unknown.
        wanted: how many were asked for.
    """
    if not available or not peak:
        return wanted
    return max(1, min(wanted, int(_SHARE * available / peak)))


def _free() -> int | None:
    try:
        for line in _MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _left() -> int | None:
    """What a container's limit leaves; pages of files count as used there, so it is too little."""
    try:
        return max(0, int(_LIMIT.read_text("ascii")) - int(_USED.read_text("ascii")))
    except (OSError, ValueError):  # no container, or none with a limit ("max")
        return None
