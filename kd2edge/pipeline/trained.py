"""One net of a run: trained or taken over, with a record that says what it was trained from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kd2edge.data.split import EncodedSplit
from kd2edge.distill import BeginEvent, Knowledge, TrainSettings, train, training_key
from kd2edge.distill.checkpoint import has_checkpoint, not_resumable
from kd2edge.errors import IntegrityError, UsageError
from kd2edge.files import fingerprint, fingerprint_file, write_atomic
from kd2edge.files.atomic import storage_error
from kd2edge.json_text import json_value
from kd2edge.nets import (
    Net,
    describe_net,
    flops,
    load_net,
    net_files,
    save_net,
    source_fingerprints,
)
from kd2edge.pipeline.events import Listener, StageEvent
from kd2edge.pipeline.model_inputs import source_folder
from kd2edge.recipe.schema import CnnModel, TransformersModel
from kd2edge.recipe.schema.models import Init
from kd2edge.tasks.spec import TaskSpec

__all__ = ["NetRecord", "Training", "loaded_record", "net_key", "record_path", "trained"]


@dataclass(frozen=True, slots=True)
class NetRecord:
    """What is known of a trained net without loading it; ``<stem>.record.json``.

    Args:
        key: fingerprint of everything it was trained from.
        weights: SHA-256 of its safetensors.
        flops: of one row of median length.
        curve: a point an epoch, as ``report.json`` keeps it.
        files: name -> SHA-256 of every file of the net; empty in records of before it was kept.
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
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Training:
    """Everything that a training needs.

    Args:
        name: ``student``, ``baseline`` or ``teacher NAME``.
        stem: where the net goes, without suffix.
        key: fingerprint of what makes it, from :func:`net_key`.
        build: makes the net to train.
        checkpoints: folder for its checkpoints.
        on_event: told about progress.
        knowledge: what teachers say of the training rows; None: labels alone.
        tokenizers: input -> fingerprint of its tokenizer; kept beside the net.
    """

    name: str
    stem: Path
    key: str
    build: Callable[[], Net]
    tasks: Sequence[TaskSpec]
    train: EncodedSplit
    validation: EncodedSplit
    settings: TrainSettings
    checkpoints: Path
    on_event: Listener
    knowledge: Knowledge | None = None
    tokenizers: Mapping[str, str] = field(default_factory=dict)


def net_key(
    model: TransformersModel | CnnModel,
    start: Init | None,
    settings: TrainSettings,
    splits: Mapping[str, EncodedSplit],
    tasks: Sequence[TaskSpec],
    knowledge: Knowledge | None = None,
) -> str:
    """Fingerprint of everything that a trained net depends on: two trainings share it or neither.

    The splits' fingerprints are over rows, preprocessing, labels and views.  Pretrained weights
    count by their content, not by where they lie.

    Raises:
        UsageError: pretrained weights that are not where the recipe says.
    """
    source = model.source if isinstance(model, TransformersModel) else None
    weights = source_fingerprints(source_folder(source)) if source is not None else None
    origin = {
        "model": model.model_dump(mode="json", exclude={"source"}),
        "weights": weights,
        "start": start.model_dump(mode="json") if start is not None else None,
    }
    learned_from = (splits["train"], splits["validation"])
    return training_key(origin, learned_from, tasks, settings, knowledge)


def trained(job: Training, *, resume: bool, reuse: bool) -> NetRecord:
    """Train and save a net, or take over one that was trained from the same things.

    Args:
        job: what to train.
        resume: go on from a checkpoint of the same training.
        reuse: take over a finished net.

    Raises:
        Interrupted: stopped; the state was saved.
        UsageError: ``resume`` with a checkpoint of another training.
        IntegrityError: a finished net or a checkpoint that was changed since.
    """
    known = _record(job.stem)
    if reuse and known is not None and known.key == job.key and _is_whole(job.stem, known):
        job.on_event(StageEvent(job.name, f"{known.steps:,} steps", skipped=True))
        return known
    if resume and known is not None and known.key != job.key and has_checkpoint(job.checkpoints):
        raise UsageError(not_resumable(job.checkpoints))  # while the finished net still counts
    _forget(job.stem)
    net = job.build()
    result = train(
        net,
        job.train,
        job.validation,
        tasks=job.tasks,
        knowledge=job.knowledge,
        settings=job.settings,
        directory=job.checkpoints,
        origin=job.key,
        resume=resume,
        on_event=partial(_told, job),
    )
    net.cpu()
    save_net(net, job.stem, tokenizers=job.tokenizers)
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


