"""TensorRT 10, 11 and TensorRT for RTX: runs engines that were built on this device.

An engine is executable code: its bytes must have the SHA-256 that the build's evidence names.
What a machine without a GPU can prove of this file ends at deserialisation; `docs` say so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from threading import Lock
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.engines import ENGINES
from kd2edge.errors import BackendError, InputError, IntegrityError
from kd2edge.inputs.spec import ArraySpec
from kd2edge.runtime.backends.backend import Backend, Settings
from kd2edge.runtime.backends.cuda import Cuda, DeviceBuffer
from kd2edge.runtime.graph import ANY, Arrays, GraphSpec
from kd2edge.runtime.telemetry import quietly_imported

INSTALL = f"{ENGINES['tensorrt'].install} (or tensorrt from NVIDIA's index)"
#: TensorRT first: where both are installed the device is meant for it.
#: What TensorRT-RTX says on a GPU for which it makes no engines; building one goes through.
_NOT_FOR_THIS_GPU = "does not support this compute capability"
_MODULES = ENGINES["tensorrt"].modules
#: Names of the one device it runs on, as other runtimes call it.
_OWN = {"tensorrt", "nvtensorrtrtx", "cuda", "gpu"}
#: TensorRT's names of types -> NumPy's.
DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "BF16": "bfloat16",
    "INT8": "int8",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "BOOL": "bool",
}


@final
class TensorRT(Backend):
    """One engine with one execution context and one stream; calls wait for each other.

    A second context would need its own device memory and would still share the GPU: batch instead.
    """

    install = INSTALL
    errors = (BackendError, RuntimeError, ValueError, TypeError)
    uses_threads = False

    def __init__(self) -> None:
        self._lock = Lock()
        self._runtime: Any = None
        self._engine: Any = None
        self._context: Any = None
        self._cuda: Cuda | None = None
        self._stream = 0
        self._buffers: dict[str, DeviceBuffer] = {}
        self._outputs: list[ArraySpec] = []

    def open(self, graph: bytes, companions: Mapping[str, bytes], settings: Settings) -> GraphSpec:
        _assert_own(settings)
        _assert_known(graph, settings)
        trt = toolkit(settings.label)
        self._cuda = cuda = Cuda(settings.label)
        self._runtime, self._engine = deserialised(trt, graph, settings.label)
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise BackendError(f"{settings.label}: no execution context; is the GPU's memory full?")
        self._stream = cuda.stream()
        self.providers = (f"{trt.__name__} {trt.__version__}",)
        self.options = {"engine": self.providers[0]}
        spec = _spec(trt, self._engine)
        self._buffers = {array.name: DeviceBuffer(cuda) for array in spec.inputs + spec.outputs}
        wanted = settings.outputs or tuple(array.name for array in spec.outputs)
        self._outputs = [array for array in spec.outputs if array.name in wanted]
        return spec

    def infer(self, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
        with self._lock:
            cuda, stream, context = self._cuda, self._stream, self._context
            assert cuda is not None
            # Contiguous copies must live until the stream was waited for.
            held = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
            for name, array in held.items():
                self._bind_input(context, name, array)
            unknown = context.infer_shapes()
            if unknown:
                raise BackendError(f"shapes of {unknown} do not follow from the inputs")
            for name in self._buffers.keys() - held.keys():
                self._bind_output(context, name)
            if not context.execute_async_v3(stream):
                raise BackendError("execute_async_v3 refused to run")
            results = {array.name: self._fetched(context, array) for array in self._outputs}
            cuda.wait(stream)
            return results

    def close(self) -> None:
        with self._lock:
            for buffer in self._buffers.values():
                buffer.free()
            if self._cuda is not None and self._stream:
                self._cuda.destroy(self._stream)
            self._buffers, self._stream = {}, 0
            self._context = None  # in this order: a context needs its engine, that its runtime
            self._engine = None
            self._runtime = None

    def _bind_input(self, context: Any, name: str, array: npt.NDArray[Any]) -> None:
        if not context.set_input_shape(name, array.shape):
            low, _, high = self._engine.get_tensor_profile_shape(name, 0)
            raise InputError(
                f"{name} {list(array.shape)} is outside the engine's profile,"
                f" {list(low)} to {list(high)}"
            )
        buffer = self._buffers[name]
        context.set_tensor_address(name, buffer.address(array.nbytes))
        buffer.write(array, self._stream)

    def _bind_output(self, context: Any, name: str) -> None:
        # The size in bytes is TensorRT's own: it may pad a format.
        size = int(context.get_max_output_size(name))
        context.set_tensor_address(name, self._buffers[name].address(size))

    def _fetched(self, context: Any, array: ArraySpec) -> npt.NDArray[Any]:
        result = np.empty(tuple(context.get_tensor_shape(array.name)), np.dtype(array.dtype))
        self._buffers[array.name].read(result, self._stream)
        return result


def _assert_known(engine: bytes, settings: Settings) -> None:
    found = hashlib.sha256(engine).hexdigest()
    if not settings.sha256:
        raise IntegrityError(
            f"{settings.label}: an engine is executable code and none is loaded without the SHA-256"
            " that its build noted; run: kd2edge build BUNDLE"
        )
    if found != settings.sha256:
        raise IntegrityError(
            f"{settings.label}: the engine is not the one that was built: expected SHA-256"
            f" {settings.sha256}, found {found}; run: kd2edge build BUNDLE"
        )


def _assert_own(settings: Settings) -> None:
    """Refuse another device than the GPU, as other backends refuse one that they do not have."""
    wanted = settings.providers[:1]
    short = [name.lower().removesuffix("executionprovider").split(":")[0] for name in wanted]
    if not set(short) <= _OWN and not settings.allow_fallback:
        raise BackendError(
            f"{settings.label}: TensorRT runs on the GPU alone, found the provider {wanted[0]!r};"
            " leave providers out, name another artefact, or pass allow_fallback=True"
        )


def toolkit(label: str) -> Any:
    """The module ``tensorrt`` or ``tensorrt_rtx``, whichever is installed, for ``label``.

    Raises:
        BackendError: neither can be imported; the message has the install line.
    """
    reasons: list[str] = []
    for name in _MODULES:
        try:
            return quietly_imported(name)
        except (ImportError, OSError) as error:  # OSError: its shared libraries are missing
            reasons.append(f"{name}: {error}")
    raise BackendError(
        f"{label} needs TensorRT, which cannot be imported ({'; '.join(reasons)}); run: {INSTALL}"
    )


def deserialised(trt: Any, engine: bytes, label: str) -> tuple[Any, Any]:
    """Runtime and engine; the runtime must outlive the engine.

    Raises:
        BackendError: built for another GPU or version, or there is no GPU.
    """
    logger = quiet_logger(trt)
    runtime = trt.Runtime(logger)
    loaded = runtime.deserialize_cuda_engine(engine) if runtime is not None else None
    if loaded is None:
        advice = "engines fit one GPU type and one version: run kd2edge build BUNDLE on this device"
        if _NOT_FOR_THIS_GPU in logger.last:  # an H100 (9.0) and TensorRT-RTX
            advice = (
                f"{trt.__name__} runs on GPUs of other kinds alone: install tensorrt for this one"
            )
        raise BackendError(
            f"{label}: {trt.__name__} {trt.__version__} cannot load this engine: {logger.last};"
            f" {advice}"
        )
    return runtime, loaded


def quiet_logger(trt: Any) -> Any:
    """A logger that keeps TensorRT's last error for our message and prints nothing."""

    class Quiet(trt.ILogger):  # the base class exists only once TensorRT is imported
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last = "no reason given"

        def log(self, severity: Any, message: str) -> None:
            if severity in {trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR}:
                self.last = message

    return Quiet()


def _spec(trt: Any, engine: Any) -> GraphSpec:
    names = [engine.get_tensor_name(at) for at in range(engine.num_io_tensors)]
    modes = {name: engine.get_tensor_mode(name) for name in names}
    inputs = [_array(engine, name) for name in names if modes[name] == trt.TensorIOMode.INPUT]
    outputs = [_array(engine, name) for name in names if modes[name] == trt.TensorIOMode.OUTPUT]
    return GraphSpec(tuple(inputs), tuple(outputs))


def _array(engine: Any, name: str) -> ArraySpec:
    dtype = engine.get_tensor_dtype(name).name
    shape = tuple(size if size >= 0 else ANY for size in engine.get_tensor_shape(name))
    return ArraySpec(name, DTYPES.get(dtype) or dtype.lower(), shape)
