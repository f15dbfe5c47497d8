"""OpenVINO IR: float32, and int8 by NNCF."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from kd2edge.engines import ENGINES, install_line
from kd2edge.errors import Kd2edgeError, UsageError
from kd2edge.export.model_io import model_from_bytes
from kd2edge.export.targets.target import Made, Source, Target, Variant
from kd2edge.export.targets.tools import assert_installed, imported, versions

_PURPOSE = "target openvino"
_INSTALL = ENGINES["openvino"].install
_INSTALL_INT8 = install_line("train", "openvino")


@final
class OpenVinoTarget(Target):
    """An ``.xml`` (the entry) and a ``.bin`` an artefact."""

    name = "openvino"

    def needs(self, precisions: Sequence[str]) -> None:
        imported(_PURPOSE, "openvino", _INSTALL)
        if "int8" in precisions:
            assert_installed(f"{_PURPOSE} in int8", ("nncf",), _INSTALL_INT8)

    def make(self, source: Source, variant: Variant) -> Made:
        openvino = imported(_PURPOSE, "openvino", _INSTALL)
        model = _read(openvino, source.graph)
        settings: dict[str, Any] = {}
        if variant.precision == "int8":
            settings = {"preset": "mixed", "overflow_fix": "enable"}
            settings["transformer"] = _is_transformer(source.graph)
            model = source.quantizers["openvino"](
                model,
                source.calibration(),
                transformer=settings["transformer"],
                exclude=_operations(model, source.exclude),
            )
            settings |= {"exclude": list(source.exclude), **source.calibrated()}
        tools = ("openvino", *(["nncf"] if variant.precision == "int8" else []))
        stem = f"{self.name}/{variant.id}"
        xml, weights = _ir(openvino, model)
        return Made(
            {f"{stem}.xml": xml, f"{stem}.bin": weights},
            f"{stem}.xml",
            tools=versions(*tools),
            settings=settings,
        )


def _read(openvino: Any, graph: bytes) -> Any:
    # read_model, not convert_model: the converter reports its use over the network.
    try:
        model = openvino.Core().read_model(graph)
    except RuntimeError as error:
        raise Kd2edgeError(f"OpenVINO does not read the ONNX graph: {error}") from error
    _name_by_position(model)
    return model


def _is_transformer(graph: bytes) -> bool:
    operators = {node.op_type for node in model_from_bytes(graph).graph.node}
    return {"Softmax", "LayerNormalization"} <= operators


def _operations(model: Any, exclude: Sequence[str]) -> list[str]:
    """OpenVINO's names of the operations that the ONNX nodes ``exclude`` became.

    Raises:
        UsageError: no operation comes from a node of that name.
    """
    known = {operation.get_friendly_name() for operation in model.get_ordered_ops()}
    found: list[str] = []
    for name in exclude:
        # A node with a bias becomes a product of the longer name and a sum.
        names = [each for each in (f"{name}/WithoutBiases", name) if each in known]
        if not names:
            raise UsageError(f"OpenVINO's model has no operation {name!r} to keep in float")
        found.append(names[0])
    return found


def _ir(openvino: Any, model: Any) -> tuple[bytes, bytes]:
    """The two files of a model.  Without ``compress_to_fp16=False`` weights would become fp16."""
    _name_by_position(model)
    with tempfile.TemporaryDirectory(prefix="kd2edge-") as folder:
        path = Path(folder) / "model.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def _name_by_position(model: Any) -> None:
    """Rename operations that OpenVINO named by a counter of this process.

    ``Reshape_10321`` would differ at the next export in the same process, in the file and in the
    order in which NNCF walks the graph.
    """
    for position, operation in enumerate(model.get_ordered_ops()):
        kind = operation.get_type_name()
        if re.fullmatch(rf"{kind}_\d+", operation.get_friendly_name()):
            operation.set_friendly_name(f"{kind}_at_{position}")
