"""ONNX Runtime: threads and providers are explicit, and a provider that is missing is an error."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any, final

import numpy.typing as npt

from kd2edge.engines import ENGINES
from kd2edge.errors import BackendError, IntegrityError
from kd2edge.inputs.spec import ArraySpec
from kd2edge.runtime.backends.backend import Backend, Settings
from kd2edge.runtime.external_data import assert_no_external_data
from kd2edge.runtime.graph import ANY, Arrays, GraphSpec
from kd2edge.runtime.telemetry import quietly_imported

_CPU = "CPUExecutionProvider"
#: Providers that need CUDA's own libraries in the process.
_ON_CUDA = {"CUDAExecutionProvider", "TensorrtExecutionProvider"}
#: TF32 keeps 10 bits of a factor and is on by default: fp32 would not be what was judged.
_OPTIONS = {"CUDAExecutionProvider": {"use_tf32": "0"}}  # from 1.18
_LOG_NOTHING = 4  # only what kills the process
#: ONNX Runtime's type names that are not NumPy's.
_DTYPES = {"float": "float32", "double": "float64", "string": "object"}
_INSTALL = ENGINES["onnx"].install


@final
class OnnxRuntime(Backend):
    """Runs ONNX graphs from bytes, so that weights in other files are refused."""

    install = _INSTALL

    def __init__(self) -> None:
        self._run: Callable[..., Any] = _closed
        self._names: list[str] = []

    def open(self, graph: bytes, companions: Mapping[str, bytes], settings: Settings) -> GraphSpec:
        if companions:
            raise IntegrityError(
                f"{settings.label}: an ONNX graph is one file, found also {sorted(companions)};"
                " external data is refused because nothing ties it to the graph's checksum"
            )
        engine = _engine(settings.label)
        # ONNX Runtime opens such files relative to the working directory, whoever put them there.
        assert_no_external_data(graph, settings.label)
        providers = _providers(engine, settings)
        missing = _preloaded(engine, providers)
        session = _session(engine, graph, providers, settings)
        self.providers = tuple(session.get_providers())
        _assert_no_fallback(providers, self.providers, settings, missing)
        self.options = {
            "engine": f"onnxruntime {engine.__version__}",
            "execution_mode": "sequential",
            "inter_op_threads": 1,
            "providers": list(self.providers),
            "disabled_optimizers": _slower(providers),
        }
        self.errors = _errors()
        self.input_errors = self.errors[:1]
        spec = GraphSpec(
            tuple(_array(node) for node in session.get_inputs()),
            tuple(_array(node) for node in session.get_outputs()),
        )
        self._names = list(settings.outputs) or [array.name for array in spec.outputs]
        # The compiled session below the public one: that one lists and compares the input names
        # at every call (1 us; our checker did) and may fall back.  A release may hide it.
        self._run = getattr(session, "_sess", session).run
        return spec

    def infer(self, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
        names = self._names
        return dict(zip(names, self._run(names, arrays, None)))  # noqa: B905  (one value a name)

    def close(self) -> None:
        self._run = _closed


def _closed(*_: object) -> Any:
    raise RuntimeError("the session is closed")


def _engine(label: str) -> Any:
    try:
        return quietly_imported("onnxruntime")
    except ImportError as error:
        raise BackendError(
            f"{label} needs ONNX Runtime, which cannot be imported ({error}); run: {_INSTALL}"
        ) from error


def _state() -> Any:
    """The compiled module, where ONNX Runtime's exceptions stand."""
    return import_module("onnxruntime.capi.onnxruntime_pybind11_state")


def _errors() -> tuple[type[Exception], ...]:
    """What a run may raise, first the one that blames the values (an index out of range ...)."""
    state = _state()
    names = (
        "InvalidArgument",
        "Fail",
        "RuntimeException",
        "EPFail",
        "NotImplemented",
        "EngineError",
    )
    return (*(getattr(state, name) for name in names), ValueError, RuntimeError)


