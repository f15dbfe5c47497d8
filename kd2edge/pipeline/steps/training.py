"""One net of a run: trained or taken over, with a record that says what it was trained from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kd2edge.data.split import EncodedSplit
from kd2edge.distill import TrainingJob, require_resumable, train
from kd2edge.errors import IntegrityError
from kd2edge.events import BeginEvent, Event, StageEvent
from kd2edge.files import fingerprint, fingerprint_file, write_atomic
from kd2edge.files.atomic import storage_error
from kd2edge.json_text import json_value
from kd2edge.nets import flops, load_net, net_files, source_fingerprints
from kd2edge.pipeline.reading.model_inputs import weights_of
from kd2edge.pipeline.steps.events import Listener
from kd2edge.recipe.schema import Model
from kd2edge.recipe.schema.models import single_models

__all__ = [
    "NetRecord",
    "finished_record",
    "is_of_another",
    "forget_record",
    "has_record",
    "loaded_record",
    "measured_net",
    "origin_of",
    "train_net",
    "write_record",
]


#: Where pretrained weights lie is no part of what a net is trained from.
_PLACES: Any = {"source": True, "encoders": {"__all__": {"source"}}}


@dataclass(frozen=True, slots=True)
class NetRecord:
    """What is known of a trained net without loading it; ``<stem>.record.json``.

    Args:
        key: fingerprint of everything it was trained from.
        weights: SHA-256 of its safetensors; of a teacher that is only asked, of all it is known by.
        parameters: None, like other sizes: not known, of a teacher that is only asked.
        flops: of one row of median length.
        curve: a point an epoch, as ``report.json`` keeps it.
        files: name -> SHA-256 of every file of the net; empty in records of before it was kept.
        start: how much of a student was started from what, as ``kd2edge.student.Start`` says it;
            None: of another net, or of a phase that goes on with the one before it.
    """

    key: str
    weights: str
    parameters: int | None
    embedding_parameters: int | None
    flops: int | None
    bytes: int | None
    train_seconds: float = 0.0
    steps: int = 0
    best_epoch: int = 0
    last_epoch: int = 0
    curve: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    files: Mapping[str, str] = field(default_factory=dict)
    start: Mapping[str, Any] | None = None


def origin_of(model: Model, start: object = None) -> dict[str, object]:
    """What a net is made of and starts from, for :class:`TrainingJob`.

    Pretrained weights count by their content, not by where they lie.

    Args:
        model: what the recipe says of it.
        start: what it has of another net, as JSON values.

    Raises:
        UsageError: pretrained weights that are not where the recipe says.
    """
    folders = {"/".join(at): weights_of(one) for at, one in single_models(model).items()}
    return {
        "model": model.model_dump(mode="json", exclude=_PLACES),
        "weights": {at: source_fingerprints(one) for at, one in folders.items() if one is not None},
        "start": start,
    }


class Job(Protocol):
    """What makes a net or another teacher: where it is written, and what it depends on."""

    @property
    def stem(self) -> Path:
        """Where its files are, without suffix."""
        ...

    @property
    def key(self) -> str:
        """Fingerprint of everything that it depends on."""
        ...


def finished_record(job: Job) -> NetRecord | None:
    """The record of what this very job has made; None when it is still to be done.

    Raises:
        IntegrityError: the net was changed since.
    """
    known = _record(job.stem)
    return known if known and known.key == job.key and _is_whole(job.stem, known) else None


def is_of_another(job: Job) -> bool:
    """Whether a record says that something else than this very job has made what is there."""
    known = _record(job.stem)
    return known is not None and known.key != job.key


def has_record(stem: Path) -> bool:
    """Whether some job has finished what stands there, or stood there."""
    return _record(stem) is not None


def train_net(
    job: TrainingJob,
    *,
    resume: bool,
    reuse: bool,
    on_event: Listener,
    start: Callable[[], Mapping[str, Any]] | None = None,
) -> NetRecord:
    """Train a net and write its record, or take over one that this very job has trained.

    Args:
        job: what to train.
        resume: go on from its checkpoint.
        reuse: take over a finished net.
        on_event: told about progress.
        start: says what a student was started from; None: there is nothing to say.

    Raises:
        Interrupted: stopped; the state was saved.
        UsageError: ``resume`` with a checkpoint of another training.
        IntegrityError: a finished net or a checkpoint that was changed since.
    """
    known = finished_record(job) if reuse else None
    if known is not None:
        on_event(StageEvent(job.name, f"{known.steps:,} steps", skipped=True))
        return known
    if resume:
        require_resumable(job)  # while the finished net still counts
    forget_record(job.stem)
    result = train(job, resume=resume, on_event=partial(_told, job, on_event))
    record = NetRecord(
        **measured_net(job.stem, job.validation or job.train),
        key=job.key,
        train_seconds=result.seconds,
        steps=result.steps,
        best_epoch=result.best_epoch,
        last_epoch=result.last_epoch,
        curve=tuple(asdict(point) for point in result.curves),
        start=start() if start is not None else None,
    )
    write_record(job.stem, record)
    return record


def _told(job: TrainingJob, on_event: Listener, event: Event) -> None:
    """Hand an event on; the head of a training says what it uses, as its plan knows it."""
    if not isinstance(event, BeginEvent):
        on_event(event)
        return
    reason = "have no label" if job.hidden is None else "are not shown"
    unused = f" of {event.of:,}, the others {reason}" if event.rows < event.of else ""
    epochs = f"{event.epochs:,} epoch{'' if event.epochs == 1 else 's'}"
    steps = f"{event.steps:,} step{'' if event.steps == 1 else 's'}"
    beside = f"; beside {', '.join(one.name for one in job.peers)}" if job.peers else ""
    detail = f"{event.rows:,} rows{unused}; {epochs}, {steps}{beside}"
    on_event(StageEvent(job.name, detail))


def loaded_record(
    stem: Path,
    kept: Path,
    split: EncodedSplit,
    weights: str,
    measured: Callable[[Path, EncodedSplit], dict[str, Any]],
) -> NetRecord:
    """The record of what was trained elsewhere; measured once, then kept beside ``kept``.

    Args:
        stem: the net, or the trees.
        kept: where its record is kept, without suffix.
        split: rows to count operations on.
        weights: SHA-256 of what it learned.
        measured: gives what the record says beside its key.

    Raises:
        IntegrityError: it is damaged.
    """
    key = fingerprint([weights, split.fingerprint])
    known = _record(kept)
    if known is not None and known.key == key and not _changed(stem, known):
        return known
    record = NetRecord(**measured(stem, split), key=key)
    write_record(kept, record)
    return record


def measured_net(stem: Path, split: EncodedSplit) -> dict[str, Any]:
    """What a record says of a net beside what it was trained from.

    Args:
        stem: the net.
        split: rows to count operations on.
    """
    net = load_net(stem)
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


def _path(stem: Path) -> Path:
    """Where the record of a trained net stands."""
    return stem.with_name(f"{stem.name}.record.json")


def write_record(stem: Path, record: NetRecord) -> None:
    """Keep the record of what was made at ``stem``; it is finished then."""
    text = json.dumps(asdict(record), indent=1, sort_keys=True)
    write_atomic(_path(stem), f"{text}\n".encode())


def _record(stem: Path) -> NetRecord | None:
    try:
        found = json_value(_path(stem).read_bytes(), strict=False)
        return NetRecord(**{**found, "curve": tuple(found["curve"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None  # not there, or of another version: the net is trained again


def forget_record(stem: Path) -> None:
    """Drop the record of a net that will be trained again: a stop half-way leaves none.

    Raises:
        StorageError: no permission.
    """
    try:
        _path(stem).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, _path(stem), "removed") from error


def _is_whole(stem: Path, record: NetRecord) -> bool:
    """Whether the trained net is there; one that was changed since is never used in silence."""
    files = [stem.with_name(name) for name in record.files] or net_files(stem)
    if not all(path.is_file() for path in files):
        return False
    for path in _changed(stem, record):
        raise IntegrityError(
            f"{path}: it is not the file that training wrote, it was changed or cut off:"
            f" put it back, or delete {_path(stem)} and run `kd2edge distill` again with"
            " --resume, which makes it anew"
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
