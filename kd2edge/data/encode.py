"""Encode a split once: raw rows to arrays on disk, keyed by everything they depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kd2edge.data.absence import Absence
from kd2edge.data.augment import Views
from kd2edge.data.layout import Field, folder_of, shard_rows, spread
from kd2edge.data.split import EncodedSplit, is_ragged
from kd2edge.data.writer import Append, ArrayWriter, is_filled
from kd2edge.errors import DataError, InputError
from kd2edge.events import OnProgress, Progress, ignore
from kd2edge.files import fingerprint
from kd2edge.inputs.absent import NO_INPUT, first_without_input, presence_array
from kd2edge.inputs.kind import Encoder
from kd2edge.inputs.kinds import file_columns, input_kind
from kd2edge.inputs.spec import ArraySpec, Encoded, InputSpec
from kd2edge.ragged import Column, Ragged, offsets_of
from kd2edge.rows.hashes import PlacedRows, files_fingerprint
from kd2edge.rows.rows import Row
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Target, TaskSpec, is_stated

#: Rows that are encoded together: enough for the tokenizer's batch call, little memory.
_CHUNK = 256
#: Stored types: 32 bits hold every token id and halve the disk.
_STORED = {"int64": "int32"}


class SplitRows(Protocol):
    """What encoding needs of the joined rows of a split."""

    fingerprint: str

    def __len__(self) -> int: ...
    def __getitem__(self, position: int) -> Row: ...
    def place(self, position: int) -> str:
        """Where a row stands, for messages."""
        ...

    def root_of(self, position: int) -> str:
        """Folder that relative media paths of a row start at."""
        ...

    def tasks_of(self, position: int) -> Any:
        """Names of the tasks that the row's source labels."""
        ...

    @property
    def parts(self) -> Sequence[PlacedRows]:
        """Those of sources that label something, which stand first, and the others, if any."""
        ...


def encode_split(
    rows: SplitRows,
    inputs: Mapping[str, tuple[InputSpec, Encoder]],
    tasks: Sequence[TaskSpec],
    directory: Path,
    *,
    file_hashes: Mapping[str, str] | None = None,
    views: Views | None = None,
    absence: Absence | None = None,
    on_event: OnProgress = ignore,
) -> EncodedSplit:
    """Encode every row of a split into ``directory/<key>``, or open what stands there.

    The key is the fingerprint of rows and files that they name, input specs with their files, tasks
    and views, so that a changed recipe or picture never meets old arrays.  What is left out at
    random is left out of batches, not of the arrays.  A stopped call goes on with the shards that
    are whole; several calls at once share the work.

    Args:
        rows: the joined rows of one split.
        inputs: input name -> its spec and opened encoder.
        tasks: tasks whose targets are kept; a row without a task's column value gets ``MISSING``.
        directory: folder that holds the encoded splits.
        file_hashes: path in ``InputSpec.files`` -> SHA-256 of its bytes, for all inputs.
        views: augmentation of the batches (training split only).
        absence: inputs that are left out of batches at random (training split only).
        on_event: told about progress.

    Raises:
        DataError: a row that cannot be used (file and line), or no rows at all.
        IntegrityError: what an earlier call left there is damaged.
        StorageError: the folder cannot be written, or the disk is full.
    """
    if len(rows) == 0:
        raise DataError("the split has no rows; check the path and filters of its sources")
    hashes = _hashes_of(inputs, file_hashes or {})
    views = views or Views()
    columns = file_columns(spec for spec, _ in inputs.values())
    named, *others = [_identity(part, columns) for part in rows.parts]
    whole = fingerprint([named, *others]) if others else named
    key, labelled = (_key(one, inputs, tasks, hashes, views) for one in (whole, named))
    folder = folder_of(directory, key)
    if not is_filled(folder):
        job = _Job(rows, whole, labelled, inputs, tasks)
        _write(job, folder, key, views, on_event)
    return EncodedSplit(folder, absence or Absence())


def _identity(rows: PlacedRows, columns: Sequence[str]) -> str:
    """Fingerprint of rows and of the files that they name."""
    return fingerprint([rows.fingerprint, files_fingerprint(rows, columns)])


