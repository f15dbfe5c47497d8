"""The peak memory of this process."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["forget_peak", "peak_bytes"]

_STATUS = Path("/proc/self/status")


def forget_peak() -> int:
    """Let the peak start anew from what is held now, and return that (bytes; 0: unknown)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        # No Linux, or a container that forbids it: the peak goes on from the highest so far.
        return peak_bytes()
    return peak_bytes()


def peak_bytes() -> int:
    """The most memory this process ever held, since :func:`forget_peak` on Linux; 0: unknown.

    Not ``ru_maxrss`` where /proc tells it: a child inherits that figure from its parent's fork.
    """
    try:
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
