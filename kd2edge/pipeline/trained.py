"""One net of a run: trained or taken over, with a record that says what it was trained from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kd2edge.bundle import fingerprint, fingerprint_file, write_atomic
from kd2edge.data.split import EncodedSplit
from kd2edge.distill import Knowledge, TrainSettings, train
from kd2edge.nets import Net, flops, load_net, save_net
from kd2edge.pipeline.events import Listener, StageEvent
from kd2edge.tasks.spec import TaskSpec

__all__ = ["NetRecord", "Training", "net_record", "trained"]


@dataclass(frozen=True, slots=True)
class NetRecord:
    """What is known of a trained net without loading it; ``<stem>.record.json``.

    Args:
        key: fingerprint of everything it was trained from.
        weights: SHA-256 of its safetensors.
        flops: of one row of median length.
        curve: a point an epoch, as ``report.json`` keeps it.
    """

    key: str
    weights: str
    parameters: int
    embedding_parameters: int
    flops: int
    bytes: int
    train_seconds: float = 0.0
    steps: int = 0
    best_epoch: int = 0
    last_epoch: int = 0
    curve: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Training:
    """Everything that a training needs.

    Args:
        name: ``student``, ``baseline`` or ``teacher NAME``.
        stem: where the net goes, without suffix.
        key: fingerprint of what makes it.
        build: makes the net to train.
        checkpoints: folder for its checkpoints.
    """

    name: str
    stem: Path
    key: str
    build: Callable[[], Net]
    tasks: Sequence[TaskSpec]
    train: EncodedSplit
    validation: EncodedSplit
    settings: TrainSettings
    knowledge: Knowledge | None
    checkpoints: Path


def trained(job: Training, *, resume: bool, reuse: bool, on_event: Listener) -> NetRecord:
    """Train and save a net, or take over one that was trained from the same things.

    Args:
        job: what to train.
        resume: go on from a checkpoint of the same training.
        reuse: take over a finished net.
        on_event: told about progress.

    Raises:
        Interrupted: stopped; the state was saved.
    """
    known = _record(job.stem)
    if reuse and known is not None and known.key == job.key and _same_weights(job.stem, known):
        on_event(StageEvent(job.name, f"{known.steps:,} steps", skipped=True))
        return known
    on_event(StageEvent(job.name, f"{len(job.train):,} rows, {job.settings.epochs} epochs"))
    net = job.build()
    result = train(
        net,
        job.train,
        job.validation,
        tasks=job.tasks,
        knowledge=job.knowledge,
        settings=job.settings,
        directory=job.checkpoints,
        resume=resume,
        on_event=on_event,
    )
    net.cpu()
    save_net(net, job.stem)
    record = NetRecord(
        **_measured(net, job.stem, job.validation),
        key=job.key,
        train_seconds=result.seconds,
        steps=result.steps,
        best_epoch=result.best_epoch,
        last_epoch=result.last_epoch,
        curve=tuple(asdict(point) for point in result.curves),
    )
    _write(job.stem, record)
    return record


def net_record(stem: Path, split: EncodedSplit) -> NetRecord:
    """The record of a net that was trained elsewhere."""
    net = load_net(stem)
    measured = _measured(net, stem, split)
    return NetRecord(**measured, key=fingerprint(measured["weights"]))


def _measured(net: Net, stem: Path, split: EncodedSplit) -> dict[str, Any]:
    weights = stem.with_name(stem.name + ".safetensors")
    middle = np.argsort(split.lengths, kind="stable")[len(split) // 2]
    batch = split.batch(np.array([middle], dtype=np.int64))
    return {
        "weights": fingerprint_file(weights),
        "parameters": net.parameter_count(),
        "embedding_parameters": net.embedding_parameter_count(),
        "flops": flops(net, batch.inputs),
        "bytes": weights.stat().st_size,
    }


def _record_path(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.record.json")


def _write(stem: Path, record: NetRecord) -> None:
    text = json.dumps(asdict(record), indent=1, sort_keys=True)
    write_atomic(_record_path(stem), f"{text}\n".encode())


def _record(stem: Path) -> NetRecord | None:
    try:
        found = json.loads(_record_path(stem).read_text(encoding="utf-8"))
        return NetRecord(**{**found, "curve": tuple(found["curve"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None  # not there, or of another version: the net is trained again


def _same_weights(stem: Path, record: NetRecord) -> bool:
    weights = stem.with_name(stem.name + ".safetensors")
    return weights.is_file() and fingerprint_file(weights) == record.weights