def _providers(engine: Any, settings: Settings) -> list[str]:
    """The providers to ask for: full names, checked against what this build of ONNX Runtime has."""
    available: list[str] = engine.get_available_providers()
    wanted = [_full_name(name, available) for name in settings.providers or (_CPU,)]
    missing = [name for name in wanted if name not in available]
    if missing and not settings.allow_fallback:
        raise BackendError(
            f"{settings.label}: no {', '.join(missing)} in this ONNX Runtime, which has"
            f" {', '.join(available)}; {_advice(missing[0])}, or pass allow_fallback=True"
        )
    return [name for name in wanted if name in available] or [_CPU]


def _preloaded(engine: Any, providers: list[str]) -> str:
    """Load CUDA's libraries where pip packages brought them; what could not be loaded, or nothing.

    The provider looks for them on the loader's path alone.  A process that imported torch has them;
    a service without torch would be told that there is no device.
    """
    preload = getattr(engine, "preload_dlls", None)  # from 1.21
    if preload is None or not _ON_CUDA.intersection(providers):
        return ""
    # It prints what is missing, to where answers go.
    with redirect_stdout(io.StringIO()) as said:
        preload()
    return next((line for line in said.getvalue().splitlines() if line.startswith("Failed")), "")


def _full_name(name: str, available: list[str]) -> str:
    """``cuda`` or ``CUDA`` for ``CUDAExecutionProvider``."""
    known = {*available, _CPU, *_ON_CUDA}
    short = {full.removesuffix("ExecutionProvider").lower(): full for full in known}
    return short.get(name.lower(), name)


def _advice(provider: str) -> str:
    if provider in _ON_CUDA:
        return 'run: pip uninstall onnxruntime && pip install "kd2edge[gpu]"'
    return "install the ONNX Runtime build that has it"


def _session(engine: Any, graph: bytes, providers: list[str], settings: Settings) -> Any:
    state = _state()
    options = engine.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.execution_mode = engine.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _LOG_NOTHING
    try:
        # enable_fallback=0: the default prints to stdout and goes on with another provider.
        return engine.InferenceSession(
            graph,
            options,
            providers=[(name, _OPTIONS.get(name, {})) for name in providers],
            enable_fallback=0,
            disabled_optimizers=_slower(providers),
        )
    except state.NotImplemented as error:
        raise BackendError(
            f"{settings.label}: ONNX Runtime {engine.__version__} has no kernel for it: {error}"
        ) from error
    except state.EPFail as error:
        raise BackendError(f"{settings.label}: {providers[0]} cannot start: {error}") from error
    except (*_errors(), state.InvalidProtobuf, state.InvalidGraph, state.NoSuchFile) as error:
        raise IntegrityError(
            f"{settings.label}: no graph that ONNX Runtime {engine.__version__} can load"
            f" ({len(graph)} bytes): {error}"
        ) from error


def _slower(providers: list[str]) -> list[str]:
    """What ONNX Runtime does to a graph and should not: its fused kernel is slower on a CPU.

    A residual sum and a layer norm in one took small students 10 to 25 % longer at batch 1 than the
    two in a row (benchmarks/peers.py).
    """
    return ["SkipLayerNormFusion"] if providers == [_CPU] else []


def _assert_no_fallback(
    wanted: list[str], real: tuple[str, ...], settings: Settings, missing: str
) -> None:
    # onnxruntime-gpu lists CUDA as available without a driver and then quietly runs on the CPU.
    lost = [name for name in wanted if name not in real]
    if lost and not settings.allow_fallback:
        cause, advice = "no device or driver?", ""
        if missing:
            cause, advice = missing, ' run: pip install "onnxruntime-gpu[cuda,cudnn]";'
        raise BackendError(
            f"{settings.label}: {', '.join(lost)} did not start ({cause});{advice}"
            f" running would be on {', '.join(real)}; pass allow_fallback=True to accept that"
        )


def _array(node: Any) -> ArraySpec:
    dtype = node.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if size is not None else ANY for size in node.shape)
    return ArraySpec(node.name, _DTYPES.get(dtype) or dtype, shape)
