"""TensorRT: a typed ONNX graph and its build settings; the engine is built on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import final

from kd2edge.errors import BackendError, Kd2edgeError
from kd2edge.export.passes import passed
from kd2edge.export.targets.target import Made, Source, Target, Variant
from kd2edge.export.targets.tensorrt_builder import BuildSettings, Network, profiles_of
from kd2edge.export.targets.tools import versions
from kd2edge.runtime.backends.tensorrt import toolkit

_NEEDS_DEVICE = (
    "an engine fits one GPU type and TensorRT version; on the device run: kd2edge build BUNDLE"
)


@final
class TensorRTTarget(Target):
    """Precision stands in the graph itself: TensorRT 11 and TensorRT for RTX know no other way."""

    name = "tensorrt"

    def needs(self, precisions: Sequence[str]) -> None:
        del precisions
        toolkit("target tensorrt")

    def make(self, source: Source, variant: Variant) -> Made:
        quantized = variant.precision == "int8"
        graph = _GRAPHS[variant.precision](source)
        profiles = profiles_of(source.inputs, source.ranges)
        build = BuildSettings(source.inputs, source.outputs, profiles, quantized)
        trt = toolkit("target tensorrt")
        tools = {trt.__name__: str(trt.__version__)}
        tools |= versions("onnxruntime") if quantized else {}
        settings = _int8_settings(source) if quantized else {}
        stem = f"{self.name}/{variant.id}"
        try:
            Network(graph, build)
        except BackendError:
            raise
        except Kd2edgeError as error:  # the graph is at fault: the bundle says so and goes on
            return Made({}, "", "failed", str(error), tools, settings)
        files = {f"{stem}.onnx": graph, f"{stem}.build.json": build.to_json()}
        return Made(files, f"{stem}.onnx", "needs_device", _NEEDS_DEVICE, tools, settings)


def _fp32(source: Source) -> bytes:
    return passed(source.graph, "strip_metadata")


def _fp16(source: Source) -> bytes:
    return passed(source.graph, "cast_fp16", "strip_metadata")


def _int8(source: Source) -> bytes:
    small = passed(source.graph, "int8_embedding_table")
    graph = source.quantizers["static"](
        small,
        source.calibration(),
        symmetric=True,
        reduce_range=False,
        exclude=source.exclude,
        method=source.method,
    )
    return passed(graph, "strip_metadata")


def _int8_settings(source: Source) -> dict[str, object]:
    quantization = {
        "symmetric": True,
        "per_channel": True,
        "reduce_range": False,
        "embedding": "int8 table",
        "exclude": list(source.exclude),
        "method": source.method,
    }
    return {"quantization": quantization, **source.calibrated()}


_GRAPHS: Mapping[str, Callable[[Source], bytes]] = {"fp32": _fp32, "fp16": _fp16, "int8": _int8}
