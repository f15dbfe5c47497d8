"""ONNX for ONNX Runtime: float32, int8 static (Q/DQ) and int8 dynamic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

from kd2edge.engines import install_line
from kd2edge.export.passes import passed
from kd2edge.export.targets.target import Made, Source, Target, Variant
from kd2edge.export.targets.tools import assert_installed, versions

_INSTALL = install_line("validate", "cpu")


@final
class OnnxTarget(Target):
    """One ``.onnx`` file an artefact, with the weights inside."""

    name = "onnx"

    def needs(self, precisions: Sequence[str]) -> None:
        engines = ("onnxruntime",) if "int8" in precisions else ()
        assert_installed("target onnx", ("onnx", *engines), _INSTALL)

    def make(self, source: Source, variant: Variant) -> Made:
        graph, settings, tools = _FORMS[variant.precision, variant.name](source)
        path = f"{self.name}/{variant.id}.onnx"
        return Made({path: graph}, path, tools=versions("onnx", *tools), settings=settings)


_Form = tuple[bytes, Mapping[str, Any], tuple[str, ...]]


def _fp32(source: Source) -> _Form:
    return passed(source.graph, "strip_metadata"), {}, ()


def _qdq(source: Source) -> _Form:
    # 7-bit weights under unsigned activations are the same model on CPUs with and without VNNI.
    settings = {"symmetric": False, "per_channel": True, "reduce_range": True}
    chosen = {"exclude": source.exclude, "method": source.method}
    small = passed(source.graph, "int8_embedding_rows", "int8_prototypes")
    graph = source.quantizers["static"](small, source.calibration(), **settings, **chosen)
    named = {"exclude": list(source.exclude), "method": source.method, "embedding": "int8 rows"}
    stated = {**settings, **named, **source.calibrated()}
    return passed(graph, "strip_metadata", "short_names"), stated, ("onnxruntime",)


def _dynamic(source: Source) -> _Form:
    settings = {"per_channel": True, "reduce_range": True}
    small = passed(source.graph, "int8_embedding_rows", "int8_prototypes")
    graph = source.quantizers["dynamic"](small, exclude=source.exclude, **settings)
    named = {"exclude": list(source.exclude), "embedding": "int8 rows"}
    plain = passed(graph, "no_zero_points", "counted_positions", "strip_metadata", "short_names")
    return plain, settings | named, ("onnxruntime",)


_FORMS: Mapping[tuple[str, str], Callable[[Source], _Form]] = {
    ("fp32", ""): _fp32,
    ("int8", "qdq"): _qdq,
    ("int8", "dynamic"): _dynamic,
}
