"""What works on this machine: each ability is tried, not guessed from version numbers."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from kd2edge.engines import ENGINES, Engine, install_line
from kd2edge.errors import Kd2edgeError

__all__ = ["Ability", "examine"]


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing that kd2edge can or cannot do here, and how to mend it."""

    name: str
    works: bool
    detail: str
    mend: str = ""


def examine() -> tuple[Ability, ...]:
    """Try every ability; never raises."""
    return (
        _packages("read recipes", ("pydantic", "yaml"), "recipe"),
        _packages("distill", ("torch", "transformers", "safetensors", "pydantic"), "train"),
        _cuda(),
        _packages("export to ONNX", ("torch", "onnx", "onnxscript"), "train"),
        _packages("validate", ("onnx", "jinja2"), "validate"),
        *(_backend(one) for one in ENGINES.values()),
        _packages("build TensorRT-RTX", ("tensorrt_rtx",), "rtx"),
        _packages("image files", ("PIL",), "image"),
    )


def _packages(name: str, modules: Sequence[str], extra: str) -> Ability:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        return Ability(name, False, f"missing {', '.join(missing)}", install_line(extra))
    return Ability(name, True, ", ".join(f"{m} {_version(m)}" for m in modules))


_DISTRIBUTIONS = {"yaml": "PyYAML", "PIL": "pillow", "tensorrt_rtx": "tensorrt_rtx_cu12"}


def _version(module: str) -> str:
    try:
        return version(_DISTRIBUTIONS.get(module, module))
    except PackageNotFoundError:
        return "(version unknown)"


def _cuda() -> Ability:
    if importlib.util.find_spec("torch") is None:
        return Ability("train on CUDA", False, "missing torch", install_line("train"))
    try:
        import torch
    except (ImportError, OSError) as error:  # a half-installed one, or a library that is not there
        return Ability("train on CUDA", False, f"torch is installed, but does not import: {error}")
    if torch.cuda.is_available():
        return Ability("train on CUDA", True, torch.cuda.get_device_name(0))
    return Ability("train on CUDA", False, "no CUDA device: training runs on the CPU")


def _backend(engine: Engine) -> Ability:
    from kd2edge.runtime.backends.table import is_installed, preload

    name = f"run {engine.target}"
    if not is_installed(engine):
        return Ability(name, False, f"missing {' or '.join(engine.modules)}", engine.install)
    try:
        preload(engine.target)
    except (Kd2edgeError, ImportError, OSError) as error:
        return Ability(name, False, f"installed, but does not import: {error}")
    if engine.is_built_on_device and not _device():
        return Ability(name, False, "no CUDA device: engines can be built, not run")
    return Ability(name, True, "imports")


def _device() -> bool:
    from kd2edge.runtime.backends.cuda import Cuda

    try:
        Cuda("doctor")
    except Kd2edgeError:
        return False
    return True
