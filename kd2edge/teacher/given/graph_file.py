"""An ONNX file of somebody else's: read, hashed, and weights beside it put into it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from kd2edge.errors import IntegrityError, PathEscapeError
from kd2edge.files.atomic import storage_error
from kd2edge.files.fingerprint import fingerprint, fingerprint_bytes, fingerprint_file
from kd2edge.runtime.external_data import assert_no_external_data, external_places

#: Protobuf's own limit: no graph is larger that is handed over as bytes.
_LARGEST = 2**31 - 1


@final
@dataclass(frozen=True, slots=True)
class GraphFile:
    """A graph on disk, and the files that its weights stand in.

    Args:
        path: the file.
        files: path from its folder on -> SHA-256, the graph's own among them.
        bytes: of all of them.
        parameters: numbers in its weights; None: they stand in no tensor, as those of trees.
    """

    path: Path
    files: Mapping[str, str]
    bytes: int
    parameters: int | None

    @property
    def fingerprint(self) -> str:
        """Of all files: what the graph says depends on them, wherever they lie."""
        others = {name: one for name, one in self.files.items() if name != self.path.name}
        return fingerprint(["onnx", self.files[self.path.name], others])

    def read(self) -> bytes:
        """The graph in one piece, as ``Session.from_bytes`` takes it.

        Raises:
            StorageError: it cannot be read.
            IntegrityError: a file was changed since it was hashed, or weights of 2 GiB and more.
        """
        content = _read(self.path)
        self._require_same(self.path.name, fingerprint_bytes(content))
        if len(self.files) == 1:
            return content
        for name in self.files:
            self._require_same(name, fingerprint_file(self.path.parent / name))
        return _in_one(content, self.path, self.bytes)

    def _require_same(self, name: str, digest: str) -> None:
        if digest != self.files[name]:
            raise IntegrityError(
                f"{self.path.parent / name}: it changed while the teacher was about to be asked:"
                " run the same command again"
            )


def graph_file(path: Path) -> GraphFile:
    """Read what an ONNX file is; nothing is run.

    Args:
        path: the file.

    Raises:
        StorageError: a file that cannot be read.
        PathEscapeError: weights that are named outside of the graph's folder.
        IntegrityError: no ONNX file, or weights that are not there.
    """
    content = _read(path)
    files = {path.name: fingerprint_bytes(content)}
    size = len(content)
    named = external_places(content, str(path))
    for name in sorted({one for tensor, places in named for one in _named(path, tensor, places)}):
        beside = _inside(path, name)
        files[name] = fingerprint_file(beside)
        size += beside.stat().st_size
    return GraphFile(path, files, size, _parameters(content, path))


def _named(path: Path, tensor: str, places: tuple[str, ...]) -> tuple[str, ...]:
    if not places:
        raise IntegrityError(
            f"{path}: its tensor {tensor!r} stands in another file and names none: export it again"
        )
    return places


def _inside(path: Path, name: str) -> Path:
    """The file of weights, which lies in the graph's folder, links followed.

    Raises:
        PathEscapeError: it does not.
        IntegrityError: it is not there.
    """
    folder = path.parent.resolve()
    whole = (folder / name).resolve()
    if Path(name).is_absolute() or not whole.is_relative_to(folder):
        raise PathEscapeError(
            f"{path}: expected weights in its folder, found {name!r}, which leaves it: save the"
            " graph with its weights beside it"
        )
    if not whole.is_file():
        raise IntegrityError(f"{path}: its weights are in {name!r}, which is not beside it")
    return whole


def _in_one(content: bytes, path: Path, size: int) -> bytes:
    """The graph with the weights that stand beside it inside.

    ONNX Runtime would look for them in the working directory.
    """
    from onnx.checker import ValidationError
    from onnx.external_data_helper import load_external_data_for_model

    if size > _LARGEST:
        raise IntegrityError(
            f"{path}: {size:,} bytes with its weights, a graph in one piece has at most"
            f" {_LARGEST:,}: save it in float16, or let a `python` object ask it"
        )
    model = _model(content, path)
    try:
        load_external_data_for_model(model, str(path.parent.resolve()))
    except (OSError, ValueError, ValidationError) as error:
        raise IntegrityError(f"{path}: its weights cannot be read: {error}") from error
    whole = model.SerializeToString(deterministic=True)
    assert_no_external_data(whole, str(path))  # wherever the library did not look
    return whole


def _model(content: bytes, path: Path) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise IntegrityError(f"{path}: no ONNX file: {error}") from error


def _parameters(content: bytes, path: Path) -> int | None:
    from onnx import TensorProto

    kinds = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
    weights = _model(content, path).graph.initializer
    counts = [math.prod(one.dims) for one in weights if one.data_type in kinds]
    return sum(counts) or None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise storage_error(error, path, "read") from error
