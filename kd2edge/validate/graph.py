"""Level 1: the graph is whole, valid, self-contained and takes and gives what the manifest says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kd2edge.bundle.manifest import Artefact
from kd2edge.bundle.store import Bundle
from kd2edge.inputs.spec import ArraySpec
from kd2edge.runtime.external_data import external_tensors
from kd2edge.validate.validation import Check

if TYPE_CHECKING:
    import onnx

__all__ = ["graph_checks"]


def graph_checks(bundle: Bundle, artefact: Artefact) -> tuple[Check, ...]:
    """Checks of an artefact's files; an ONNX graph is read whole, other formats by their runtime.

    An OpenVINO or TensorRT file has no checker of its own: loading it compares names and types.

    Raises:
        IntegrityError: a file is not the one that the manifest names.
    """
    contents = {entry.path: bundle.read(entry.path) for entry in artefact.files}
    checks = [Check("checksums", "ok")]
    if artefact.entry.endswith(".onnx"):
        checks += _onnx_checks(contents[artefact.entry], artefact)
    return tuple(checks)


def _onnx_checks(content: bytes, artefact: Artefact) -> Iterator[Check]:
    try:
        import onnx
    except ImportError:
        yield Check("onnx graph", "not_run", "onnx is not here: pip install 'kd2edge[validate]'")
        return
    try:
        model = onnx.load_from_string(content)
        external = external_tensors(content, artefact.id)
    except Exception as error:  # noqa: BLE001  (protobuf raises its own, by version)
        yield Check("onnx graph", "failed", f"these bytes are no ONNX model: {error}")
        return
    # First of all: the checker itself follows external data.
    yield _check("no external data", not external, f"tensors outside the file: {external[:5]}")
    if external:
        return
    yield _checker(model)
    yield _opset(model)
    yield _signature("inputs", model.graph.input, artefact.inputs)
    yield _signature("outputs", model.graph.output, artefact.outputs)


def _check(name: str, holds: bool, detail: str) -> Check:
    return Check(name, "ok") if holds else Check(name, "failed", detail)


def _checker(model: onnx.ModelProto) -> Check:
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return Check("onnx checker", "failed", str(error).strip().splitlines()[0])
    return Check("onnx checker", "ok")


def _opset(model: onnx.ModelProto) -> Check:
    import onnx

    newest = onnx.defs.onnx_opset_version()
    stated = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    opset = stated.get("ai.onnx")
    if opset is None or opset > newest:
        return Check("opset", "failed", f"expected ai.onnx up to {newest}, found {stated}")
    return Check("opset", "ok", ", ".join(f"{name} {version}" for name, version in stated.items()))


def _signature(what: str, values: Any, stated: tuple[ArraySpec, ...]) -> Check:
    """Names, types and shapes against the manifest; a named dimension must be dynamic there."""
    import onnx

    found: dict[str, tuple[str, tuple[int | str, ...]]] = {}
    for value in values:
        tensor = value.type.tensor_type
        name = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
        found[value.name] = (name, tuple(_dimension(part) for part in tensor.shape.dim))
    if set(found) != {array.name for array in stated}:
        return Check(what, "failed", f"manifest {[a.name for a in stated]}, graph {list(found)}")
    wrong = [
        f"{array.name}: manifest {array.dtype} {list(array.shape)}, graph {found[array.name]}"
        for array in stated
        if found[array.name][0] != array.dtype or not _fits(array.shape, found[array.name][1])
    ]
    return _check(what, not wrong, "; ".join(wrong))


def _dimension(dimension: Any) -> int | str:
    return dimension.dim_value if dimension.HasField("dim_value") else dimension.dim_param or "?"


def _fits(stated: tuple[int | str, ...], found: tuple[int | str, ...]) -> bool:
    """Equal sizes; a dynamic dimension may have any name, a fixed one may be left open."""
    if len(stated) != len(found):
        return False
    return all(
        isinstance(there, str) if isinstance(here, str) else there == here or isinstance(there, str)
        for here, there in zip(stated, found, strict=True)
    )
