"""OpenVINO: IR (or ONNX) from memory, one request a running call, no bf16 on the quiet."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, final

import numpy.typing as npt

from kd2edge.engines import ENGINES
from kd2edge.errors import BackendError, IntegrityError
from kd2edge.inputs.spec import ArraySpec
from kd2edge.runtime.backends.backend import Backend, Settings
from kd2edge.runtime.external_data import assert_no_external_data
from kd2edge.runtime.graph import ANY, Arrays, GraphSpec
from kd2edge.runtime.telemetry import quietly_imported

_INSTALL = ENGINES["openvino"].install
#: OpenVINO's type names that are not made of NumPy's by rule.
_DTYPES = {"boolean": "bool", "bf16": "bfloat16"}
_KINDS = {"f": "float", "i": "int", "u": "uint"}
_THREADS = "INFERENCE_NUM_THREADS"


@final
class OpenVino(Backend):
    """Runs OpenVINO IR on one device, at the precision the artefact was validated for."""

    install = _INSTALL
    errors = (RuntimeError, ValueError)

    def __init__(self) -> None:
        self._compiled: Any = None
        self._ports: list[tuple[str, int]] = []
        self._idle: deque[Any] = deque()

    def open(self, graph: bytes, companions: Mapping[str, bytes], settings: Settings) -> GraphSpec:
        core = _core(settings.label)
        device = _device(core, settings)
        model = _model(core, graph, companions, settings.label)
        try:
            properties = _properties(device, settings)
            self._compiled = core.compile_model(model, device, properties)
        except RuntimeError as error:
            raise BackendError(
                f"{settings.label}: OpenVINO cannot compile it for {device}: {_short(error)}"
            ) from error
        self.providers = tuple(self._compiled.get_property("EXECUTION_DEVICES"))
        self.options = {
            "engine": f"openvino {_version()}",
            "devices": list(self.providers),
            **{name.lower(): one for name, one in properties.items() if name != _THREADS},
        }
        spec = GraphSpec(_arrays(self._compiled.inputs), _arrays(self._compiled.outputs))
        positions = {array.name: at for at, array in enumerate(spec.outputs)}
        self._ports = [
            (name, positions[name]) for name in settings.outputs or positions if name in positions
        ]
        return spec

    def infer(self, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
        # A request is used by one call at a time; there are as many as calls ran at once.
        # Not one a thread: servers start threads for ever, each would leave a request behind.
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        # Inputs are shared (the call waits); outputs copied, or the next call overwrites them.
        # A request that failed is not used again: nobody knows what it holds.
        values = request.infer(arrays, share_inputs=True, share_outputs=False).to_tuple()
        self._idle.append(request)
        return {name: values[at] for name, at in self._ports}

    def close(self) -> None:
        self._idle.clear()
        self._compiled = None


def _core(label: str) -> Any:
    try:
        openvino = quietly_imported("openvino")
    except ImportError as error:
        raise BackendError(
            f"{label} needs OpenVINO, which cannot be imported ({error}); run: {_INSTALL}"
        ) from error
    return openvino.Core()


def _version() -> str:
    import openvino

    return str(openvino.__version__).split("-", maxsplit=1)[0]


def _device(core: Any, settings: Settings) -> str:
    available: list[str] = core.available_devices
    wanted = settings.providers or ("CPU",)
    for device in wanted:
        # "GPU" stands for "GPU.0" where there are several.
        if any(device.upper() in {name, name.split(".")[0]} for name in available):
            return device.upper()
        if not settings.allow_fallback:
            break
    if settings.allow_fallback:
        return "CPU"
    raise BackendError(
        f"{settings.label}: OpenVINO has no device {wanted[0]!r} here, it has"
        f" {', '.join(available)}; install the device's driver, or pass allow_fallback=True"
    )


def _model(core: Any, graph: bytes, companions: Mapping[str, bytes], label: str) -> Any:
    weights = list(companions.values())
    if len(weights) > 1:
        raise IntegrityError(f"{label}: expected one weights file, found {sorted(companions)}")
    if not graph.startswith(b"<"):  # no IR but ONNX: OpenVINO reads its weights from any file
        assert_no_external_data(graph, label)
    try:
        return core.read_model(graph, weights[0] if weights else b"")
    except RuntimeError as error:
        raise IntegrityError(
            f"{label}: no model that OpenVINO can read ({len(graph)} + "
            f"{sum(map(len, weights))} bytes): {_short(error)}"
        ) from error


def _properties(device: str, settings: Settings) -> dict[str, Any]:
    properties: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if settings.precision in {"fp32", "int8"}:
        # The default on a CPU with bf16 is bf16, also for the float parts of an int8 graph:
        # it differs from what was validated by 1e-2.
        properties["INFERENCE_PRECISION_HINT"] = "f32"
    if device == "CPU":
        properties[_THREADS] = settings.threads
    return properties


def _arrays(ports: Any) -> tuple[ArraySpec, ...]:
    return tuple(
        ArraySpec(
            port.any_name,
            _dtype(port.element_type.get_type_name()),
            tuple(size.get_length() if size.is_static else ANY for size in port.partial_shape),
        )
        for port in ports
    )


def _dtype(name: str) -> str:
    """``f32`` -> ``float32``, ``u8`` -> ``uint8``."""
    return _DTYPES.get(name) or _KINDS.get(name[0], name[0]) + name[1:]


def _short(error: Exception) -> str:
    """The last lines say what is wrong; those before say where in OpenVINO's source."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith("Exception")]
    return " ".join(lines)[:300]
