"""What the verbs that read somebody's file share: how its rows are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kd2edge.cli.output import pairs

if TYPE_CHECKING:
    from kd2edge.pipeline.reading.source_forms import Asked

Command = TypeVar("Command", bound=Callable[..., Any])

#: What a shell cannot type well.
_ESCAPES = {"\\t": "\t", "tab": "\t"}


def rows_options(command: Command) -> Command:
    """``--kind``, ``--option`` and ``--source``: for files that their names do not tell."""
    for option in (
        click.option(
            "--source", default="", help="Read the file as this source of the recipe was read."
        ),
        click.option(
            "--option", "options", multiple=True, metavar="K=V",
            help="Option of the kind, e.g. columns=tokens,ner or delimiter=; (repeatable).",
        ),
        click.option("--kind", default="", help="Kind of the file: jsonl, csv, parquet or conll."),
    ):  # fmt: skip
        command = option(command)
    return command


def asked(kind: str, options: tuple[str, ...], source: str, *, otherwise: str = "") -> Asked:
    """What these options say of a file; ``otherwise`` is its kind where nothing tells.

    Args:
        kind: of file; "" where the option was not given.
        options: ``name=value``, as they were given.
        source: of the recipe as which the file is read; "" for any.
        otherwise: the kind where nothing tells.
    """
    from kd2edge.pipeline.reading.source_forms import Asked

    found: dict[str, Any] = {
        key: tuple(value.split(",")) if key == "columns" else _ESCAPES.get(value, value)
        for key, value in pairs(options, "--option").items()
    }
    return Asked(kind, found, source, otherwise)
