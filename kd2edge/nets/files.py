"""Nets on disk: weights as safetensors, all else as JSON beside them.  Nothing is pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError

from kd2edge.errors import IntegrityError, SchemaTooNewError
from kd2edge.files.atomic import storage_error, write_atomic
from kd2edge.files.fingerprint import fingerprint_bytes
from kd2edge.inputs.spec import InputSpec
from kd2edge.json_text import json_value
from kd2edge.nets.net import Net, build_net
from kd2edge.nets.spec import ModelSpec
from kd2edge.tasks.spec import TaskName, TaskSpec

#: Version of the JSON that this kd2edge writes, and the newest that it reads.
SCHEMA = 2

_KEYS = {"schema", "model", "inputs", "tasks", "vocabulary", "weights"}
#: Keys that came later: files without them stay readable.
_LATER_KEYS = {"fitted", "tokenizers"}

#: What to do about a damaged net, whoever made it.
_WAY_OUT = (
    "put another copy of the net (.safetensors and .json) there, or, where it is a run's own,"
    " delete its .record.json and run `kd2edge distill` again with --resume, which trains it anew"
)


@dataclass(frozen=True, slots=True)
class NetDescription:
    """What ``<stem>.json`` says of a net; its weights are not touched.

    Args:
        vocabulary: input with a tokenizer -> its pieces.
        weights: SHA-256 (hex) of its safetensors.
        tokenizers: input -> fingerprint of the tokenizer that it was trained with; empty where the
            file does not say.
        fitted: input -> fingerprint of what its kind learned from the rows, likewise.
    """

    model: ModelSpec
    inputs: tuple[InputSpec, ...]
    tasks: tuple[TaskSpec, ...]
    vocabulary: Mapping[str, int]
    weights: str
    tokenizers: Mapping[str, str] = field(default_factory=dict)
    fitted: Mapping[str, str] = field(default_factory=dict)


def save_net(
    net: Net,
    stem: Path,
    *,
    tokenizers: Mapping[str, str] | None = None,
    fitted: Mapping[str, str] | None = None,
) -> None:
    """Write ``<stem>.safetensors`` and ``<stem>.json``, the same bytes for the same net.

    The JSON comes last and carries the weights' SHA-256, so a stop between the two is noticed.

    Args:
        net: what is written.
        stem: where, without suffix.
        tokenizers: input -> fingerprint of the tokenizer that it was trained with: whoever feeds
            it later can tell whether the ids mean the same.
        fitted: input -> fingerprint of what its kind learned from the rows, as scales are.

    Raises:
        StorageError: disk full, no permission ...
    """
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()
    }
    weights = safetensors.torch.save(tensors)
    content = {
        "schema": SCHEMA,
        "model": asdict(_own(net.model)),
        "inputs": [asdict(spec) for spec in net.inputs],
        "tasks": [asdict(spec) for spec in net.tasks],
        "vocabulary": dict(net.vocabulary),
        "weights": {"sha256": fingerprint_bytes(weights), "bytes": len(weights)},
    }
    for key, known in (("tokenizers", tokenizers), ("fitted", fitted)):
        if known:
            content[key] = dict(known)
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_atomic(_beside(stem, ".safetensors"), weights)
    write_atomic(_beside(stem, ".json"), text.encode())


def net_files(stem: Path) -> tuple[Path, Path]:
    """The files of a saved net: its weights, and the JSON that describes it."""
    return _beside(stem, ".safetensors"), _beside(stem, ".json")


def describe_net(stem: Path) -> NetDescription:
    """Read what a saved net is, without its weights.

    Raises:
        StorageError: the file cannot be read.
        SchemaTooNewError: written by a newer kd2edge.
        IntegrityError: the file is damaged.
    """
    path = _beside(stem, ".json")
    content = _described(_read(path), path)
    try:
        return NetDescription(
            _model(content["model"]),
            tuple(input_of(item) for item in content["inputs"]),
            tuple(task_of(item) for item in content["tasks"]),
            {name: int(size) for name, size in content["vocabulary"].items()},
            str(content["weights"]["sha256"]),
            dict(content.get("tokenizers", {})),
            dict(content.get("fitted", {})),
        )
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise IntegrityError(f"{path}: does not describe a net ({error}); {_WAY_OUT}") from error


def load_net(stem: Path) -> Net:
    """The net that :func:`save_net` wrote, on the CPU, in evaluation mode.

    Raises:
        StorageError: files that cannot be read.
        SchemaTooNewError: written by a newer kd2edge.
        IntegrityError: a file that is damaged, or weights that are not the ones the JSON names.
    """
    described = describe_net(stem)
    name = _beside(stem, ".json").name
    path = _beside(stem, ".safetensors")
    weights = _read(path)
    if fingerprint_bytes(weights) != described.weights:
        raise IntegrityError(
            f"{path}: its SHA-256 is not the {described.weights[:12]}... that {name} states;"
            f" it was changed or cut off; {_WAY_OUT}"
        )
    try:
        net = build_net(
            described.model,
            described.inputs,
            described.tasks,
            vocabulary=described.vocabulary,
        )
        net.load_state_dict(safetensors.torch.load(weights))
    except (SafetensorError, RuntimeError, TypeError, KeyError) as error:
        raise IntegrityError(
            f"{path}: these weights are not those of {name} ({error}); {_WAY_OUT}"
        ) from error
    return net.eval()


def _beside(stem: Path, ending: str) -> Path:
    return stem.with_name(stem.name + ending)  # with_suffix would eat a part of "student.v2"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise storage_error(error, path, "read") from error


def _described(text: bytes, path: Path) -> dict[str, Any]:
    try:
        content = json_value(text, strict=False)
    except ValueError as error:
        raise IntegrityError(f"{path}: not readable as JSON ({error}); {_WAY_OUT}") from error
    if not isinstance(content, dict) or not isinstance(content.get("schema"), int):
        raise IntegrityError(
            f"{path}: expected an object with a whole number as schema; {_WAY_OUT}"
        )
    if content["schema"] > SCHEMA:
        raise SchemaTooNewError(
            f"{path}: has schema {content['schema']}, this kd2edge reads up to {SCHEMA};"
            " update kd2edge"
        )
    if content["schema"] < SCHEMA:
        raise IntegrityError(
            f"{path}: has schema {content['schema']}, this kd2edge reads {SCHEMA}: train it anew"
        )
    weights = content.get("weights")
    known = set(content) - _LATER_KEYS == _KEYS
    if not known or not isinstance(weights, Mapping) or "sha256" not in weights:
        raise IntegrityError(
            f"{path}: expected the keys {sorted(_KEYS)}, found {sorted(content)}; {_WAY_OUT}"
        )
    return content


def _own(model: ModelSpec) -> ModelSpec:
    """The spec of a net whose weights are the ones to load now."""
    encoders = {name: _own(one) for name, one in model.encoders.items()}
    return replace(model, pretrained=False, encoders=encoders)


def _model(item: Mapping[str, Any]) -> ModelSpec:
    encoders = {name: _model(one) for name, one in item["encoders"].items()}
    return ModelSpec(**{**item, "encoders": encoders})


def input_of(item: Mapping[str, Any]) -> InputSpec:
    """An input's spec from the JSON of its fields.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    maps = {name: dict(item[name]) for name in ("options", "files")}
    return InputSpec(**{**item, **maps, "columns": tuple(item["columns"])})


def task_of(item: Mapping[str, Any]) -> TaskSpec:
    """A task's spec from the JSON of its fields.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    lists = {one.name: tuple(item[one.name]) for one in fields(TaskSpec) if one.name in _LISTS}
    if not all(isinstance(one, str) for one in (item["name"], *lists["labels"])):
        raise ValueError("expected texts for the name and the labels of a task")
    decode = dict(item["decode"])
    return TaskSpec(**{**item, **lists, "decode": decode, "name": TaskName(item["name"])})


_LISTS = ("labels", "metrics")
