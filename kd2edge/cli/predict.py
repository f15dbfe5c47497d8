"""``kd2edge predict``: JSON lines in, JSON lines out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

from kd2edge.errors import DataError, InputError

_CHUNK = 256  # rows read at a time: bounds memory, keeps batches full


@click.command("predict")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), required=False)
@click.option("--text", multiple=True, help="Predict this text (repeatable), instead of FILE.")
@click.option("--artefact", default=None, help="Artefact id; default: the best that passed here.")
@click.option("--task", "tasks", multiple=True, help="Only this task (repeatable).")
@click.option("--top-k", type=click.IntRange(min=1), default=None, help="Labels a row.")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Threads to use.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for all rows.")
def command(
    bundle: Path,
    file: Path | None,
    text: tuple[str, ...],
    artefact: str | None,
    tasks: tuple[str, ...],
    top_k: int | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Run BUNDLE on FILE (JSON lines, one object a row with the input's columns) or stdin."""
    from kd2edge.runtime import load

    with load(bundle, artefact=artefact, threads=threads) as model:
        click.echo(f"{model.artefact}: {model.why}", err=True)
        rows = _texts(model.inputs, text) if text else _rows(file)
        answers: list[dict[str, Any]] = []
        while chunk := list(islice(rows, _CHUNK)):
            values = {
                name: [_value(spec, row, number, file) for number, row in chunk]
                for name, spec in model.inputs.items()
            }
            found = model.predict(values, tasks=list(tasks) or None, top_k=top_k)
            for index in range(len(chunk)):
                answer = {task: found[task][index] for task in found}
                if as_json:
                    answers.append(answer)
                else:
                    click.echo(json.dumps(answer, ensure_ascii=False, allow_nan=False))
        if as_json:
            click.echo(json.dumps({"artefact": model.artefact, "rows": answers}, ensure_ascii=False))


def _texts(inputs: Any, texts: tuple[str, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    names = [name for name, spec in inputs.items() if spec.kind in {"text", "tokens"}]
    if len(names) != 1 or len(inputs) != 1:
        raise InputError(
            f"--text needs a model with one text input; this one takes {', '.join(inputs)}: "
            "give the rows as JSON lines"
        )
    spec = inputs[names[0]]
    split = spec.kind == "tokens"
    for number, value in enumerate(texts, start=1):
        yield number, {spec.columns[0]: value.split() if split else value}


def _rows(file: Path | None) -> Iterator[tuple[int, dict[str, Any]]]:
    stdin = file is None or str(file) == "-"
    lines = sys.stdin if stdin else _open(file)
    name = "stdin" if stdin else str(file)
    with lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{name}:{number}: not a JSON object: {error.msg}") from error
            if not isinstance(row, dict):
                raise DataError(f"{name}:{number}: expected a JSON object, found {line.strip()[:40]}")
            yield number, row


def _open(file: Path) -> Any:
    try:
        return file.open(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error


def _value(spec: Any, row: dict[str, Any], number: int, file: Path | None) -> Any:
    from kd2edge.inputs import input_kind

    root = str(file.parent) if file is not None and str(file) != "-" else "."
    try:
        return input_kind(spec.kind).value(spec, row, root)
    except ValueError as error:
        raise DataError(f"{file or 'stdin'}:{number}: {error}") from error
