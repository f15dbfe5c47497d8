"""The manifest: what a bundle is, without a single measurement, time or path of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kd2edge.inputs.spec import ArraySpec, InputSpec
from kd2edge.tasks.spec import TaskName, TaskSpec
from kd2edge.verdict import ANY_FALL, CONFIDENCE, Status

#: Version of the manifest's schema that this kd2edge writes, and the newest that it reads.
SCHEMA = 2


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file: path relative to the bundle (POSIX), SHA-256 (hex) and size in bytes."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Artefact:
    """One form of the student for one runtime.

    Args:
        id: ``<target>-<precision>[-<variant>]``, e.g. ``onnx-int8-qdq``.
        status: ``ready``, ``needs_device`` (a device must finish it) or ``failed``.
        reason: why it is not ready; "" when it is.
        entry: path of the file that the runtime opens first; "" when failed.
        ranges: dynamic dimension -> (smallest, largest) size that the artefact takes.
        tools: tool -> version that made it.
        settings: quantization or build settings, JSON values.
    """

    id: str
    target: str
    precision: str
    variant: str
    status: Status
    reason: str
    entry: str
    files: tuple[FileEntry, ...]
    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    tools: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Gate:
    """What the artefacts of a bundle are judged by, unless somebody asks for other measures.

    Args:
        max_drop: task -> what its leading metric may lose, in the metric's own unit.
        max_drop_class: task -> what the recall of a class may lose, in [0, 1]; a task that is not
            in it fails for none.
        confidence: of each one-sided bound.
    """

    max_drop: Mapping[str, float] = field(default_factory=dict[str, float])
    max_drop_class: Mapping[str, float] = field(default_factory=dict[str, float])
    confidence: float = CONFIDENCE

    def of_classes(self, task: str) -> float:
        """What the recall of a task's classes may lose; 1: classes are named and fail none."""
        return float(self.max_drop_class.get(task, ANY_FALL))


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything a bundle says about itself; the SHA-256 of its JSON is the bundle's identity.

    Args:
        files: every file of the bundle outside ``artefacts`` and ``reports/`` (tokenizer, golden,
            reference, model card, ...).
        references: split -> path of ``reference/<split>.npz``.
        golden: path of the golden inputs and outputs, "" when there are none.
        preferred: artefact ids, best first.
        licences: ``{"weights": [...], "data": [...]}``.
        provenance: fingerprints ``{"recipe", "data", "teacher", "student", "run"}`` (SHA-256, hex);
            ``student`` is that of its weights.
    """

    name: str
    version: str
    tasks: Mapping[TaskName, TaskSpec]
    inputs: Mapping[str, InputSpec]
    artefacts: Mapping[str, Artefact]
    preferred: tuple[str, ...]
    files: tuple[FileEntry, ...]
    references: Mapping[str, str]
    golden: str
    gate: Gate
    licences: Mapping[str, tuple[str, ...]]
    provenance: Mapping[str, str]
    schema: int = SCHEMA
