"""Boosted trees on disk: arrays as ``.npz``, all else as JSON beside them.  Nothing is pickled."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kd2edge.errors import DataError, IntegrityError, SchemaTooNewError, UsageError
from kd2edge.files.atomic import storage_error, write_atomic
from kd2edge.files.fingerprint import fingerprint_bytes
from kd2edge.files.npz import LIMIT, npz_arrays, npz_bytes
from kd2edge.inputs.spec import InputSpec
from kd2edge.inputs.tabular import columns_of
from kd2edge.json_text import json_value
from kd2edge.nets.files import input_of, task_of
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher.boosted.forest import Forest, forest_of
from kd2edge.teacher.boosted.model import Boosted
from kd2edge.teacher.estimators import FORMS

#: Version of the JSON.
SCHEMA = 1

#: Most bytes of an array's header in the file.
_HEADER = 256

_WAY_OUT = (
    "put another copy of the trees (.npz and .json) there, or, where they are a run's own, delete"
    " their .record.json and run `kd2edge distill` again with --resume, which grows them anew"
)


@dataclass(frozen=True, slots=True)
class BoostedDescription:
    """What ``<stem>.json`` says of boosted trees; they are not touched.

    Args:
        input: the table that they read.
        tasks: what they answer.
        table: SHA-256 of what was fitted to the table's columns.
        trees: SHA-256 of the ``.npz``.
    """

    input: InputSpec
    tasks: tuple[TaskSpec, ...]
    table: str
    trees: str


def save_boosted(boosted: Boosted, stem: Path, table: str) -> None:
    """Write ``<stem>.npz`` and ``<stem>.json``, the same bytes for the same trees.

    The JSON comes last and carries the other's SHA-256, so a stop between the two is noticed.

    Args:
        boosted: what is written.
        stem: where, without suffix.
        table: SHA-256 of what was fitted to the table's columns: other ids mean other categories.

    Raises:
        DataError: more than is read back.
        StorageError: disk full, no permission ...
    """
    arrays: dict[str, Any] = {}
    for at, forest in enumerate(boosted.forests):
        arrays |= forest.arrays(f"{at}/")
    size = sum(one.nbytes + _HEADER for one in arrays.values())
    if size > LIMIT:
        raise DataError(
            f"{stem.name}: {boosted.trees:,} boosted trees of {size:,} bytes; at most {LIMIT:,} are"
            " kept: lower max_leaf_nodes or max_iter, or raise min_samples_leaf"
        )
    content = npz_bytes(arrays)
    described = {
        "schema": SCHEMA,
        "family": "boosting",
        "input": asdict(boosted.input),
        "tasks": [asdict(task) for task in boosted.tasks],
        "table": table,
        "trees": {"sha256": fingerprint_bytes(content), "bytes": len(content)},
    }
    text = json.dumps(described, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    trees, description = boosted_files(stem)
    write_atomic(trees, content)
    write_atomic(description, text.encode())


def boosted_files(stem: Path) -> tuple[Path, Path]:
    """The files of boosted trees: the trees, and the JSON that describes them."""
    return stem.with_name(f"{stem.name}.npz"), stem.with_name(f"{stem.name}.json")


def describe_boosted(stem: Path) -> BoostedDescription:
    """Read what boosted trees are, without them.

    Raises:
        StorageError: the file cannot be read.
        SchemaTooNewError: written by a newer kd2edge.
        IntegrityError: the file is damaged.
    """
    path = boosted_files(stem)[1]
    try:
        content = json_value(_read(path), strict=False)
        if content["family"] != "boosting":
            raise ValueError(f"family {content['family']!r}")
        if content["schema"] > SCHEMA:
            raise SchemaTooNewError(
                f"{path}: has schema {content['schema']}, this kd2edge reads up to {SCHEMA};"
                " update kd2edge"
            )
        found = BoostedDescription(
            input_of(content["input"]),
            tuple(task_of(item) for item in content["tasks"]),
            str(content["table"]),
            str(content["trees"]["sha256"]),
        )
        _require_asked_alike(found)
        return found
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise IntegrityError(
            f"{path}: does not describe boosted trees ({error}); {_WAY_OUT}"
        ) from error


def load_boosted(stem: Path) -> Boosted:
    """The trees that :func:`save_boosted` wrote.

    Raises:
        StorageError: files that cannot be read.
        SchemaTooNewError: written by a newer kd2edge.
        IntegrityError: a file that is damaged, or trees that are not the ones the JSON names.
    """
    described = describe_boosted(stem)
    path, description = boosted_files(stem)
    content = _read(path)
    if fingerprint_bytes(content) != described.trees:
        raise IntegrityError(
            f"{path}: its SHA-256 is not the {described.trees[:12]}... that {description.name}"
            f" states; it was changed or cut off; {_WAY_OUT}"
        )
    try:
        arrays = npz_arrays(content)
        forests = [
            _forest(arrays, at, described.input, task) for at, task in enumerate(described.tasks)
        ]
    except IntegrityError as error:
        raise IntegrityError(f"{path}: {error}; {_WAY_OUT}") from error
    return Boosted(described.input, described.tasks, tuple(forests))


def _require_asked_alike(found: BoostedDescription) -> None:
    """Trees read a table, and answer tasks that have a form of trees.

    Raises:
        ValueError: they do not.
    """
    if found.input.kind != "tabular":
        raise ValueError(f"input of kind {found.input.kind!r}")
    try:
        columns_of(found.input)
    except UsageError as error:
        raise ValueError(str(error)) from error
    names = {task.name for task in found.tasks}
    if not names or len(names) != len(found.tasks):
        raise ValueError("expected tasks, each of its own name")
    odd = next((task.kind for task in found.tasks if task.kind not in FORMS), None)
    if odd is not None:
        raise ValueError(f"task of kind {odd!r}")


def _forest(arrays: dict[str, Any], at: int, spec: InputSpec, task: TaskSpec) -> Forest:
    start = f"{at}/"
    own = {name[len(start) :]: one for name, one in arrays.items() if name.startswith(start)}
    numeric, categorical = columns_of(spec)
    found = forest_of(own, spec.prefix, len(numeric) + len(categorical), len(categorical))
    (output,) = task_kind(task.kind).outputs(task)
    if (found.form, found.channels) != (FORMS[task.kind], output.channels):
        raise IntegrityError(
            f"task {task.name}: expected {FORMS[task.kind]} of {output.channels}, found"
            f" {found.form} of {found.channels}"
        )
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise storage_error(error, path, "read") from error
