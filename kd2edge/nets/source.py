"""Where pretrained weights come from: a folder, an installed package, or the hub."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kd2edge.errors import StorageError, UsageError
from kd2edge.files.fingerprint import fingerprint_file

#: What is fetched from the hub: weights and JSON; never code, never pickles.
_PATTERNS = ("*.safetensors", "*.json", "*.txt", "LICENSE*", "README.md")

#: Read, as tensors alone, where a folder has no safetensors; never fetched.
PICKLED = "pytorch_model.bin"

_COMMIT = re.compile(r"[0-9a-f]{40}")


def resolve_source(source: str | Path | Mapping[str, Any]) -> Path:
    """The local folder of weights that ``source`` names.

    Args:
        source: a folder, ``{"path": folder}``, ``{"package": module, "path": folder inside it}``
            or ``{"hub": "owner/name", "revision": 40-digit commit}``.

    Raises:
        UsageError: a source of no known form, a package or folder that is not there, or a revision
            that is no commit.
        StorageError: the hub cannot be reached and the snapshot is not in the local cache.
    """
    if isinstance(source, (str, Path)):
        return _folder(Path(source))
    keys = set(source)
    if keys == {"path"}:
        return _folder(Path(source["path"]))
    if keys in ({"package"}, {"package", "path"}):
        return _folder(_inside(_package(str(source["package"])), str(source.get("path", ""))))
    if "hub" in keys and keys <= {"hub", "revision"}:
        return _snapshot(str(source["hub"]), str(source.get("revision", "")))
    raise UsageError(
        "source: expected a folder, {package, path} or {hub, revision}, found the keys"
        f" {sorted(map(str, keys))}"
    )


def tokenizer_json(source_dir: Path) -> bytes:
    """The ``tokenizer.json`` of a folder of weights.

    Raises:
        UsageError: no such file.
    """
    path = source_dir / "tokenizer.json"
    if not path.is_file():
        raise UsageError(
            f"{source_dir}: expected tokenizer.json, found none;"
            " save the tokenizer in its fast form there"
        )
    return path.read_bytes()


def source_fingerprints(source_dir: Path) -> dict[str, str]:
    """SHA-256 by name of what a net reads of a folder of weights, wherever the folder lies.

    Raises:
        StorageError: a file that cannot be read.
    """
    files = [source_dir / "config.json", *source_dir.glob("*.safetensors*")]
    files += [] if has_safetensors(source_dir) else [source_dir / PICKLED]
    return {path.name: fingerprint_file(path) for path in sorted(files) if path.is_file()}


def has_safetensors(source_dir: Path) -> bool:
    """Whether a folder's weights are safetensors, in one file or several."""
    names = ("model.safetensors", "model.safetensors.index.json")
    return any((source_dir / name).is_file() for name in names)


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise UsageError(
            f"source: {path} is no folder; expected one with config.json and safetensors"
        )
    return path


def _inside(folder: Path, path: str) -> Path:
    whole = folder / path
    if not whole.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"source: path {path!r} leaves the package; name a folder inside it")
    return whole


def _package(name: str) -> Path:
    """Folder of an installed package, found without running any of its code."""
    top, _, rest = name.partition(".")
    try:
        spec = importlib.util.find_spec(top)  # a dotted name would import the parents
    except ValueError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            f"source: package {top!r} is not installed here; pip install {top.replace('_', '-')}"
        )
    return Path(next(iter(spec.submodule_search_locations))).joinpath(
        *rest.split(".") if rest else ()
    )


def _snapshot(hub: str, revision: str) -> Path:
    if not _COMMIT.fullmatch(revision):
        raise UsageError(
            f"source: hub {hub} needs revision: a commit of 40 hex digits, found {revision!r};"
            " branches and tags move, so the same recipe would give other weights"
        )
    from huggingface_hub import snapshot_download  # heavy, and only for this source
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub, revision=revision, allow_patterns=list(_PATTERNS)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise StorageError(
            f"source: {hub} at {revision[:12]} cannot be fetched and is not in the local cache"
            f" ({error}); fetch it where there is a network and name the folder instead:"
            " source: {path: FOLDER}"
        ) from error
