"""``kd2edge predict``: JSON lines in, JSON lines out."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from kd2edge.cli.output import emit
from kd2edge.errors import DataError, InputError, StorageError, UsageError

if TYPE_CHECKING:
    from kd2edge.inputs.spec import InputSpec

_CHUNK = 256  # rows read at a time: bounds memory, keeps batches full
#: Files of rows that a recipe's sources may be, and that are no JSON lines.
_OTHER_KINDS = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True, slots=True)
class _Row:
    """A row to answer, and where it stands."""

    values: dict[str, Any]
    place: str


@click.command("predict")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), required=False)
@click.option("--text", multiple=True, help="Predict this text (repeatable), instead of FILE.")
@click.option("--artefact", default=None, help="Artefact id; default: the best that passed here.")
@click.option("--task", "tasks", multiple=True, help="Only this task (repeatable).")
@click.option("--top-k", type=click.IntRange(min=1), default=None, help="Labels a row.")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Threads to use.")
@click.option(
    "--provider", "providers", multiple=True,
    help="Execution provider or device, best first (repeatable); missing ones are an error.",
)  # fmt: skip
@click.option(
    "--evidence", type=click.Path(path_type=Path), default=None,
    help="Folder of evidence and engines, beside BUNDLE's own.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object for all rows.")
def command(
    bundle: Path,
    file: Path | None,
    text: tuple[str, ...],
    artefact: str | None,
    tasks: tuple[str, ...],
    top_k: int | None,
    threads: int | None,
    providers: tuple[str, ...],
    evidence: Path | None,
    as_json: bool,
) -> None:
    """Run BUNDLE on FILE (JSON lines, one object a row with the input's columns) or stdin."""
    from kd2edge.runtime import load

    _require_json_lines(file, text)
    with load(
        bundle,
        artefact=artefact,
        threads=threads,
        providers=providers or None,
        evidence=evidence,
    ) as model:
        click.echo(f"{model.artefact}: {model.why}", err=True)
        _require_tasks(model.tasks, tasks)  # before a row is read: its own faults would hide theirs
        rows = _texts(model.inputs, text) if text else _rows(file)
        root = str(file.parent) if file is not None else "."
        answers: list[dict[str, Any]] = []
        for chunk in _chunks(rows):
            values = {
                name: [_value(spec, row, root) for row in chunk]
                for name, spec in model.inputs.items()
            }
            with _placed(chunk):
                found = model.predict(values, tasks=list(tasks) or None, top_k=top_k)
            by_row = [
                dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)
            ]
            if as_json:
                answers += by_row
                continue
            for answer in by_row:
                click.echo(json.dumps(answer, ensure_ascii=False, allow_nan=False))
        if as_json:
            emit({"artefact": model.artefact, "rows": answers})


def _require_json_lines(file: Path | None, texts: tuple[str, ...]) -> None:
    if file is None:
        return
    if texts:
        raise UsageError(f"expected FILE or --text, found both: {file}")
    found = next((one for one in _OTHER_KINDS if file.name.lower().endswith(one)), None)
    if found is not None:
        raise UsageError(
            f"{file}: expected JSON lines, one object a row, found a {found} file: write its rows "
            "so, with the input's columns as keys"
        )


def _require_tasks(known: Collection[str], asked: tuple[str, ...]) -> None:
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise InputError(f"expected tasks among {', '.join(map(repr, known))}, found {unknown}")


def _chunks(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    """The rows, some at a time; at least one row is expected."""
    chunk = list(islice(rows, _CHUNK))
    if not chunk:
        raise InputError("expected at least one row, found none")
    while chunk:
        yield chunk
        chunk = list(islice(rows, _CHUNK))


@contextmanager
def _placed(chunk: list[_Row]) -> Iterator[None]:
    """The model counts from the chunk's first row: say the row's own place instead."""
    try:
        yield
    except InputError as error:
        if error.row is None:
            raise
        place = chunk[error.row].place
        raise DataError(f"{place}: input {error.name}: {error.reason}") from error


def _texts(inputs: Mapping[str, InputSpec], texts: tuple[str, ...]) -> Iterator[_Row]:
    specs = [spec for spec in inputs.values() if spec.kind in {"text", "tokens"}]
    if len(specs) != 1 or len(inputs) != 1:
        raise InputError(
            f"--text needs a model with one text input; this one takes {', '.join(inputs)}: "
            "give the rows as JSON lines"
        )
    from kd2edge.inputs.blanks import cut_at_blanks

    column, split = specs[0].columns[0], specs[0].kind == "tokens"
    for number, value in enumerate(texts, start=1):
        yield _Row({column: cut_at_blanks(value) if split else value}, f"--text:{number}")


def _rows(file: Path | None) -> Iterator[_Row]:
    stdin = file is None or str(file) == "-"
    name = "stdin" if stdin else str(file)
    try:
        with sys.stdin if stdin or file is None else file.open(encoding="utf-8-sig") as lines:
            yield from _parsed(lines, name)
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 text: {error}") from error
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such file") from error
    except OSError as error:
        raise StorageError(f"{name}: cannot be read: {error.strerror}") from error


def _parsed(lines: TextIO, name: str) -> Iterator[_Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise DataError(f"{name}:{number}: not a JSON object: {error}") from error
        if not isinstance(row, dict):
            raise DataError(f"{name}:{number}: expected a JSON object, found {line.strip()[:40]}")
        yield _Row(row, f"{name}:{number}")


def _value(spec: InputSpec, row: _Row, root: str) -> Any:
    from kd2edge.inputs import input_kind

    try:
        return input_kind(spec.kind).value(spec, row.values, root)
    except ValueError as error:
        raise DataError(f"{row.place}: input {spec.name}: {error}") from error
