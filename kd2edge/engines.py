"""The table of engines: what runs a student, what is made for each, and what to install."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

#: Number formats, exact before small.
PRECISIONS = ("fp32", "fp16", "int8")
#: What of a student artefacts can be made from.
MadeFrom = Literal["graph", "program", "layers"]


@dataclass(frozen=True, slots=True)
class Engine:
    """A runtime that students are made ready for.

    Args:
        target: its name in recipes and artefact ids, and its folder in a bundle.
        flag: the option of ``kd2edge export`` that asks for it.
        title: its name in texts.
        backend: the module in ``runtime/backends`` that runs it.
        backend_class: the class in there.
        modules: packages of which any one runs it.
        extra: what of kd2edge's extras installs it; "": kd2edge alone brings it.
        precisions: number format -> names of its variants ("" when it has one form).
        made_from: the float32 ONNX graph, the program that ``torch.export`` made of the student, or
            the weights of its layers.
        companions: suffixes of the files that a graph needs beside it.
        families: of students that it runs; none: all.
        is_built_on_device: what a bundle holds for it is finished where it runs.
    """

    target: str
    flag: str
    title: str
    backend: str
    backend_class: str
    modules: tuple[str, ...]
    extra: str
    precisions: Mapping[str, tuple[str, ...]]
    made_from: MadeFrom = "graph"
    companions: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    is_built_on_device: bool = False

    @property
    def install(self) -> str:
        """The line that installs it."""
        return install_line(*([self.extra] if self.extra else []))


def install_line(*extras: str) -> str:
    """What to type for some of kd2edge's extras; for none of them, for kd2edge alone."""
    return f'pip install "kd2edge[{",".join(extras)}]"' if extras else "pip install kd2edge"


def _table(*engines: Engine) -> Mapping[str, Engine]:
    return MappingProxyType({one.target: one for one in engines})


#: Target -> engine, the more usual first.
ENGINES: Mapping[str, Engine] = _table(
    Engine(
        "onnx", "onnx", "ONNX Runtime", "onnxruntime", "OnnxRuntime", ("onnxruntime",), "cpu",
        {"fp32": ("",), "int8": ("qdq", "dynamic")},
    ),
    Engine(
        "openvino", "openvino", "OpenVINO", "openvino", "OpenVino", ("openvino",), "openvino",
        {"fp32": ("",), "int8": ("",)}, companions=(".bin",),
    ),
    Engine(
        "numpy", "numpy", "NumPy alone (students of static embeddings)", "numpy", "NumPy",
        ("numpy",), "", {"fp32": ("",), "int8": ("",)}, made_from="layers", companions=(".npz",),
        families=("static",),
    ),
    Engine(
        "tensorrt", "trt", "TensorRT", "tensorrt", "TensorRT", ("tensorrt", "tensorrt_rtx"), "rtx",
        {"fp32": ("",), "fp16": ("",), "int8": ("",)}, is_built_on_device=True,
    ),
)  # fmt: skip


def ranked() -> tuple[str, ...]:
    """Artefact ids in the order to try them where no evidence says better.

    Exact before small, a target's first form before its second, and last what a device builds.
    """

    def rank(place: tuple[int, int, int], engine: Engine) -> tuple[bool, int, int, int]:
        return (engine.is_built_on_device, *place)

    found = {
        artefact_id(engine.target, precision, variant): rank((format_at, variant_at, at), engine)
        for at, engine in enumerate(ENGINES.values())
        for format_at, precision in enumerate(PRECISIONS)
        for variant_at, variant in enumerate(engine.precisions.get(precision, ()))
    }
    return tuple(sorted(found, key=found.__getitem__))


def artefact_id(target: str, precision: str, variant: str) -> str:
    """``onnx-int8-qdq``, or ``onnx-fp32`` where the precision has one form."""
    return "-".join(part for part in (target, precision, variant) if part)


def unmade(targets: Iterable[str], precisions: Iterable[str]) -> list[str]:
    """Precisions that none of some targets has."""
    there = {precision for name in targets for precision in ENGINES[name].precisions}
    return [precision for precision in precisions if precision not in there]
