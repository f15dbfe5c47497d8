"""The interface of a backend: three short methods.  `Session` does the checking."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from kd2edge.runtime.graph import Arrays, GraphSpec


@dataclass(frozen=True, slots=True)
class Settings:
    """How to open a graph.

    Args:
        label: what messages call the graph: an artefact's id, or the caller's words.
        threads: threads for one inference, at least 1.
        providers: execution providers or devices, best first; empty: the backend's CPU.
        allow_fallback: take what is there when a provider is missing.
        precision: the artefact's precision: ``fp32``, ``int8``, ...
        sha256: hex digest that the graph's bytes must have; engines (executable code) need one.
        outputs: names of the outputs to give, in order; empty: all.
    """

    label: str
    threads: int
    providers: tuple[str, ...] = ()
    allow_fallback: bool = False
    precision: str = "fp32"
    sha256: str = ""
    outputs: tuple[str, ...] = ()


class Backend(ABC):
    """One opened graph.  `infer` may be called from several threads at once."""

    #: The pip command that installs what this backend needs.
    install: str
    #: Errors of the engine that `infer` may let through; `Session` gives them a place and our type.
    errors: tuple[type[Exception], ...] = ()
    #: Those among them that say that the values handed in were wrong.
    input_errors: tuple[type[Exception], ...] = ()
    #: The providers or devices that really run the graph; filled by `open`.
    providers: tuple[str, ...] = ()
    #: What a verdict about the graph depends on: engine and version, settings; filled by `open`.
    options: Mapping[str, Any] = {}
    #: False where `Settings.threads` say nothing about a forward pass: it runs on a device, or on
    #: threads of a library that cannot be told, see `own_threads`.
    uses_threads: bool = True

    def own_threads(self) -> int | None:
        """CPU threads that a pass takes whatever it is told; None: no such number.

        Times of such a pass are compared only with those that were taken with as many threads.
        """
        return None

    @abstractmethod
    def open(self, graph: bytes, companions: Mapping[str, bytes], settings: Settings) -> GraphSpec:
        """Load ``graph`` and say what it takes and gives.

        Args:
            graph: the file that the runtime opens first.
            companions: path -> bytes of the files that belong to it (weights of an OpenVINO IR).
            settings: see :class:`Settings`.

        Raises:
            BackendError: the engine, a provider or a device is not here.
            IntegrityError: bytes that are no graph of this runtime.
        """

    @abstractmethod
    def infer(self, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Run the graph on checked arrays; output name -> array that the caller may keep."""

    @abstractmethod
    def close(self) -> None:
        """Give memory and threads back; a second call does nothing."""
