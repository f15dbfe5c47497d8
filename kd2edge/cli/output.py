"""What verbs share: ``--json``, and where text for people goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from kd2edge.pipeline.finite import finite

Command = TypeVar("Command", bound=Callable[..., Any])

#: ``--json``: exactly one JSON object on stdout, everything else on stderr.
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout; all else to stderr."
)


def overrides_option(command: Command) -> Command:
    """``--set K=V``: a recipe field from the command line, checked like the YAML."""
    return click.option(
        "--set", "overrides", multiple=True, metavar="K=V",
        help="Override a recipe field, e.g. --set train.lr=1e-3 (repeatable).",
    )(command)  # fmt: skip


def emit(value: Mapping[str, Any]) -> None:
    """Print the one JSON object."""
    click.echo(json.dumps(finite(value), ensure_ascii=False, allow_nan=False))


def say(text: str, *, as_json: bool) -> None:
    """Print text for a person: on stdout, or on stderr when stdout belongs to JSON."""
    click.echo(text, err=as_json)


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