@dataclass(frozen=True, slots=True)
class _Job:
    rows: SplitRows
    fingerprint: str  # of the rows and the files that they name
    labelled: str  # the key that the rows with labels have alone
    inputs: Mapping[str, tuple[InputSpec, Encoder]]
    tasks: Sequence[TaskSpec]

    def word_input(self, task: TaskSpec) -> str:
        """The input whose words a task labels; "" for row-level tasks."""
        return task.input if task_kind(task.kind).per_word else ""

    def arrays(self) -> Iterator[ArraySpec]:
        for _, encoder in self.inputs.values():
            yield from encoder.arrays


def _hashes_of(
    inputs: Mapping[str, tuple[InputSpec, Encoder]], hashes: Mapping[str, str]
) -> dict[str, str]:
    paths = [path for spec, _ in inputs.values() for path in spec.files.values()]
    missing = [path for path in paths if path not in hashes]
    if missing:  # without it a changed tokenizer would meet arrays of the old one
        raise ValueError(f"file_hashes: the SHA-256 of {', '.join(missing)} is needed for the key")
    return {path: hashes[path] for path in paths}


def _key(
    rows: str,
    inputs: Mapping[str, tuple[InputSpec, Encoder]],
    tasks: Sequence[TaskSpec],
    hashes: Mapping[str, str],
    views: Views,
) -> str:
    known = ("name", "kind", "labels", "column", "input")
    return fingerprint(
        {
            "rows": rows,
            "inputs": {name: spec for name, (spec, _) in inputs.items()},
            "files": dict(hashes),
            "tasks": [{field: getattr(task, field) for field in known} for task in tasks],
            "views": views.form(),
            "libraries": {name: _version(name) for name in ("tokenizers", "pillow")},
        }
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _write(job: _Job, folder: Path, key: str, views: Views, on_event: OnProgress) -> None:
    total = len(job.rows)
    probe = _chunk(job, spread(total).tolist(), {})
    writer = ArrayWriter(folder, _fields(job, probe), key)
    step = shard_rows(writer.row_bytes(probe), _CHUNK)

    def make(part: range, append: Append) -> dict[str, int]:
        pads: dict[str, int] = {}
        for begin in range(part.start, part.stop, _CHUNK):
            positions = part[begin - part.start :][:_CHUNK]
            append(_chunk(job, positions, pads))
            on_event(Progress("encode", positions[-1] + 1, total))
        return pads

    every = range(total)
    filled = writer.fill([every[at : at + step] for at in range(0, total, step)], make)
    pads = {name: pad for one in filled for name, pad in one.note.items()}
    writer.join(filled, _meta(job, pads, views))


def _meta(job: _Job, pads: Mapping[str, int], views: Views) -> dict[str, Any]:
    return {
        "rows_fingerprint": job.fingerprint,
        "labelled_fingerprint": job.labelled,
        "arrays": {
            name: [asdict(spec) for spec in encoder.arrays]
            for name, (_, encoder) in job.inputs.items()
        },
        "pads": dict(pads),
        "tasks": {task.name: _meta_of(job, task) for task in job.tasks},
        "columns": {name: list(spec.columns) for name, (spec, _) in job.inputs.items()},
        "views": views.form(),
        "presences": {
            name: presence_array(spec).name
            for name, (spec, _) in job.inputs.items()
            if spec.may_be_absent
        },
    }


def _meta_of(job: _Job, task: TaskSpec) -> dict[str, Any]:
    kind = task_kind(task.kind)
    # Pairs, for a JSON object has no order, and the first field says what is labelled.
    dtypes = [[field.name, field.dtype] for field in kind.fields(task)]
    return {"per": kind.per, "input": job.word_input(task), "fields": dtypes}


def _fields(job: _Job, probe: Mapping[str, Column]) -> list[Field]:
    fields = [Field("length", "int32", resident=True)]
    for spec in job.arrays():
        ragged = is_ragged(spec)
        shape = tuple(int(dim) for dim in spec.shape[2 if ragged else 1 :])
        fields.append(
            Field(f"array/{spec.name}", _STORED.get(spec.dtype, spec.dtype), shape, ragged)
        )
    words = sorted(name for name in probe if name.startswith("words/"))
    fields += [Field(name, "int32", ragged=True) for name in words]
    for task in job.tasks:
        kind = task_kind(task.kind)
        fields += [
            Field(
                f"target/{task.name}/{field.name}",
                _STORED.get(field.dtype, field.dtype),
                field.shape,
                ragged=kind.is_ragged,
            )
            for field in kind.fields(task)
        ]
        fields.append(Field(f"labelled/{task.name}", "uint8", resident=True))
    return fields


def _chunk(job: _Job, positions: Sequence[int], pads: dict[str, int]) -> dict[str, Column]:
    encoded = _encoded_inputs(job, positions)
    columns: dict[str, Column] = {}
    total = np.zeros(len(positions), dtype=np.int64)
    for name, one in encoded.items():
        encoder = job.inputs[name][1]
        lengths = encoder.length(one)  # [row]
        total += lengths
        for spec in encoder.arrays:
            columns[f"array/{spec.name}"] = _stored(spec, one.arrays[spec.name], lengths, pads)
        starts = _word_starts(one)
        if starts is not None:
            columns[f"words/{name}"] = starts
    columns["length"] = total
    for task in job.tasks:
        words = columns[f"words/{job.word_input(task)}"] if job.word_input(task) else None
        columns.update(_targets(job, task, positions, words))
    return columns


def _encoded_inputs(job: _Job, positions: Sequence[int]) -> dict[str, Encoded]:
    found: dict[str, Encoded] = {}
    for name, (spec, encoder) in job.inputs.items():
        values = [_value(job.rows, spec, position) for position in positions]
        try:
            found[name] = encoder.encode(values)
        except InputError as error:
            raise DataError(_blamed(job.rows, encoder, values, positions, error)) from error
    lacking = first_without_input(found.values())
    if lacking is not None:
        raise DataError(f"{job.rows.place(positions[lacking])}: {NO_INPUT}")
    return found


def _value(rows: SplitRows, spec: InputSpec, position: int) -> Any:
    try:
        return input_kind(spec.kind).value(spec, rows[position], rows.root_of(position))
    except ValueError as error:
        raise DataError(f"{rows.place(position)}: {error}") from error


def _blamed(
    rows: SplitRows,
    encoder: Encoder,
    values: Sequence[Any],
    positions: Sequence[int],
    error: InputError,
) -> str:
    """The message of a refused chunk, with the place of the row that is to blame."""
    for value, position in zip(values, positions, strict=True):
        try:
            encoder.encode([value])
        except InputError as single:
            return f"{rows.place(position)}: {single}"
    return str(error)


def _stored(
    spec: ArraySpec, array: npt.NDArray[Any], lengths: npt.NDArray[np.int64], pads: dict[str, int]
) -> Column:
    if not is_ragged(spec):
        return array
    inside = np.arange(array.shape[1]) < lengths[:, None]  # [row, length]
    if spec.name not in pads and not inside.all():
        pads[spec.name] = int(array[~inside].flat[0])
    return Ragged(array[inside], offsets_of(lengths))


def _word_starts(encoded: Encoded) -> Ragged | None:
    """Position of every word, -1 for those cut off; None for inputs without words."""
    if encoded.word_starts is None:
        return None
    return Ragged(*encoded.word_starts)


def _targets(
    job: _Job, task: TaskSpec, positions: Sequence[int], words: Column | None
) -> dict[str, Column]:
    kind = task_kind(task.kind)
    targets: list[Target] = []
    for index, position in enumerate(positions):
        target = _target(job.rows, task, position)
        items = int(words.lengths[index]) if isinstance(words, Ragged) else 1
        if target is None:
            target = kind.unlabelled(task, items)
        elif isinstance(words, Ragged):
            _require_a_label_a_word(target, items, f"{job.rows.place(position)}: {task.name}")
        targets.append(target)
    truth = kind.truth(task, targets)
    leading = kind.fields(task)[0].name
    has = np.array([is_stated(target[leading]).any() for target in targets], dtype=np.uint8)
    columns = {f"target/{task.name}/{name}": column for name, column in truth.items()}
    return {**columns, f"labelled/{task.name}": has}


def _target(rows: SplitRows, task: TaskSpec, position: int) -> Target | None:
    counts = task.name in rows.tasks_of(position)
    try:
        return task_kind(task.kind).target(
            task, rows[position].get(task.column) if counts else None
        )
    except ValueError as error:
        raise DataError(f"{rows.place(position)}: {task.name}: {error}") from error


def _require_a_label_a_word(target: Target, words: int, place: str) -> None:
    for values in target.values():
        if len(values) != words:
            raise DataError(
                f"{place}: {len(values)} labels for {words} words; one label a word is needed"
            )
