"""What verbs share: ``--json``, and where text goes, whatever it quotes and whatever the locale."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TextIO, TypeVar

import click

from kd2edge.errors import StorageError
from kd2edge.pipeline.steps.finite import finite
from kd2edge.wording import shown, shown_lines, visible_json

Command = TypeVar("Command", bound=Callable[..., Any])

#: ``--json``: exactly one JSON object on stdout, everything else on stderr.
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout; all else to stderr."
)


#: What stands before a line's own text: its key and the gap behind, a bullet, or blanks.
_HEAD = re.compile(r" *(?:\S+ {2,}|- )| +")


def overrides_option(command: Command) -> Command:
    """``--set K=V``: a recipe field from the command line, checked like the YAML."""
    return click.option(
        "--set", "overrides", multiple=True, metavar="K=V",
        help="Override a recipe field, e.g. --set train.lr=1e-3 (repeatable).",
    )(command)  # fmt: skip


def allow_code_option(command: Command) -> Command:
    """``--allow-code``: no recipe can say it, as whoever runs one need not have written it."""
    return click.option(
        "--allow-code", is_flag=True,
        help="Let code run that the recipe names (teachers of family python).",
    )(command)  # fmt: skip


def open_streams() -> None:
    """Make the standard streams fit to be written to, before a verb begins.

    Raises:
        StorageError: standard output is closed, so that every answer would be lost.
    """
    _hold_descriptors()
    if sys.stdout is None:
        raise StorageError(
            "standard output is closed, and what the command answers would be lost: leave it open,"
            " or send it away with > /dev/null"
        )
    for stream in (sys.stdout, sys.stderr):
        # What a terminal has no letter for is shown as an escape; JSON goes by `emit` instead.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _hold_descriptors() -> None:
    """Put nothing in the place of a closed stream: the next file opened would get its number.

    A library that writes to "standard error" would then write into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)


def _hold_nothing(stream: TextIO) -> None:
    """Forget what a stream could not write: else the interpreter ends with an error of its own."""
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)


def emit(value: Mapping[str, Any]) -> None:
    """Print the one JSON object."""
    emit_line(finite(value))


def emit_line(value: Any) -> None:
    """Print a JSON value on a line of its own: UTF-8 whatever the locale, escaped where unseen."""
    text = visible_json(json.dumps(value, ensure_ascii=False, allow_nan=False))
    _write_bytes(sys.stdout, f"{text}\n")


def _write_bytes(stream: TextIO, text: str) -> None:
    bytes_below = getattr(stream, "buffer", None)
    if bytes_below is None:  # a caller put a text stream in its place
        stream.write(text)
        return
    stream.flush()
    bytes_below.write(text.encode())
    bytes_below.flush()


def say(text: str, *, as_json: bool = False) -> None:
    """Print a line for a person: on stdout, or on stderr when stdout belongs to JSON."""
    say_lines(shown(text), as_json=as_json)


def say_lines(text: str, *, as_json: bool = False) -> None:
    """Print lines for a person, as :func:`say`: a table, or what came through ``wording.shown``.

    On a terminal long lines are cut between words; in a file a line stays one.
    """
    lines = shown_lines(text)
    stream: TextIO | None = sys.stderr if as_json else sys.stdout  # None: it is closed
    if stream is not None and stream.isatty():
        lines = cut_between_words(lines, shutil.get_terminal_size().columns)
    click.echo(lines, err=as_json)


def cut_between_words(text: str, width: int) -> str:
    """Lines of at most ``width`` characters, what goes on below the first line's own text.

    Rows of tables stay whole, and so does a word that is longer than a line, such as a path.
    """
    return "\n".join(part for line in text.split("\n") for part in _parts(line, width))


def _parts(line: str, width: int) -> list[str]:
    if len(line) <= width or line.lstrip().startswith("|"):
        return [line]
    head = _HEAD.match(line)
    indent = " " * (len(head[0]) if head and len(head[0]) <= width // 2 else 0)
    return textwrap.wrap(
        line, width, subsequent_indent=indent, drop_whitespace=True, replace_whitespace=False,
        break_long_words=False, break_on_hyphens=False, expand_tabs=False,
    )  # fmt: skip


def say_whole(text: str) -> None:
    """Print on stdout what is to be read again: UTF-8 whatever the locale, no line cut.

    Args:
        text: lines that a terminal may be shown.
    """
    _write_bytes(sys.stdout, text)


def note(text: str) -> None:
    """Print a line for a person on stderr: what is done, and why."""
    note_lines(shown(text))


def note_lines(text: str) -> None:
    """Print lines for a person on stderr, if that takes them: the answers do not depend on it."""
    try:
        say_lines(text, as_json=True)
    except BrokenPipeError:  # whether anybody still reads is for the last door to find out
        raise
    except OSError:  # the terminal is gone, the disk of a log is full: the work goes on
        _hold_nothing(sys.stderr)


def pairs(values: tuple[str, ...], option: str) -> dict[str, str]:
    """Split ``K=V`` values of a repeatable option."""
    split: dict[str, str] = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"expected NAME=VALUE, found {value!r}", param_hint=option)
        split[key] = rest
    return split


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Split ``1,8,32`` into positive integers."""
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise click.BadParameter(
            f"expected positive integers such as 1,8,32, found {text!r}", param_hint=option
        )
    return found
