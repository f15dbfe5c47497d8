"""Any graph, opened from bytes and run on arrays; `load` stands on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

import numpy.typing as npt

from kd2edge.errors import BackendError, InputError, Kd2edgeError, UsageError
from kd2edge.runtime.backends.backend import Backend, Settings
from kd2edge.runtime.backends.table import backend as new_backend
from kd2edge.runtime.graph import Arrays, Checker, GraphSpec, Sizes, agreed
from kd2edge.runtime.threads import counted, default_threads

if TYPE_CHECKING:
    from typing_extensions import Self

Outputs = dict[str, npt.NDArray[Any]]


@final
class Session:
    """One graph.  Making it is free; ``with session:`` (or the first run) loads the engine.

    ``run`` may be called from several threads.  A closed session stays closed.

    Args:
        graph: the bytes of its main file.
        companions: name -> bytes of files that the graph needs beside it.
        spec: names, types and shapes that it must have; None: those that it says itself.
        backend: who runs it.
        settings: threads, device, options.
    """

    def __init__(
        self,
        graph: bytes,
        companions: dict[str, bytes],
        spec: GraphSpec | None,
        backend: Backend,
        settings: Settings,
    ) -> None:
        self._graph: bytes | None = graph
        self._companions = companions
        self._size = len(graph) + sum(map(len, companions.values()))
        self._spec = spec
        self._backend = backend
        self._settings = settings
        self._lock = Lock()
        self._check: Callable[[Arrays], Sizes] = self._open_and_check
        self._infer = backend.infer
        self._closed = False

    @classmethod
    def from_bytes(
        cls,
        graph: bytes,
        spec: GraphSpec | None = None,
        *,
        backend: str = "onnxruntime",
        companions: Mapping[str, bytes] | None = None,
        threads: int | None = None,
        providers: str | Sequence[str] | None = None,
        allow_fallback: bool = False,
        precision: str = "fp32",
        sha256: str = "",
        label: str = "graph",
    ) -> Self:
        """A session on the bytes of a graph.

        Args:
            graph: an ONNX file, an OpenVINO ``.xml``, a TensorRT engine, or the JSON text of a
                student's layers (NumPy).
            spec: what the graph takes and gives; None: what the graph itself says.
            backend: ``onnxruntime``, ``openvino``, ``numpy`` or ``tensorrt``.
            companions: path -> bytes of further files (the ``.bin`` of an OpenVINO IR, the
                ``.npz`` of NumPy's).
            threads: threads for one inference; None: the physical cores this process may use.
            providers: execution providers (ONNX Runtime: ``cpu``, ``cuda`` or full names) or
                devices (OpenVINO: ``CPU``, ``GPU``), best first, or one by its name; None: the CPU
                (TensorRT: the GPU).
            allow_fallback: accept another provider when one is missing.
            precision: tells the backend which shortcuts it may take; an ``fp32`` graph gets none.
            sha256: hex digest the bytes must have.  TensorRT needs one: an engine is code.
            label: what messages call this graph.

        Raises:
            UsageError: ``threads`` that are no whole number of at least 1, or providers that are
                no names.
            BackendError: no such backend (a missing engine is noticed when it is opened).
        """
        settings = Settings(
            label=label,
            threads=default_threads() if threads is None else counted("threads", threads),
            providers=_names(providers),
            allow_fallback=allow_fallback,
            precision=precision,
            sha256=sha256,
            outputs=tuple(array.name for array in spec.outputs) if spec else (),
        )
        files = dict(companions) if companions else dict[str, bytes]()
        return cls(graph, files, spec, new_backend(backend), settings)

    @property
    def spec(self) -> GraphSpec:
        """What the graph takes and gives; opens the session when the caller stated none."""
        if self._spec is None:
            self.open()
        assert self._spec is not None
        return self._spec

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers or devices that really run the graph; empty before it is opened."""
        return self._backend.providers

    @property
    def options(self) -> Mapping[str, Any]:
        """Engine, providers and settings that a verdict depends on, threads aside; JSON values."""
        return self._backend.options

    @property
    def uses_threads(self) -> bool:
        """Whether :attr:`threads` say anything about how the graph runs."""
        return self._backend.uses_threads

    @property
    def size(self) -> int:
        """Bytes of the graph and its companions."""
        return self._size

    @property
    def threads(self) -> int:
        """Threads that one inference uses."""
        return self._settings.threads

    def open(self) -> None:
        """Load the engine now; does nothing when it is loaded.

        Raises:
            BackendError: an engine, provider or device is missing, or the session was closed.
            IntegrityError: the bytes are no graph, or not the graph that ``spec`` states.
        """
        with self._lock:
            if self._closed:
                raise BackendError(f"{self._settings.label} was closed; load it again")
            if self._graph is None:
                return
            try:
                found = self._backend.open(self._graph, self._companions, self._settings)
                # What a graph of others calls its dimensions need not hold.
                stated = self._spec.outputs if self._spec else ()
                self._spec = agreed(self._spec, found, self._settings.label)
            except Kd2edgeError:
                self._backend.close()
                raise
            self._check = Checker(self._spec, self._settings.label, stated).check
            self._graph, self._companions = None, {}  # the engine has its own copy

    def run(self, arrays: Arrays) -> Outputs:
        """Run the graph once.

        Args:
            arrays: input name -> array, exactly the inputs of the spec; not changed.

        Returns:
            Output name -> array, in the order of the spec.

        Raises:
            InputError: names, types, shapes or values that the graph does not take.
            BackendError: the engine failed; the message names graph and shapes.
        """
        sizes = self._check(arrays)
        try:  # engines insist on a dict
            outputs = self._infer(arrays if arrays.__class__ is dict else dict(arrays))
        except self._backend.errors as error:
            raise self._failure(error, arrays) from error
        for name, axis, size in sizes:
            if outputs[name].shape[axis] != size:  # seen where memory ends: an engine says nothing
                reason = f"its output {name} is {list(outputs[name].shape)}: out of memory?"
                raise self._failure(RuntimeError(reason), arrays)
        return outputs

    def close(self) -> None:
        """Give memory and threads back; wait for running calls to end before."""
        with self._lock:
            self._closed = True
            self._check = self._open_and_check  # which says that it was closed
            self._backend.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open_and_check(self, arrays: Arrays) -> Sizes:
        self.open()
        return self._check(arrays)

    def _failure(self, error: Exception, arrays: Arrays) -> Kd2edgeError:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
        message = f"{self._settings.label} failed on {shapes}: {error}"
        if isinstance(error, self._backend.input_errors):
            return InputError(message)
        return BackendError(message)


def _names(providers: str | Sequence[str] | None) -> tuple[str, ...]:
    """Providers as the backends take them; a name alone is a list of one, not of letters."""
    if providers is None:
        return ()
    listed = (providers,) if isinstance(providers, str) else providers
    if not isinstance(listed, (list, tuple)) or not all(isinstance(n, str) for n in listed):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(
            f"providers must be a name or a list of names, such as ['cpu'], found {providers!r:.60}"
        )
    return tuple(listed)
