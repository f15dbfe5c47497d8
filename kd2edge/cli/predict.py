"""``kd2edge predict``: JSON lines in, JSON lines out."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kd2edge.cli.output import emit, emit_line, note
from kd2edge.cli.rows import asked, rows_options
from kd2edge.errors import DataError, InputError, UsageError

if TYPE_CHECKING:
    from kd2edge.inputs.spec import InputSpec
    from kd2edge.pipeline.reading.source_forms import Asked
    from kd2edge.rows.lines import PlacedRow

_CHUNK = 256  # rows read at a time: bounds memory, keeps batches full
_BATCH = 64  # rows of a forward pass that a file is run with, as far as the artefact takes them


@click.command("predict")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), required=False)
@rows_options
@click.option(
    "--text",
    multiple=True,
    help="Predict this text (repeatable), instead of FILE; it is cut where words are wanted.",
)
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
@click.option(
    "--identity", default=None, metavar="SHA256", help="Expect BUNDLE to have this identity."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for all rows.")
def command(
    bundle: Path,
    file: Path | None,
    kind: str,
    options: tuple[str, ...],
    source: str,
    text: tuple[str, ...],
    artefact: str | None,
    tasks: tuple[str, ...],
    top_k: int | None,
    threads: int | None,
    providers: tuple[str, ...],
    evidence: Path | None,
    identity: str | None,
    as_json: bool,
) -> None:
    """Run BUNDLE on FILE, or on JSON lines from stdin, one object a row with the input's columns.

    FILE is what a recipe's source may be (JSON lines, CSV, Parquet, column files, packed ones too),
    and is read as the recipe read such files.  Answers are JSON lines, UTF-8 whatever the locale.
    """
    from kd2edge.runtime import load

    _require_rows(file, text)
    said = asked(kind, options, source, otherwise="jsonl")
    with load(
        bundle,
        artefact=artefact,
        threads=threads,
        providers=providers or None,
        batch=len(text) or _BATCH,
        evidence=evidence,
        identity=identity,
    ) as model:
        note(f"{model.artefact}: {model.why}")
        _require_tasks(model.tasks, tasks)  # before a row is read: its own faults would hide theirs
        rows = _texts(model.inputs, text) if text else _reader(bundle, file, said)
        root = str(file.parent) if file is not None else "."
        answers: list[dict[str, Any]] = []
        for number, chunk in enumerate(_chunks(rows)):
            if not number:
                _note_absent(model.inputs, chunk)
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
                emit_line(answer)
        if as_json:
            emit({"artefact": model.artefact, "rows": answers})


def _require_rows(file: Path | None, texts: tuple[str, ...]) -> None:
    if (file is None or str(file) == "-") and not texts and sys.stdin is None:
        raise UsageError(
            "expected rows on standard input, and it is closed: name a FILE of JSON lines, or give"
            " a --text"
        )
    if file is not None and texts:
        raise UsageError(f"expected FILE or --text, found both: {file}")


def _require_tasks(known: Collection[str], asked: tuple[str, ...]) -> None:
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise InputError(f"expected tasks among {', '.join(map(repr, known))}, found {unknown}")


def _chunks(rows: Iterator[PlacedRow]) -> Iterator[list[PlacedRow]]:
    """The rows, some at a time; at least one row is expected."""
    chunk = list(islice(rows, _CHUNK))
    if not chunk:
        raise InputError("expected at least one row, found none")
    while chunk:
        yield chunk
        chunk = list(islice(rows, _CHUNK))


def _note_absent(inputs: Mapping[str, InputSpec], chunk: list[PlacedRow]) -> None:
    """Say of which input that may be absent no row has a column: it may be misspelt."""
    from kd2edge.wording import meant

    known = {column for spec in inputs.values() for column in spec.columns}
    held = {column for row in chunk for column in row.values}
    for name, spec in inputs.items():
        if spec.may_be_absent and not held & set(spec.columns):
            hints = {meant(column, held - known, before="; ") for column in spec.columns}
            told = ", ".join(map(repr, spec.columns))
            note(f"answered without input {name}: no row has {told}{''.join(sorted(hints))}")


@contextmanager
def _placed(chunk: list[PlacedRow]) -> Iterator[None]:
    """The model counts from the chunk's first row: say the row's own place instead."""
    try:
        yield
    except InputError as error:
        if error.row is None:
            raise
        place = chunk[error.row].place
        raise DataError(f"{place}: input {error.name}: {error.reason}") from error


def _reader(bundle: Path, file: Path | None, said: Asked) -> Iterator[PlacedRow]:
    """The rows to answer, from where they are: chosen once, read as they are asked for."""
    from kd2edge.bundle import open_bundle
    from kd2edge.pipeline.reading.source_forms import forms_of, handed_rows, is_plain, source_of
    from kd2edge.rows.lines import PlacedRow, json_lines

    if file is None or str(file) == "-":
        if said.kind not in {"", "jsonl"}:
            raise UsageError(f"--kind {said.kind}: standard input is JSON lines; name a FILE")
        return json_lines(sys.stdin.buffer, "stdin")
    forms = forms_of(open_bundle(bundle))
    # What is no file (a pipe by its name) can be read once, from its start; so can JSON lines.
    if not file.is_file() or is_plain(source_of(file, forms, said)):
        return json_lines(file, str(file))
    rows = handed_rows(file, forms, (), said)
    return (PlacedRow(row, rows.place(position)) for position, row in enumerate(rows))


def _texts(inputs: Mapping[str, InputSpec], texts: tuple[str, ...]) -> Iterator[PlacedRow]:
    from kd2edge.inputs import input_kind
    from kd2edge.rows.lines import PlacedRow

    specs = [spec for spec in inputs.values() if input_kind(spec.kind).words]
    if len(specs) != 1 or len(inputs) != 1:
        raise InputError(
            f"--text needs a model with one text input; this one takes {', '.join(inputs)}: "
            "give the rows as JSON lines"
        )
    column, kind = specs[0].columns[0], input_kind(specs[0].kind)
    for number, argument in enumerate(texts, start=1):
        yield PlacedRow({column: kind.typed(_typed(argument))}, f"--text:{number}")


def _typed(argument: str) -> str:
    """What was typed: a locale without its letters hands its bytes on, and these are UTF-8."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return os.fsencode(argument).decode(errors="surrogateescape")
    return argument


def _value(spec: InputSpec, row: PlacedRow, root: str) -> Any:
    from kd2edge.inputs import input_kind

    try:
        return input_kind(spec.kind).value(spec, row.values, root)
    except ValueError as error:
        raise DataError(f"{row.place}: input {spec.name}: {error}") from error
