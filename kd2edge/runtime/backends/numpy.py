"""NumPy alone: students of static embeddings, where no engine can be installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.engines import ENGINES
from kd2edge.errors import BackendError, IntegrityError
from kd2edge.files.npz import npz_arrays
from kd2edge.runtime.backends.backend import Backend, Settings
from kd2edge.runtime.graph import Arrays, GraphSpec
from kd2edge.runtime.static_net import StaticNet
from kd2edge.runtime.static_plan import StaticPlan
from kd2edge.runtime.threads import usable_cpus

#: Where OpenBLAS looks for a number of threads: the first that is one counts.
_LIMITS = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")


@final
class NumPy(Backend):
    """Runs the JSON text of a student's layers with the ``.npz`` of its weights beside it."""

    install = ENGINES["numpy"].install
    errors = (IndexError, ValueError, MemoryError)
    input_errors = (IndexError,)
    uses_threads = False  # the products' threads are the BLAS library's, which NumPy cannot set

    def __init__(self) -> None:
        self._net: StaticNet | None = None
        self._outputs: tuple[str, ...] = ()

    def own_threads(self) -> int:
        """What its BLAS library takes: the process's CPUs, fewer by an environment variable.

        That is read by the library as NumPy is imported.  Of OpenBLAS alone, which NumPy's own
        wheels for Linux and Windows bring, it is known which one.
        """
        cpus = len(usable_cpus())
        if "openblas" not in _blas():
            return cpus
        stated = (os.environ.get(name, "") for name in _LIMITS)
        limits = (int(one) for one in stated if one.isdecimal() and int(one) > 0)
        return min(next(limits, cpus), cpus)

    def open(self, graph: bytes, companions: Mapping[str, bytes], settings: Settings) -> GraphSpec:
        label = settings.label
        _require_cpu(settings)
        if len(companions) != 1:
            found = ", ".join(companions) or "none"
            raise IntegrityError(f"{label}: expected one file of weights, found {found}")
        ((path, content),) = companions.items()
        plan = StaticPlan.from_json(graph, label)
        try:
            self._net = StaticNet(plan, _arrays(content, f"{label}: {path}"), label)
        except MemoryError as error:
            size = f"{len(content):,} bytes of weights, compressed"
            raise BackendError(f"{label}: not enough memory for {size}: {error}") from error
        self._outputs = settings.outputs
        self.providers = ("CPU",)
        self.options = {"engine": f"numpy {np.__version__}"}
        return self._net.spec

    def infer(self, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
        net = self._net
        if net is None:
            raise ValueError("the session is closed")
        found = net.run(arrays)
        return {name: found[name] for name in self._outputs or found}

    def close(self) -> None:
        self._net = None


def _blas() -> str:
    config: Any = np.show_config(mode="dicts")
    return str(config.get("Build Dependencies", {}).get("blas", {}).get("name", ""))


def _arrays(content: bytes, place: str) -> dict[str, npt.NDArray[Any]]:
    try:
        return npz_arrays(content)
    except IntegrityError as error:
        raise IntegrityError(f"{place}: {error}") from error


def _require_cpu(settings: Settings) -> None:
    wanted = [one for one in settings.providers[:1] if one.upper() != "CPU"]
    if wanted and not settings.allow_fallback:
        raise BackendError(
            f"{settings.label}: NumPy runs on the CPU, found {wanted[0]!r}; name 'cpu' or no"
            " provider, or pass allow_fallback=True"
        )
