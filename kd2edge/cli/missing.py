"""Packages of extras that are not installed: what to run when a verb needs one."""

from __future__ import annotations

from collections.abc import Mapping

from kd2edge.engines import ENGINES

#: Module -> the extra that brings it.
EXTRAS: Mapping[str, str] = {
    "PIL": "image",
    "jinja2": "validate",
    "mlxtend": "train",
    "nncf": "train",
    "onnx": "validate",
    "onnxscript": "train",
    "optuna": "study",
    "pyarrow": "data",
    "pydantic": "recipe",
    "safetensors": "train",
    "sklearn": "train",
    "threadpoolctl": "train",
    "torch": "train",
    "torchjd": "train",
    "transformers": "train",
    "yaml": "recipe",
    **{module: one.extra for one in ENGINES.values() if one.extra for module in one.modules},
}


def advice(error: ModuleNotFoundError) -> str | None:
    """What is missing and the line that installs it; None for a module that no extra brings."""
    module = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(module)
    if extra is None:
        return None
    return f'this needs {module}, which is not installed; run: pip install "kd2edge[{extra}]"'
