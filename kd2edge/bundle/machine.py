"""What machine this is, as far as accuracy and speed depend on it; no name of a host or user."""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import final

from kd2edge.files.fingerprint import fingerprint

#: CPU features that decide which arithmetic an engine may use.
_FEATURES = frozenset(
    {
        *("sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni"),
        *("avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
        *("amx_tile", "amx_int8", "amx_bf16"),
        *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"),
    }
)


@final
@dataclass(frozen=True, slots=True)
class Machine:
    """A kind of machine: two with the same ``id`` run the same artefact the same way.

    Args:
        id: slug of system, architecture, CPU and cores, and a short hash of these and the features.
        cpu: model name of the CPU.
        cores: logical CPUs.
        features: those of its instruction sets that matter to inference, sorted.
        os: system and release.
        python: version.
        memory: bytes of main memory; 0 where the system does not say.
    """

    id: str
    cpu: str
    cores: int
    features: tuple[str, ...]
    os: str
    python: str
    memory: int


@cache
def machine() -> Machine:
    """The machine that this process runs on."""
    system, architecture = platform.system(), platform.machine()
    cpu, features = _cpu()
    cores = os.cpu_count() or 1
    kind = fingerprint([system, architecture, cpu, cores, features])[:6]
    slug = re.sub(r"[^a-z0-9]+", "-", f"{system} {architecture} {cpu} {cores}c".lower()).strip("-")
    release = ".".join(re.findall(r"\d+", platform.release())[:2])
    return Machine(
        id=f"{slug[:60].strip('-')}-{kind}",
        cpu=cpu,
        cores=cores,
        features=features,
        os=f"{system} {release}".strip(),
        python=platform.python_version(),
        memory=_memory(),
    )


def _cpu() -> tuple[str, tuple[str, ...]]:
    """Model name and features; the features are empty where the system has no /proc/cpuinfo."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine(), ()
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip().lower(), value.strip())
    flags = fields.get("flags") or fields.get("features") or ""
    model = fields.get("model name") or _board() or platform.machine()
    return re.sub(r"\(R\)|\(TM\)|@.*", "", model).strip(), tuple(
        sorted(_FEATURES & {*flags.split()})
    )


def _board() -> str:
    """The board's name (ARM boards such as Jetson tell it instead of a CPU's)."""
    try:
        return Path("/proc/device-tree/model").read_text(encoding="utf-8").strip("\0\n ")
    except (OSError, UnicodeDecodeError):
        return ""


def _memory() -> int:
    if sys.platform == "win32":
        return 0
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0