def _told(job: Training, event: Any) -> None:
    """Hand an event on; the head of a training says what it uses, as its plan knows it."""
    if not isinstance(event, BeginEvent):
        job.on_event(event)
        return
    unused = f" of {event.of:,}, the others have no label" if event.rows < event.of else ""
    epochs = f"{event.epochs:,} epoch{'' if event.epochs == 1 else 's'}"
    detail = f"{event.rows:,} rows{unused}; {epochs}, {event.steps:,} steps"
    job.on_event(StageEvent(job.name, detail))


def loaded_record(stem: Path, kept: Path, split: EncodedSplit) -> NetRecord:
    """The record of a net that was trained elsewhere; measured once, then kept beside ``kept``.

    Args:
        stem: the net.
        kept: where its record is kept, without suffix.
        split: rows to count operations on.

    Raises:
        IntegrityError: the net is damaged.
    """
    key = fingerprint([describe_net(stem).weights, split.fingerprint])
    known = _record(kept)
    if known is not None and known.key == key and not _changed(stem, known):
        return known
    record = NetRecord(**_measured(load_net(stem), stem, split), key=key)
    _write(kept, record)
    return record


def _measured(net: Net, stem: Path, split: EncodedSplit) -> dict[str, Any]:
    files = {path.name: fingerprint_file(path) for path in net_files(stem)}
    weights = net_files(stem)[0]
    middle = np.argsort(split.lengths, kind="stable")[len(split) // 2]
    batch = split.batch(np.array([middle], dtype=np.int64))
    return {
        "weights": files[weights.name],
        "files": files,
        "parameters": net.parameter_count(),
        "embedding_parameters": net.embedding_parameter_count(),
        "flops": flops(net, batch.inputs),
        "bytes": weights.stat().st_size,
    }


def record_path(stem: Path) -> Path:
    """Where the record of a trained net stands."""
    return stem.with_name(f"{stem.name}.record.json")


def _write(stem: Path, record: NetRecord) -> None:
    text = json.dumps(asdict(record), indent=1, sort_keys=True)
    write_atomic(record_path(stem), f"{text}\n".encode())


def _record(stem: Path) -> NetRecord | None:
    try:
        found = json_value(record_path(stem).read_bytes(), strict=False)
        return NetRecord(**{**found, "curve": tuple(found["curve"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None  # not there, or of another version: the net is trained again


def _forget(stem: Path) -> None:
    """Drop the record of a net that will be trained again: a stop half-way leaves none."""
    try:
        record_path(stem).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, record_path(stem), "removed") from error


def _is_whole(stem: Path, record: NetRecord) -> bool:
    """Whether the trained net is there; one that was changed since is never used in silence."""
    if not all(path.is_file() for path in net_files(stem)):
        return False
    for path in _changed(stem, record):
        raise IntegrityError(
            f"{path}: it is not the file of the net that was trained, it was changed or cut off:"
            f" put it back, or delete {record_path(stem)} and run `kd2edge distill` again with"
            " --resume, which trains this net anew"
        )
    return True


def _changed(stem: Path, record: NetRecord) -> list[Path]:
    """The files of a net that are not those of its record, missing ones included."""
    stated = record.files or {net_files(stem)[0].name: record.weights}
    return [
        path
        for name, digest in stated.items()
        if not (path := stem.with_name(name)).is_file() or fingerprint_file(path) != digest
    ]
